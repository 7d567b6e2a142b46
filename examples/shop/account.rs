//! Logging in and out.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use cloakroom::{Lifetime, Session};

use crate::Shop;
use crate::devices::AGENT;
use crate::form::{Form, same};
use crate::page;
use crate::visitor::Visitor;

const CUSTOMERS: [&str; 2] = ["customer1", "customer2"];
/// A real shop keeps a slow salted hash (argon2) of each user's own.
const PASSWORD: &str = "open-sesame";

/// "Remember me": 30 days at most, whether used or not, and a cookie that outlives the browser.
const REMEMBERED: Lifetime = Lifetime::AAL1;

pub async fn show(visitor: Visitor) -> Response {
    page::page("Log in", &visitor, &login_form(&visitor, ""))
}

/// Whoever logs in gets a new id, so an id that was planted in the browser before is worth nothing; the cart stays.
pub async fn login(visitor: Visitor, headers: HeaderMap, form: Form) -> cloakroom::Result<Response> {
    let user = form.field("user");
    if !CUSTOMERS.contains(&user) || !same(form.field("password"), PASSWORD) {
        let body = login_form(&visitor, r#"<p class="problem" role="alert">Wrong name or password.</p>"#);
        return Ok((StatusCode::UNAUTHORIZED, page::page("Log in", &visitor, &body)).into_response());
    }
    let session = visitor.session;
    if form.field("remember") == "on" {
        session.remember(user, REMEMBERED)?;
    } else {
        session.login(user)?;
        session.set_permanent(false)?;
    }
    form.keep_token(&session)?;
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    session.insert(AGENT, &agent.chars().take(200).collect())?;
    Ok(Redirect::to("/").into_response())
}

/// Ends the session on the server; the cookie that remains anywhere is worth nothing from now on.
pub async fn logout(State(shop): State<Shop>, session: Session, _: Form) -> cloakroom::Result<Response> {
    session.destroy()?;
    // The next visitor at this browser starts afresh.
    Ok((page::set_cookie(&shop.form_cookie.remove()), Redirect::to("/")).into_response())
}

fn login_form(visitor: &Visitor, problem: &str) -> String {
    format!(
        r#"<h1>Log in</h1>{problem}
<form class="panel" method="post" action="/login">{}
<label>Name <input name="user" autocomplete="username" required autofocus></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<label class="check"><input name="remember" type="checkbox"> Remember me for 30 days</label>
<button>Log in</button>
</form>
<p class="note">This is a demonstration: be <code>customer1</code> or <code>customer2</code>, password <code>open-sesame</code>.</p>"#,
        visitor.csrf_field()
    )
}
