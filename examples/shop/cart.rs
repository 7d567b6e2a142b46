//! The cart: what the session remembers for everyone, logged in or not.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use cloakroom::{Entry, Session};

use crate::catalogue::{self, price};
use crate::form::Form;
use crate::page;
use crate::visitor::Visitor;

/// How many there are of each item.
pub type Cart = BTreeMap<String, u32>;

/// The entry's name and type, in one place.
pub const CART: Entry<Cart> = Entry::new("cart");

/// How many articles the cart holds.
pub fn count(session: &Session) -> cloakroom::Result<u32> {
    let cart = session.get(CART)?.unwrap_or_default();
    Ok(cart.values().fold(0, |sum, count| sum.saturating_add(*count)))
}

/// `modify` runs again on whatever another request has stored meanwhile, so adds at the same time are all counted.
pub async fn add(session: Session, form: Form) -> Result<Response, Response> {
    let item = catalogue::find(form.field("item")).ok_or_else(no_such_item)?;
    let add = |cart: Option<Cart>| {
        let mut cart = cart.unwrap_or_default();
        let count = cart.entry(item.id.to_owned()).or_default();
        *count = count.saturating_add(1);
        Some(cart)
    };
    session.modify(CART, add).map_err(IntoResponse::into_response)?;
    form.keep_token(&session).map_err(IntoResponse::into_response)?;
    Ok(Redirect::to("/").into_response())
}

/// Takes out all of one item; with the last, the entry itself goes.
pub async fn remove(session: Session, form: Form) -> Result<Response, Response> {
    let item = catalogue::find(form.field("item")).ok_or_else(no_such_item)?;
    let remove = |cart: Option<Cart>| {
        let mut cart = cart?;
        cart.remove(item.id);
        (!cart.is_empty()).then_some(cart)
    };
    session.modify(CART, remove).map_err(IntoResponse::into_response)?;
    Ok(Redirect::to("/cart").into_response())
}

fn no_such_item() -> Response {
    page::message(StatusCode::NOT_FOUND, "No such item", "We do not sell that. Perhaps we did once.")
}

pub async fn show(visitor: Visitor) -> cloakroom::Result<Response> {
    let cart = visitor.session.get(CART)?.unwrap_or_default();
    let (mut rows, mut total) = (String::new(), 0);
    for (item, count) in &cart {
        // A cart may be older than the catalogue.
        let Some(item) = catalogue::find(item) else { continue };
        let cents = item.cents.saturating_mul(u64::from(*count));
        total += cents;
        let _ = write!(
            rows,
            r#"<tr><td>{name}</td><td class="number">{count}</td><td class="number">{price}</td><td class="end">
<form method="post" action="/cart/remove">{csrf}<input type="hidden" name="item" value="{id}">
<button class="quiet">Remove<span class="unseen"> {name}</span></button></form></td></tr>"#,
            name = item.name,
            id = item.id,
            price = price(cents),
            csrf = visitor.csrf_field(),
        );
    }
    let body = if rows.is_empty() {
        r#"<h1>Your cart</h1><p class="lead">Nothing in it yet. <a href="/">Have a look around.</a></p>"#.to_owned()
    } else {
        format!(
            r#"<h1>Your cart</h1>
<table><thead><tr><th>Item</th><th class="number">Count</th><th class="number">Price</th><th></th></tr></thead>
<tbody>{rows}</tbody>
<tfoot><tr><td colspan="2">Total</td><td class="number">{}</td><td></td></tr></tfoot></table>
<p class="note">It stays here for as long as your session lasts, whatever happens to our server.</p>"#,
            price(total)
        )
    };
    Ok(page::page("Your cart", &visitor, &body))
}
