//! The smallest site with sessions: it greets a visitor by name, and still does after a restart.
//!
//! `cargo run --example hello`, then open <http://127.0.0.1:3000>, and <http://127.0.0.1:3000/?name=Ada> once.

use axum::extract::Query;
use axum::routing::get;
use axum::{Router, serve};
use cloakroom::tower::SessionLayer;
use cloakroom::{FileStore, Session, Sessions};
use serde::Deserialize;
use tokio::net::TcpListener;

#[derive(Deserialize)]
struct Greeting {
    name: Option<String>,
}

async fn greet(session: Session, Query(greeting): Query<Greeting>) -> cloakroom::Result<String> {
    if let Some(name) = greeting.name {
        session.overwrite("name", &name)?; // the latest name counts, whatever another request stored meanwhile
    }
    session.modify("visits", |visits: Option<u64>| Some(visits.unwrap_or(0) + 1))?;
    let name = session.get::<String>("name")?.unwrap_or("stranger".into());
    let visits = session.get::<u64>("visits")?.unwrap_or(0);
    Ok(format!("Hello, {name}! This is your visit number {visits}.\n"))
}

pub(crate) fn app(sessions: Sessions<FileStore>) -> Router {
    Router::new().route("/", get(greet)).layer(SessionLayer::new(sessions))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sessions = Sessions::builder(FileStore::open("hello-sessions")?).build()?;
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://{}", listener.local_addr()?);
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    serve(listener, app(sessions.clone())).with_graceful_shutdown(stop).await?;
    Ok(sessions.store().close()?) // syncs what no save waited for, and names what failed
}
