//! A server: axum on loopback with as many threads as there are processors, and one of the layers or none.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::COOKIE;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tower::{ServiceExt as _, service_fn};

use crate::child;
use crate::contender::Class;
use crate::kind::Kind;
use crate::numbers::Numbers;
use crate::operations::request::{Handler, Opened, Place, our_layer, their_layer};
use crate::session::Model;

pub(super) const UNTOUCHED: &str = "/untouched";
pub(super) const GET: &str = "/get";
pub(super) const INSERT: &str = "/insert";

/// The port of a server, and the file with the cookies of its visitors, one a line.
#[derive(Serialize, Deserialize)]
pub(super) struct Serving {
    pub(super) port: u16,
    pub(super) cookies: PathBuf,
}

/// What the child does: it fills a store, and answers requests until it is killed or its parent is gone.
pub(crate) fn serve(kind: Option<Kind>, directory: &Path, model: Model, class: Class) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let place = kind.map(|kind| Place::filled(kind, &directory.join("store"), model, &runtime));
    let path = directory.join("cookies");
    fs::write(&path, cookies(place.as_ref(), model)).unwrap();
    let app = app(place.as_ref(), class, &runtime);
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.block_on(warm_up(&app, &path));
    runtime.spawn(async { axum::serve(listener, app).await });
    child::tell(&Serving { port, cookies: path });
    child::wait_for_the_end();
}

/// Requests every session once, so that none begins cold.
async fn warm_up(app: &Router, cookies: &Path) {
    for cookie in fs::read_to_string(cookies).unwrap().lines() {
        let request = Request::get(GET).header(COOKIE, cookie).body(Body::empty()).unwrap();
        assert!(app.clone().oneshot(request).await.unwrap().status().is_success());
    }
}

/// The cookies, in another order than their sessions were stored in. A server without a layer never reads its cookies,
/// so they only have the right length.
fn cookies(place: Option<&Place>, model: Model) -> String {
    let mut cookies: Vec<String> = match place {
        Some(place) => place.cookies.iter().map(|cookie| cookie.to_str().unwrap().to_owned()).collect(),
        None => (0..model.sessions).map(|n| format!("id={n:032}")).collect(),
    };
    Numbers(5).shuffle(&mut cookies);
    cookies.join("\n")
}

fn app(place: Option<&Place>, class: Class, runtime: &Runtime) -> Router {
    let theirs = || router(Handler::theirs::<Body>);
    match place.map(|place| place.open(class, runtime)) {
        None => router(Handler::bare::<Body>),
        Some(Opened::Ours(store)) => router(Handler::ours::<Body>).layer(our_layer(store)),
        Some(Opened::InMemory(store)) => theirs().layer(their_layer(store)),
        Some(Opened::Sqlite(store)) => theirs().layer(their_layer(store)),
        Some(Opened::Files(store)) => theirs().layer(their_layer(store)),
    }
}

fn router<A>(answer: impl Fn(Handler, Request) -> A + Copy + Send + Sync + 'static) -> Router
where
    A: Future<Output = Result<Response, std::convert::Infallible>> + Send + 'static,
{
    let handlers = [(UNTOUCHED, Handler::Untouched), (GET, Handler::Get), (INSERT, Handler::Insert)];
    handlers.into_iter().fold(Router::new(), |router, (path, handler)| {
        router.route_service(path, service_fn(move |request| answer(handler, request)))
    })
}
