//! A shop that remembers: its carts and logins survive restarts, crashes and `kill -9`.
//!
//! `cargo run --release --example shop`, then open the address it prints. [`options`] lists what can be chosen.
//!
//! Where to look first: [`cart`] keeps something in the session, [`account`] logs people in and out, [`devices`]
//! shows them their sessions, and this file puts the parts together.
#![allow(unreachable_pub, reason = "nothing of a program is public")]

mod account;
mod ago;
mod cart;
mod catalogue;
mod consent;
mod devices;
mod form;
mod key;
mod options;
mod page;
mod state;
mod visitor;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use cloakroom::cookie::{Cookie, CookieBuilder};
use cloakroom::tower::SessionLayer;
use cloakroom::{AnyStore, FileStore, Sessions, Swept};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use options::Options;

/// What every handler may use. Clones share it all.
#[derive(Clone)]
struct Shop {
    sessions: Sessions<AnyStore>,
    form_cookie: Cookie,
    consent_cookie: Cookie,
}

impl Shop {
    async fn open(options: &Options) -> Result<Self, Box<dyn std::error::Error>> {
        let store = match &options.store {
            Some(url) => {
                AnyStore::migrate(url).await?;
                AnyStore::connect(url).await?
            }
            None => FileStore::options().durability(options.durability).open(&options.dir)?.into(),
        };
        let keys = key::shared(&options.dir)?;
        let sessions = Sessions::builder(store).lifetime(options.lifetime).cookie(options.cookie("shop")).build()?;
        Ok(Self {
            sessions,
            form_cookie: options.cookie("form").signed(keys.clone()).build()?,
            consent_cookie: consent::cookie(options.cookie("consent").signed(keys))?,
        })
    }

    fn router(self) -> Router {
        let sessions = SessionLayer::new(self.sessions.clone()).skip(|request| request.uri.path() == page::STYLE);
        Router::new()
            .route("/", get(catalogue::show))
            .route("/cart", get(cart::show))
            .route("/cart/add", post(cart::add))
            .route("/cart/remove", post(cart::remove))
            .route("/login", get(account::show).post(account::login))
            .route("/logout", post(account::logout))
            .route("/devices", get(devices::show))
            .route("/devices/end", post(devices::end))
            .route("/consent", post(consent::choose))
            .route("/state", get(state::show))
            .route(page::STYLE, get(page::style))
            .fallback(page::not_found)
            .layer(sessions)
            .layer(axum::middleware::map_response(page::harden))
            .layer(DefaultBodyLimit::max(16 * 1024))
            .with_state(self)
    }
}

impl Options {
    /// A cookie that only this host can have set; or, where the browser refuses those, one that any may have set.
    fn cookie(&self, name: &str) -> CookieBuilder {
        let cookie = Cookie::named(name);
        if self.insecure_cookie { cookie.insecure() } else { cookie }
    }
}

/// Serves until SIGTERM or Ctrl-C, and then until the requests under way are finished.
async fn serve(shop: Shop, port: u16) -> io::Result<()> {
    let not_bound = |error: io::Error| io::Error::new(error.kind(), format!("listening on 127.0.0.1:{port}: {error}"));
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(not_bound)?;
    println!("The shop is open at http://{}", listener.local_addr()?);
    let (mut terminated, mut interrupted) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (closing, mut closed) = tokio::sync::watch::channel(());
    let server = axum::serve(listener, shop.router()).with_graceful_shutdown(async move {
        tokio::select! { _ = terminated.recv() => (), _ = interrupted.recv() => () }
        drop(closing);
    });
    // A client that never finishes its request does not keep the shop open.
    let patience = async {
        let _ = closed.changed().await;
        tokio::time::sleep(Duration::from_secs(10)).await;
    };
    tokio::select! {
        served = server => served,
        () = patience => Ok(()),
    }
}

fn run(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let shop = Shop::open(options).await?;
        tokio::spawn(shop.sessions.sweeper().on_round(report).run(tokio::time::sleep));
        Ok(serve(shop, options.port).await?)
    })
}

fn report(round: &cloakroom::Result<Swept>) {
    if let Err(error) = round {
        eprintln!("sweeping: {error}");
    }
}

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shop: {error}");
            ExitCode::FAILURE
        }
    }
}
