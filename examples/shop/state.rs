//! The visitor's state as JSON, for programs that drive the shop.

use axum::extract::RawQuery;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use cloakroom::Owner;
use serde_json::json;

use crate::page;
use crate::visitor::Visitor;

/// Like every page it stores nothing. A visitor without a session gets a token only when asking for one, with
/// `?csrf=1`, because it comes with a cookie.
pub async fn show(visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let asks = query.is_some_and(|query| query.split('&').any(|pair| pair == "csrf=1"));
    let form_cookie = visitor.form_cookie.as_ref();
    let state = json!({
        "user": visitor.user.as_ref().map(Owner::as_str),
        "items": visitor.items,
        "csrf": (asks || form_cookie.is_none()).then_some(&visitor.token),
        "handle": visitor.session.handle().map(|handle| handle.to_string()),
    });
    let cookie = form_cookie.filter(|_| asks).map(page::set_cookie);
    (cookie, [(header::CONTENT_TYPE, "application/json")], state.to_string()).into_response()
}
