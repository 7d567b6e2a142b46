//! The smallest example, driven without a network.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[allow(dead_code, reason = "its main is not run here")]
#[path = "../examples/hello/main.rs"]
mod hello;

use axum::body::Body;
use cloakroom::{FileStore, Sessions};
use http::Request;
use http::header::{COOKIE, SET_COOKIE};
use http_body_util::BodyExt;
use tower::ServiceExt;

#[tokio::test]
async fn the_smallest_example_knows_its_visitor_by_name_also_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("hello-sessions");
    let ask = async |path: &str, cookie: &str| {
        let sessions = Sessions::builder(FileStore::open(&place).unwrap()).build().unwrap();
        let request = Request::get(path).header(COOKIE, cookie).body(Body::empty()).unwrap();
        let response = hello::app(sessions).oneshot(request).await.unwrap();
        let cookie = response.headers().get(SET_COOKIE).map(|value| value.to_str().unwrap().to_owned());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (String::from_utf8(body.to_vec()).unwrap(), cookie)
    };
    let (first, cookie) = ask("/?name=Ada", "").await;
    assert_eq!(first, "Hello, Ada! This is your visit number 1.\n");
    let (second, none) = ask("/", cookie.unwrap().split(';').next().unwrap()).await;
    assert_eq!((second.as_str(), none), ("Hello, Ada! This is your visit number 2.\n", None));
    assert_eq!(ask("/", "").await.0, "Hello, stranger! This is your visit number 1.\n");
}
