//! What all pages have in common.

use std::fmt::{self, Write as _};

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, Html, IntoResponse, Response};
use cloakroom::cookie::SetCookie;

use crate::visitor::Visitor;

pub const STYLE: &str = "/style.css";

/// A page with its header, footer and, until the visitor has chosen, the cookie banner.
pub fn page(title: &str, visitor: &Visitor, body: &str) -> Response {
    let account = match &visitor.user {
        Some(user) => format!(
            r#"<a href="/devices">{}</a><form method="post" action="/logout">{}<button class="quiet">Log out</button></form>"#,
            Escaped(&user.to_string()),
            visitor.csrf_field()
        ),
        None => r#"<a href="/login">Log in</a>"#.to_owned(),
    };
    let cart =
        format!(r#"<a class="cart" href="/cart">Cart <span class="badge" id="items">{}</span></a>"#, visitor.items);
    let footer = match visitor.consent {
        Some(consent) => format!("<p>Cookies: {}.</p>", consent.as_str()),
        None => format!(
            r#"<form class="banner" method="post" action="/consent" aria-label="Cookies">{}
<p>Your cart and your login need a cookie. May we set others, too?</p>
<button name="choice" value="necessary" class="quiet">Necessary only</button>
<button name="choice" value="all">All</button></form>"#,
            visitor.csrf_field()
        ),
    };
    let html = document(title, &format!("{cart}{account}"), body, &footer);
    (visitor.form_cookie.as_ref().map(set_cookie), html).into_response()
}

/// A page that only says something; it is made without knowing the visitor.
pub fn message(status: StatusCode, title: &str, text: &str) -> Response {
    let body = format!(r#"<h1>{title}</h1><p class="lead">{text}</p><p><a href="/">Back to the shop</a></p>"#);
    (status, document(title, "", &body, "")).into_response()
}

pub async fn not_found() -> Response {
    message(StatusCode::NOT_FOUND, "Nothing here", "This page does not exist.")
}

pub async fn style() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, include_str!("style.css")).into_response()
}

fn document(title: &str, nav: &str, body: &str, footer: &str) -> Html<String> {
    Html(format!(
        r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · The Cloakroom</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{STYLE}">
<header><a class="brand" href="/">The Cloakroom</a><nav>{nav}</nav></header>
<main>{body}</main>
<footer>{footer}</footer>
</html>
"#
    ))
}

/// A cookie as part of a response.
pub fn set_cookie(cookie: &SetCookie) -> AppendHeaders<[(header::HeaderName, HeaderValue); 1]> {
    let value = HeaderValue::from_str(cookie.as_str()).expect("a Set-Cookie is ASCII without controls");
    AppendHeaders([(header::SET_COOKIE, value)])
}

/// No scripts, no frames, nothing from elsewhere.
pub async fn harden(mut response: Response) -> Response {
    const POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Text, made harmless in HTML: between tags, and in attributes with double quotes.
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| match char {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            other => f.write_char(other),
        })
    }
}
