//! The axum extractor, and errors as responses.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may panic, and nothing of it is public")]

#[allow(dead_code, reason = "shared with the tests of the layer")]
#[path = "tower/faulty.rs"]
mod faulty;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use cloakroom::tower::SessionLayer;
use cloakroom::{DynStore, Error, ErrorKind, MemoryStore, Session, Sessions};
use faulty::Faulty;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

async fn visits(session: Session) -> Result<String, Error> {
    session.modify("visits", |visits: Option<u64>| Some(visits.unwrap_or(0) + 1))?;
    Ok(session.get::<u64>("visits")?.unwrap_or(0).to_string())
}

async fn log_in(session: Session) -> Result<Redirect, Error> {
    session.login("user 42")?;
    Ok(Redirect::to("/"))
}

async fn who(session: Option<Session>) -> Result<String, Error> {
    match session {
        Some(session) => Ok(session.owner()?.map_or("nobody".to_owned(), |owner| owner.to_string())),
        None => Ok("no session here".to_owned()),
    }
}

async fn misread(session: Session) -> Result<String, Error> {
    session.get::<String>("visits").map(Option::unwrap_or_default)
}

fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/visits", post(visits))
        .route("/login", post(log_in))
        .route("/who", get(who))
        .route("/misread", get(misread))
}

fn site() -> (Faulty, Router) {
    let store = Faulty::new();
    let sessions = Sessions::builder(store.clone()).build().unwrap();
    (store, routes().layer(SessionLayer::new(sessions)))
}

async fn ask(site: &Router, method: Method, path: &str, cookie: &str) -> Response {
    let request = Request::builder().method(method).uri(path).header(COOKIE, cookie).body(Body::empty()).unwrap();
    site.clone().oneshot(request).await.unwrap()
}

async fn text(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn cookie_after(response: &Response) -> String {
    response.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_handler_takes_its_session_as_an_argument() {
    let (_, site) = site();
    let first = ask(&site, Method::POST, "/visits", "").await;
    let cookie = cookie_after(&first);
    assert_eq!(first.headers()[CACHE_CONTROL], "no-store");
    assert_eq!(text(first).await, "1");
    assert_eq!(text(ask(&site, Method::POST, "/visits", &cookie).await).await, "2");
}

#[tokio::test]
async fn a_login_holds_at_the_page_it_redirects_to() {
    let (_, site) = site();
    let response = ask(&site, Method::POST, "/login", "").await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(text(ask(&site, Method::GET, "/who", &cookie_after(&response)).await).await, "user 42");
    assert_eq!(text(ask(&site, Method::GET, "/who", "").await).await, "nobody");
}

#[tokio::test]
async fn an_optional_session_is_none_only_where_there_is_no_layer() {
    assert_eq!(text(ask(&routes(), Method::GET, "/who", "").await).await, "no session here");
    let store = Faulty::new();
    let sessions = Sessions::builder(store.clone()).build().unwrap();
    // Only a lazy layer lets the request come as far as the extractor.
    let site = routes().layer(SessionLayer::new(sessions).lazy(true));
    let cookie = cookie_after(&ask(&site, Method::POST, "/login", "").await);
    store.fail_to_read(true);
    assert_eq!(ask(&site, Method::GET, "/who", &cookie).await.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_missing_layer_is_a_500_that_names_it() {
    let response = ask(&routes(), Method::POST, "/visits", "").await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(text(response).await.contains("cloakroom::tower::SessionLayer"));
}

#[tokio::test]
async fn a_store_that_fails_is_told_in_text_that_names_no_path() {
    for lazy in [false, true] {
        let store = Faulty::new();
        let sessions = Sessions::builder(store.clone()).build().unwrap();
        let layer = SessionLayer::new(sessions);
        let site = routes().layer(layer.lazy(lazy));
        let cookie = cookie_after(&ask(&site, Method::POST, "/visits", "").await);
        store.fail_to_read(true);
        // One response fails before the handler, and one after it.
        let before = ask(&site, Method::POST, "/visits", &cookie).await;
        store.fail_to_read(false);
        store.fail_to_write(true);
        let after = ask(&site, Method::POST, "/visits", &cookie).await;
        for response in [before, after] {
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(response.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
            assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
            assert!(!response.headers().contains_key(SET_COOKIE));
            let error = response.extensions().get::<Arc<Error>>().unwrap();
            assert_eq!(error.kind(), &ErrorKind::Unavailable);
            let text = text(response).await;
            assert!(text.contains("try again later") && !text.contains("secret-path"), "{text}");
        }
    }
}

#[tokio::test]
async fn the_application_may_make_the_error_response() {
    let store = Faulty::new();
    let sessions = Sessions::builder(store.clone()).build().unwrap();
    let layer = SessionLayer::new(sessions)
        .on_error(|error: &Error| (StatusCode::IM_A_TEAPOT, format!("{:?}", error.kind())).into_response());
    let site = routes().layer(layer);
    let cookie = cookie_after(&ask(&site, Method::POST, "/visits", "").await);
    store.fail_to_read(true);
    let response = ask(&site, Method::POST, "/visits", &cookie).await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(text(response).await, "Unavailable");
}

#[tokio::test]
async fn an_entry_of_another_type_is_a_500_and_the_entry_stays() {
    let (_, site) = site();
    let cookie = cookie_after(&ask(&site, Method::POST, "/visits", "").await);
    let response = ask(&site, Method::GET, "/misread", &cookie).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(text(response).await, "Something went wrong.\n");
    assert_eq!(text(ask(&site, Method::POST, "/visits", &cookie).await).await, "2");
}

#[tokio::test]
async fn an_error_that_a_handler_answers_with_is_not_cached() {
    let response = Error::new(ErrorKind::Contention, "committing").into_response();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
}

/// What a handler does with all of a user's sessions, whatever the type of the store.
async fn end_all(session: Session, State(sessions): State<Sessions<DynStore>>) -> Result<String, Error> {
    let Some(owner) = session.owner()? else { return Ok("nobody".to_owned()) };
    let listed = sessions.owned_by(&owner).await?;
    for one in &listed {
        sessions.end(&owner, &one.handle()).await?;
    }
    let left = sessions.update_owned_by(&owner, |_| Ok(())).await?;
    Ok(format!("{} ended, {left} left, {} elsewhere", listed.len(), sessions.end_all(&owner).await?))
}

#[tokio::test]
async fn a_store_whose_type_is_hidden_serves_handlers() {
    let sessions = Sessions::builder(DynStore::new(MemoryStore::new())).build().unwrap();
    let site = routes().route("/end-all", post(end_all)).with_state(sessions.clone());
    let site = site.layer(SessionLayer::new(sessions));
    let in_ = ask(&site, Method::POST, "/login", "").await;
    let cookie = in_.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(text(ask(&site, Method::POST, "/end-all", &cookie).await).await, "1 ended, 0 left, 0 elsewhere");
    assert_eq!(text(ask(&site, Method::GET, "/who", &cookie).await).await, "nobody");
}
