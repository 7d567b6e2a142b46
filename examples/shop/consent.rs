//! The cookie banner. The choice is an ordinary signed cookie: no session is needed to remember it.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use cloakroom::cookie::{Cookie, CookieBuilder, CookieError};

use crate::Shop;
use crate::form::Form;
use crate::page;

const HALF_A_YEAR: Duration = Duration::from_secs(182 * 24 * 60 * 60);

#[derive(Clone, Copy)]
pub enum Consent {
    All,
    Necessary,
}

impl Consent {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Necessary => "necessary",
        }
    }

    fn parse(choice: &str) -> Option<Self> {
        [Self::All, Self::Necessary].into_iter().find(|consent| consent.as_str() == choice)
    }

    /// What the visitor chose, if they chose here: a cookie with a wrong signature is none.
    pub fn given(headers: &HeaderMap, cookie: &Cookie) -> Option<Self> {
        cookie.values(headers.get_all(header::COOKIE)).find_map(Self::parse)
    }
}

pub fn cookie(cookie: CookieBuilder) -> Result<Cookie, CookieError> {
    cookie.max_age(HALF_A_YEAR).build()
}

pub async fn choose(State(shop): State<Shop>, form: Form) -> Response {
    let Some(consent) = Consent::parse(form.field("choice")) else {
        return page::message(StatusCode::BAD_REQUEST, "No such choice", "It is all cookies, or the necessary ones.");
    };
    let cookie = shop.consent_cookie.set(consent.as_str()).expect("both choices fit into a cookie");
    (page::set_cookie(&cookie), Redirect::to("/")).into_response()
}
