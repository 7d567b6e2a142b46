//! Who looks at a page, and what a page needs to know about them.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use cloakroom::cookie::SetCookie;
use cloakroom::{Error, Owner, Session};

use crate::Shop;
use crate::cart;
use crate::consent::Consent;
use crate::form;

/// A visitor of a page with forms. It only reads: looking at pages stores nothing.
pub struct Visitor {
    pub session: Session,
    pub user: Option<Owner>,
    pub items: u32,
    pub consent: Option<Consent>,
    pub token: String,
    /// Set if the token is new, for the page to send along.
    pub form_cookie: Option<SetCookie>,
}

impl Visitor {
    /// The hidden field that belongs in every form.
    pub fn csrf_field(&self) -> String {
        // No need to escape: a token is base64url.
        format!(r#"<input type="hidden" name="csrf" value="{}">"#, self.token)
    }
}

impl FromRequestParts<Shop> for Visitor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, shop: &Shop) -> cloakroom::Result<Self> {
        let session = Session::from_request_parts(parts, shop).await?;
        let (token, form_cookie) = match form::token(&session, &parts.headers, &shop.form_cookie)? {
            Some(token) => (token, None),
            None => {
                let token = form::new_token()?;
                let cookie = shop.form_cookie.set(&token).expect("a token fits into a cookie");
                (token, Some(cookie))
            }
        };
        Ok(Self {
            user: session.owner()?,
            items: cart::count(&session)?,
            consent: Consent::given(&parts.headers, &shop.consent_cookie),
            token,
            form_cookie,
            session,
        })
    }
}
