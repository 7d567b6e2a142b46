//! Forms, and the token that shows a form to be ours (against cross-site request forgery).
//!
//! The token is kept in the session. A visitor who has none, since nothing was stored for them yet, gets it in a signed
//! cookie; the first form that begins a session takes the token along, and a login keeps it, so pages in other tabs stay
//! good. Another site can make a browser send our cookies, but it can neither read the token to put it into its form,
//! nor plant a token that it knows: browsers refuse that for cookies named `__Host-`. Logging out ends the token.

use std::collections::HashMap;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cloakroom::cookie::Cookie;
use cloakroom::{Entry, Session, SessionId};

use crate::Shop;
use crate::page;

const TOKEN: Entry<String> = Entry::new("csrf");

/// The fields of a form whose token was right. Any other is answered with 403 before a handler sees it.
pub struct Form(HashMap<String, String>);

impl Form {
    /// A field's value; empty if there is none.
    pub fn field(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Keeps the token in a session that has something else to keep.
    pub fn keep_token(&self, session: &Session) -> cloakroom::Result<()> {
        if session.contains(TOKEN)? { Ok(()) } else { session.insert(TOKEN, &self.field("csrf").to_owned()) }
    }
}

impl FromRequest<Shop> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, shop: &Shop) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let session = Session::from_request_parts(&mut parts, shop).await.map_err(IntoResponse::into_response)?;
        let token = token(&session, &parts.headers, &shop.form_cookie).map_err(IntoResponse::into_response)?;
        let request = Request::from_parts(parts, body);
        let axum::Form(fields) = axum::Form::from_request(request, shop).await.map_err(IntoResponse::into_response)?;
        let form = Self(fields);
        match token {
            Some(token) if same(&token, form.field("csrf")) => Ok(form),
            _ => Err(page::message(
                StatusCode::FORBIDDEN,
                "That form is out of date",
                "It did not come from a page that we made for you. Go back, reload the page, and try again.",
            )),
        }
    }
}

/// The visitor's token: the session's, else the signed cookie's, else none.
pub fn token(session: &Session, headers: &HeaderMap, cookie: &Cookie) -> cloakroom::Result<Option<String>> {
    let of_cookie = || cookie.values(headers.get_all(header::COOKIE)).next().map(str::to_owned);
    Ok(session.get(TOKEN)?.or_else(of_cookie))
}

/// A token that nobody can guess.
pub fn new_token() -> cloakroom::Result<String> {
    // As random as a session's id, and of characters that a cookie and a form both take.
    SessionId::generate().map(|random| random.expose())
}

/// Whether two secrets are the same, in a time that does not tell where they differ.
pub fn same(one: &str, other: &str) -> bool {
    // BLAKE3's hash compares in constant time.
    blake3::hash(one.as_bytes()) == blake3::hash(other.as_bytes())
}
