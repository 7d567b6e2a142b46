//! "Your devices": a user's sessions, and how to end them from elsewhere.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use cloakroom::{Clock, Entry, Handle, Session};

use crate::Shop;
use crate::ago::ago;
use crate::form::Form;
use crate::page::{self, Escaped};
use crate::visitor::Visitor;

/// What the browser called itself at login.
pub const AGENT: Entry<String> = Entry::new("agent");

pub async fn show(State(shop): State<Shop>, visitor: Visitor) -> cloakroom::Result<Response> {
    let Some(user) = &visitor.user else { return Ok(Redirect::to("/login").into_response()) };
    let here = visitor.session.handle();
    let now = shop.sessions.clock().now();
    let mut sessions = shop.sessions.owned_by(user).await?;
    // This one first; the others stay in their order, the one seen last before the rest.
    sessions.sort_by_key(|session| Some(session.handle()) != here);

    let mut rows = String::new();
    for session in &sessions {
        let agent = session.get(AGENT)?.unwrap_or_default();
        let since = session.authenticated_at().unwrap_or(session.created());
        let is_here = Some(session.handle()) == here;
        let _ = write!(
            rows,
            r#"<li><div><strong title="{agent}">{device}</strong>{badge}<br>
<span class="note">logged in <time datetime="{since}">{since_ago}</time>, last seen <time datetime="{seen}">{seen_ago}</time></span></div>
<form method="post" action="/devices/end">{csrf}<input type="hidden" name="handle" value="{handle}">
<button class="quiet">Log out</button></form></li>"#,
            agent = Escaped(&agent),
            device = device(&agent),
            badge = if is_here { r#" <span class="badge">this device</span>"# } else { "" },
            since_ago = ago(since, now),
            seen = session.last_seen(),
            seen_ago = if is_here { "now".to_owned() } else { ago(session.last_seen(), now) },
            csrf = visitor.csrf_field(),
            handle = session.handle(),
        );
    }
    let others = if sessions.len() > 1 {
        format!(
            r#"<form method="post" action="/devices/end">{}<input type="hidden" name="others" value="on">
<button>Log out everywhere else</button></form>"#,
            visitor.csrf_field()
        )
    } else {
        String::new()
    };
    let body = format!(
        r#"<h1>Your devices</h1><p class="lead">Wherever you are logged in as {}.</p>
<ul class="devices">{rows}</ul>{others}"#,
        Escaped(&user.to_string())
    );
    Ok(page::page("Your devices", &visitor, &body))
}

pub async fn end(State(shop): State<Shop>, session: Session, form: Form) -> cloakroom::Result<Response> {
    let (Some(user), Some(here)) = (session.owner()?, session.handle()) else {
        return Ok(page::message(StatusCode::UNAUTHORIZED, "Log in first", "You are not, or no longer, logged in."));
    };
    if form.field("others") == "on" {
        shop.sessions.end_others(&user, &here).await?;
        return Ok(Redirect::to("/devices").into_response());
    }
    match form.field("handle").parse::<Handle>() {
        // Ended by the request itself, the session takes its cookie along.
        Ok(handle) if handle == here => {
            session.destroy()?;
            Ok(Redirect::to("/").into_response())
        }
        // Another user's session is not found either: whether it exists is not ours to tell.
        Ok(handle) if shop.sessions.end(&user, &handle).await? => Ok(Redirect::to("/devices").into_response()),
        _ => Ok(page::message(StatusCode::NOT_FOUND, "No such device", "It may have been logged out already.")),
    }
}

/// A guess that people recognise; browsers all claim to be each other, so the most special names come first.
fn device(agent: &str) -> String {
    let find =
        |names: &[(&str, &'static str)]| names.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name);
    let browser = find(&[
        ("Edg/", "Edge"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = find(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "Mac"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "A browser".to_owned(),
    }
}
