//! The tower layer, around plain services.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may panic, and nothing of it is public")]

mod early;
mod faulty;
mod meeting;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use cloakroom::cookie::{Cookie, Prefix};
use cloakroom::tower::{FailureResponse, SessionLayer, SessionSlot, session_of};
use cloakroom::{Error, ErrorKind, ManualClock, Session, Sessions, SessionsBuilder, Timestamp};
use faulty::Faulty;
use http::header::{CACHE_CONTROL, COOKIE, LOCATION, SET_COOKIE, VARY};
use http::{Request, Response, StatusCode};
use tower::{Layer, Service, ServiceExt, service_fn};

type Reply = Response<String>;

const MINUTE: Duration = Duration::from_secs(60);

/// A site with a store that can fail and a clock that stands still.
struct Site {
    store: Faulty,
    clock: ManualClock,
    sessions: Sessions<Faulty>,
}

impl Site {
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn with(choose: impl FnOnce(SessionsBuilder<Faulty>) -> SessionsBuilder<Faulty>) -> Self {
        let (store, clock) = (Faulty::new(), ManualClock::at(Timestamp::from_secs(1_700_000_000)));
        let builder = Sessions::builder(store.clone()).idle_timeout(30 * MINUTE).clock(clock.clone());
        Self { store, clock, sessions: choose(builder).build().unwrap() }
    }

    fn layer(&self) -> SessionLayer<Faulty> {
        SessionLayer::new(self.sessions.clone())
    }

    /// The Cookie header of a visitor whose session holds `n` = 1.
    async fn visitor(&self) -> String {
        let cookie = self.sessions.test_cookie(|session| session.insert("n", &1)).await.unwrap();
        self.store.asked();
        cookie
    }

    /// The `n` that the visitor's session holds now; `None` if the session is gone.
    async fn stored(&self, cookie: &str) -> Option<u64> {
        let stored = self.sessions.open([cookie]).await.unwrap().get("n").unwrap();
        self.store.asked();
        stored
    }
}

/// A request of a visitor, through the layer, to a handler that gets the session.
async fn ask(
    layer: SessionLayer<Faulty, impl FailureResponse<String>>,
    cookie: &str,
    handler: impl Fn(Session) -> Reply + Clone + Send + Sync + 'static,
) -> Reply {
    let service = service_fn(move |request: Request<()>| {
        let handler = handler.clone();
        async move { Ok::<_, Infallible>(handler(session_of(request.extensions()).await.unwrap())) }
    });
    layer.layer(service).oneshot(request(cookie)).await.unwrap()
}

/// A request to a handler that does not ask for its session.
async fn ask_nothing(layer: SessionLayer<Faulty>, cookie: &str) -> Reply {
    let service = service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Reply::default())));
    layer.layer(service).oneshot(request(cookie)).await.unwrap()
}

fn request(cookie: &str) -> Request<()> {
    let request = Request::builder().uri("/path");
    let request = if cookie.is_empty() { request } else { request.header(COOKIE, cookie) };
    request.body(()).unwrap()
}

fn reply(status: u16) -> Reply {
    Response::builder().status(status).body("made by the handler".to_owned()).unwrap()
}

fn header(reply: &Reply, name: http::HeaderName) -> Option<&str> {
    reply.headers().get(name).map(|value| value.to_str().unwrap())
}

/// The Cookie header that a browser sends after this response.
fn cookie_after(reply: &Reply) -> String {
    header(reply, SET_COOKIE).unwrap().split(';').next().unwrap().to_owned()
}

fn add_one(session: &Session) {
    session.modify("n", |n: Option<u64>| Some(n.unwrap_or(0) + 1)).unwrap();
}

fn destroy(session: &Session) {
    session.destroy().unwrap();
}

#[tokio::test]
async fn what_a_handler_puts_in_is_there_at_the_next_request() {
    let site = Site::new();
    let first = ask(site.layer(), "", |session| {
        session.insert("n", &7).unwrap();
        reply(200)
    })
    .await;
    let cookie = cookie_after(&first);
    let second = ask(site.layer(), &cookie, |session| {
        assert_eq!(session.get::<u64>("n").unwrap(), Some(7));
        reply(200)
    })
    .await;
    assert_eq!(header(&second, SET_COOKIE), None);
}

#[tokio::test]
async fn a_redirect_never_overtakes_its_own_save() {
    let site = Site::new();
    site.store.close_turnstile();
    let redirect = |session: Session| {
        session.insert("n", &1).unwrap();
        Response::builder().status(303).header(LOCATION, "/").body(String::new()).unwrap()
    };
    let mut response = Box::pin(ask(site.layer(), "", redirect));
    tokio::time::timeout(Duration::from_millis(50), &mut response).await.expect_err("it waits for the store");
    assert_eq!(site.store.asked(), ["create"]);
    site.store.open_turnstile();
    let response = response.await;
    assert_eq!(site.stored(&cookie_after(&response)).await, Some(1));
}

#[tokio::test]
async fn a_handler_finds_the_session_among_the_extensions() {
    let site = Site::new();
    let service = service_fn(|request: Request<()>| {
        ready(Ok::<_, Infallible>(Response::new(request.extensions().get::<Session>().is_some())))
    });
    assert!(site.layer().layer(service).oneshot(request("")).await.unwrap().into_body());
}

#[tokio::test]
async fn nothing_is_stored_and_no_cookie_set_until_something_was_put_in() {
    let site = Site::new();
    let response = ask(site.layer(), "", |session| {
        assert_eq!(session.get::<u64>("n").unwrap(), None);
        reply(200)
    })
    .await;
    assert_eq!(header(&response, SET_COOKIE), None);
    assert!(site.store.asked().is_empty());
}

#[tokio::test]
async fn an_id_from_outside_is_not_adopted() {
    let site = Site::new();
    let foreign = format!("__Host-sid={}", "A".repeat(32));
    let response = ask(site.layer(), &foreign, |session| {
        add_one(&session);
        reply(200)
    })
    .await;
    assert_ne!(cookie_after(&response), foreign);
    assert_eq!(site.stored(&foreign).await, None);
}

// Caches

#[tokio::test]
async fn a_response_whose_handler_looked_at_the_session_is_not_cached() {
    let site = Site::new();
    for cookie in [String::new(), site.visitor().await] {
        let response = ask(site.layer(), &cookie, |session| {
            let _ = session.get::<u64>("n").unwrap();
            Response::builder().header(VARY, "Accept-Encoding").body(String::new()).unwrap()
        })
        .await;
        assert_eq!(header(&response, CACHE_CONTROL), Some("no-store"));
        let vary: Vec<_> = response.headers().get_all(VARY).iter().collect();
        assert_eq!(vary, ["Accept-Encoding", "Cookie"]);
    }
}

#[tokio::test]
async fn asking_who_is_logged_in_is_looking_at_the_session() {
    let site = Site::new();
    let response = ask(site.layer(), "", |session| {
        assert!(session.owner().unwrap().is_none());
        reply(200)
    })
    .await;
    assert_eq!(header(&response, CACHE_CONTROL), Some("no-store"));
}

#[tokio::test]
async fn a_response_made_without_looking_at_the_session_may_be_cached() {
    let site = Site::new();
    let response = ask_nothing(site.layer(), &site.visitor().await).await;
    assert_eq!((header(&response, CACHE_CONTROL), header(&response, VARY)), (None, None));
}

#[tokio::test]
async fn a_cache_control_of_the_handlers_own_stays() {
    let site = Site::new();
    let cookie = site.visitor().await;
    let response = ask(site.layer(), &cookie, |session| {
        add_one(&session);
        Response::builder().header(CACHE_CONTROL, "private, max-age=5").body(String::new()).unwrap()
    })
    .await;
    let all: Vec<_> = response.headers().get_all(CACHE_CONTROL).iter().collect();
    assert_eq!(all, ["private, max-age=5"]);
    assert_eq!(header(&response, VARY), Some("Cookie"));
}

#[tokio::test]
async fn a_response_that_carries_the_cookie_is_not_cached_even_if_nobody_looked() {
    let site = Site::with(|builder| builder.rolling(true));
    let response = ask_nothing(site.layer(), &site.visitor().await).await;
    assert!(header(&response, SET_COOKIE).is_some());
    assert_eq!((header(&response, CACHE_CONTROL), header(&response, VARY)), (Some("no-store"), Some("Cookie")));
}

/// What a handler may say of caches, and what each of it means to some cache: "store it".
const CACHEABLE: [(&str, &str); 7] = [
    ("cache-control", "public, max-age=600"),
    ("cache-control", "private, max-age=600"),
    ("cdn-cache-control", "max-age=600"),
    ("cloudflare-cdn-cache-control", "max-age=600"),
    ("surrogate-control", "max-age=600"),
    ("edge-control", "max-age=600"),
    ("x-accel-expires", "600"),
];

#[tokio::test]
async fn a_response_with_the_sessions_cookie_is_no_store_whatever_the_handler_said() {
    let site = Site::new();
    let before = site.visitor().await;
    let changes: [fn(&Session); 4] =
        [add_one, |session| session.login("user 42").unwrap(), |session| session.set_permanent(true).unwrap(), destroy];
    for (name, value) in CACHEABLE {
        let mut cookie = String::new();
        for change in changes {
            let response = ask(site.layer(), &cookie, move |session| {
                change(&session);
                let reply = Response::builder().header(CACHE_CONTROL, "max-age=5").header(CACHE_CONTROL, "immutable");
                reply.header(name, value).header("x-cache", "kept").body(String::new()).unwrap()
            })
            .await;
            cookie = cookie_after(&response);
            let all: Vec<_> = response.headers().get_all(CACHE_CONTROL).iter().collect();
            assert_eq!(all, ["no-store"], "{name}");
            assert_eq!((header(&response, VARY), response.headers().len()), (Some("Cookie"), 4), "{name}");
        }
    }
    assert_eq!(site.stored(&before).await, Some(1));
}

#[tokio::test]
async fn a_cookie_that_only_gets_a_new_age_does_not_keep_an_image_from_caches() {
    for settings in [
        |builder: SessionsBuilder<Faulty>| builder.rolling(true),
        |builder: SessionsBuilder<Faulty>| builder.permanent(true).no_absolute_timeout(),
    ] {
        let site = Site::with(settings);
        let cookie = site.visitor().await;
        for (name, value) in CACHEABLE {
            site.clock.advance(20 * MINUTE);
            let image = service_fn(move |_: Request<()>| {
                ready(Ok::<_, Infallible>(Response::builder().header(name, value).body(String::new()).unwrap()))
            });
            let response = site.layer().layer(image).oneshot(request(&cookie)).await.unwrap();
            assert_eq!(response.headers().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [name]);
        }
        // Neither does it make way where a handler changed what the cookie says.
        let response = ask(site.layer(), &cookie, |session| {
            session.set_permanent(!session.is_permanent()).unwrap();
            Response::builder().header(CACHE_CONTROL, "public").body(String::new()).unwrap()
        })
        .await;
        assert_eq!(header(&response, CACHE_CONTROL), Some("no-store"));
        assert!(header(&response, SET_COOKIE).is_some());
        // And a page that no cache may store carries it.
        site.clock.advance(20 * MINUTE);
        let page = ask(site.layer(), &cookie, |session| {
            session.set_permanent(true).unwrap();
            reply(200)
        });
        assert!(header(&page.await, SET_COOKIE).is_some());
    }
}

#[tokio::test]
async fn a_response_that_sets_the_cookie_removes_what_hides_it_in_this_request() {
    let site = Site::with(|builder| builder.cookie(Cookie::named("sid").prefix(Prefix::Secure)));
    let planted: Vec<_> = ["A", "B", "C", "D"].map(|id| format!("__Secure-sid={}", id.repeat(32))).into();
    let ask = |cookies: String| {
        let service = service_fn(|request: Request<()>| {
            add_one(request.extensions().get::<Session>().unwrap());
            ready(Ok::<_, Infallible>(Response::builder().header(SET_COOKIE, "__Secure-sid=x").body(()).unwrap()))
        });
        let request =
            Request::builder().uri("/cart/add").header(COOKIE, cookies).header("host", "shop.example.org:8443");
        let service = site.layer().layer(service);
        async move {
            let response = service.oneshot(request.body(()).unwrap()).await.unwrap();
            let set = response.headers().get_all(SET_COOKIE).iter().map(|set| set.to_str().unwrap().to_owned());
            set.collect::<Vec<_>>()
        }
    };
    let sets = ask(planted.join("; ")).await;
    let (own, removals) = sets.split_last().unwrap();
    assert!(own.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax") && !own.contains("Max-Age=0"), "{own}");
    assert!(removals.iter().all(|removal| removal.starts_with("__Secure-sid=; Max-Age=0; ")));
    for domain in ["Domain=example.org; ", "Domain=shop.example.org; ", ""] {
        for path in ["/", "/cart", "/cart/", "/cart/add"] {
            let scope = format!("1970 00:00:00 GMT; {domain}Path={path}; Secure");
            let is_own = domain.is_empty() && path == "/";
            assert_eq!(
                removals.iter().filter(|removal| removal.contains(&scope)).count(),
                usize::from(!is_own),
                "{scope}"
            );
        }
    }
    assert_eq!(removals.len(), 11);
    // One id hides nothing.
    assert_eq!(ask(planted[0].clone()).await.len(), 1);
}

// A store that fails

#[tokio::test]
async fn a_store_that_fails_to_load_gives_503_and_never_an_empty_session() {
    let site = Site::new();
    let cookie = site.visitor().await;
    site.store.fail_to_read(true);
    let response = ask(site.layer(), &cookie, |_| panic!("the handler must not run")).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.body(), "");
    assert_eq!(header(&response, SET_COOKIE), None);
    assert_eq!(header(&response, CACHE_CONTROL), Some("no-store"));
    let error = response.extensions().get::<Arc<Error>>().unwrap();
    assert_eq!(error.kind(), &ErrorKind::Unavailable);
    site.store.fail_to_read(false);
    assert_eq!(site.stored(&cookie).await, Some(1));
}

#[tokio::test]
async fn a_store_that_fails_to_commit_replaces_the_response() {
    let site = Site::new();
    for cookie in [String::new(), site.visitor().await] {
        site.store.fail_to_write(true);
        let response = ask(site.layer(), &cookie, |session| {
            add_one(&session);
            reply(200)
        })
        .await;
        site.store.fail_to_write(false);
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.body(), "");
        assert_eq!(header(&response, SET_COOKIE), None);
    }
}

#[tokio::test]
async fn where_nothing_can_be_written_pages_are_served_whether_they_look_at_their_session_or_not() {
    let site = Site::new();
    let cookie = site.visitor().await;
    site.clock.advance(10 * MINUTE);
    site.store.fail_to_write(true);
    let ignores = ask_nothing(site.layer(), &cookie).await;
    let reads = ask(site.layer(), &cookie, |session| {
        assert_eq!(session.get::<u64>("n").unwrap(), Some(1));
        reply(200)
    })
    .await;
    assert_eq!(reads.body(), "made by the handler");
    for response in [ignores, reads] {
        assert_eq!(response.status(), StatusCode::OK);
        let error = response.extensions().get::<Arc<Error>>().expect("the failure is told");
        assert_eq!(error.kind(), &ErrorKind::Unavailable);
    }
    // A page that changes something is not.
    let changes = ask(site.layer(), &cookie, |session| {
        add_one(&session);
        reply(200)
    })
    .await;
    assert_eq!(changes.status(), StatusCode::SERVICE_UNAVAILABLE);
    site.store.fail_to_write(false);
    let response = ask_nothing(site.layer(), &cookie).await;
    assert!(response.extensions().get::<Arc<Error>>().is_none());
}

#[tokio::test]
async fn the_application_may_make_the_error_response() {
    let site = Site::new();
    let cookie = site.visitor().await;
    site.store.fail_to_read(true);
    let layer = site.layer().on_error(|error: &Error| {
        Response::builder().status(error.http_status()).header("retry-after", "5").body("later".to_owned()).unwrap()
    });
    let response = ask(layer, &cookie, |_| reply(200)).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((response.body().as_str(), header(&response, http::header::RETRY_AFTER)), ("later", Some("5")));
    assert_eq!(header(&response, CACHE_CONTROL), Some("no-store"));
}

#[tokio::test]
async fn a_change_that_another_request_has_overtaken_gives_409() {
    let site = Site::new();
    let cookie = site.visitor().await;
    let (sessions, theirs) = (site.sessions.clone(), cookie.clone());
    let service = service_fn(move |request: Request<()>| {
        let (sessions, theirs) = (sessions.clone(), theirs.clone());
        async move {
            let session = session_of(request.extensions()).await.unwrap();
            let n = session.get::<u64>("n").unwrap().unwrap();
            let other = sessions.open([theirs]).await.unwrap();
            add_one(&other);
            let _ = sessions.commit(other).await.unwrap();
            session.insert("n", &(n + 10)).unwrap();
            Ok::<_, Infallible>(reply(200))
        }
    });
    let response = site.layer().layer(service).oneshot(request(&cookie)).await.unwrap();
    assert_eq!(response.status(), StatusCode::CONFLICT);
    assert_eq!(site.stored(&cookie).await, Some(2));
}

#[tokio::test]
async fn changes_that_are_lost_are_named_in_the_responses_extensions_and_a_post_is_a_409() {
    let site = Site::new();
    for (method, status) in [("POST", StatusCode::CONFLICT), ("GET", StatusCode::OK)] {
        let cookie = site.visitor().await;
        let (sessions, theirs) = (site.sessions.clone(), cookie.clone());
        let service = service_fn(move |request: Request<()>| {
            let (sessions, theirs) = (sessions.clone(), theirs.clone());
            async move {
                add_one(&session_of(request.extensions()).await.unwrap());
                let other = sessions.open([theirs]).await.unwrap();
                other.destroy().unwrap();
                let _ = sessions.commit(other).await.unwrap();
                Ok::<_, Infallible>(reply(200))
            }
        });
        let mut request = request(&cookie);
        *request.method_mut() = method.parse().unwrap();
        let response = site.layer().layer(service).oneshot(request).await.unwrap();
        assert_eq!((response.status(), header(&response, SET_COOKIE)), (status, None));
        let error = response.extensions().get::<Arc<Error>>().unwrap();
        assert!(matches!(error.kind(), ErrorKind::Lost { entries, .. } if *entries == ["n"]));
    }
}

// Activity, and lazy layers

#[tokio::test]
async fn every_request_of_a_live_session_counts_as_activity() {
    let site = Site::new();
    let cookie = site.visitor().await;
    for _ in 0..4 {
        site.clock.advance(20 * MINUTE);
        ask_nothing(site.layer(), &cookie).await;
        assert_eq!(site.store.asked(), ["load", "touch"]);
    }
    assert_eq!(site.stored(&cookie).await, Some(1));
}

#[tokio::test]
async fn a_lazy_layer_leaves_the_store_alone_until_someone_asks() {
    let site = Site::new();
    let cookie = site.visitor().await;
    site.clock.advance(20 * MINUTE);
    let response = ask_nothing(site.layer().lazy(true), &cookie).await;
    assert!(site.store.asked().is_empty());
    assert_eq!((header(&response, CACHE_CONTROL), header(&response, VARY)), (None, None));

    let response = ask(site.layer().lazy(true), &cookie, |session| {
        add_one(&session);
        reply(200)
    })
    .await;
    assert_eq!(site.store.asked(), ["load", "update"]);
    assert_eq!(header(&response, CACHE_CONTROL), Some("no-store"));
    assert_eq!(site.stored(&cookie).await, Some(2));
}

#[tokio::test]
async fn all_who_ask_a_lazy_layer_get_the_same_session() {
    let site = Site::new();
    let cookie = site.visitor().await;
    let service = service_fn(|request: Request<()>| async move {
        let slot = request.extensions().get::<SessionSlot>().unwrap().clone();
        let (one, two) = tokio::join!(slot.session(), session_of(request.extensions()));
        add_one(&one.unwrap());
        add_one(&two.unwrap());
        add_one(&slot.session().await.unwrap());
        Ok::<_, Infallible>(reply(200))
    });
    site.layer().lazy(true).layer(service).oneshot(request(&cookie)).await.unwrap();
    assert_eq!(site.stored(&cookie).await, Some(4));
}

#[tokio::test]
async fn a_lazy_session_that_cannot_be_loaded_is_an_error_and_may_be_asked_for_again() {
    let site = Site::new();
    let cookie = site.visitor().await;
    let store = site.store.clone();
    store.fail_to_read(true);
    let service = service_fn(move |request: Request<()>| {
        let store = store.clone();
        async move {
            assert!(session_of(request.extensions()).await.is_err());
            store.fail_to_read(false);
            let session = session_of(request.extensions()).await.unwrap();
            assert_eq!(session.get::<u64>("n").unwrap(), Some(1));
            Ok::<_, Infallible>(reply(200))
        }
    });
    site.layer().lazy(true).layer(service).oneshot(request(&cookie)).await.unwrap();
}

// Where there is no session

#[tokio::test]
async fn a_skipped_request_costs_nothing_and_has_no_session() {
    let site = Site::new();
    let service = service_fn(|request: Request<()>| async move {
        assert!(request.extensions().get::<Session>().is_none());
        let error = session_of(request.extensions()).await.unwrap_err();
        assert!(error.to_string().contains("SessionLayer"));
        Ok::<_, Infallible>(reply(200))
    });
    let layer = site.layer().skip(|request| request.uri.path() == "/path");
    layer.layer(service).oneshot(request(&site.visitor().await)).await.unwrap();
    assert!(site.store.asked().is_empty());
}

#[tokio::test]
async fn a_request_that_the_skip_does_not_name_has_a_session() {
    let site = Site::new();
    let layer = site.layer().skip(|request| request.uri.path() == "/other");
    ask(layer, &site.visitor().await, |session| {
        assert_eq!(session.get::<u64>("n").unwrap(), Some(1));
        reply(200)
    })
    .await;
}

#[tokio::test]
async fn a_missing_layer_is_an_error_that_names_it() {
    let error = session_of(request("").extensions()).await.unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (&ErrorKind::Config, 500));
    assert!(error.for_visitors().contains("cloakroom::tower::SessionLayer"));
}

// Layers in layers

#[tokio::test]
async fn an_inner_layer_of_the_same_cookie_reuses_the_session_and_leaves_the_commit_to_the_outer() {
    let site = Site::new();
    for (outer, inner) in [
        (site.layer(), site.layer()),
        (site.layer().lazy(true), site.layer().lazy(true)),
        (site.layer(), site.layer().lazy(true)),
        (site.layer().lazy(true), site.layer()),
    ] {
        let handler = service_fn(|request: Request<()>| async move {
            add_one(&session_of(request.extensions()).await.unwrap());
            Ok::<_, Infallible>(reply(200))
        });
        let middle = inner.layer(handler);
        let between = service_fn(move |request: Request<()>| {
            let middle = middle.clone();
            async move {
                let session = session_of(request.extensions()).await.unwrap();
                add_one(&session);
                let response = middle.oneshot(request).await;
                // The outer layer has not committed yet, so the session can still be changed.
                add_one(&session);
                response
            }
        });
        let response = outer.layer(between).oneshot(request("")).await.unwrap();
        assert_eq!(site.store.asked(), ["create"]);
        assert_eq!(response.headers().get_all(SET_COOKIE).iter().count(), 1);
        assert_eq!(site.stored(&cookie_after(&response)).await, Some(3));
    }
}

#[tokio::test]
async fn an_inner_layer_of_the_same_cookie_and_another_store_is_an_error_that_says_so() {
    let (site, admin) = (Site::new(), Site::new());
    for (outer, inner) in [(site.layer(), admin.layer()), (site.layer().lazy(true), admin.layer().lazy(true))] {
        let handler = service_fn(|_: Request<()>| -> Ready<Result<Reply, Infallible>> { panic!("never called") });
        let response = outer.layer(inner.layer(handler)).oneshot(request("")).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let error = response.extensions().get::<Arc<Error>>().unwrap();
        assert_eq!(error.kind(), &ErrorKind::Config);
        assert!(error.to_string().contains("\"__Host-sid\""), "{error}");
    }
    // A request that the inner layer skips is no concern of its.
    let skipped =
        admin.layer().skip(|_| true).layer(service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(reply(200)))));
    assert_eq!(site.layer().layer(skipped).oneshot(request("")).await.unwrap().status(), 200);
    assert!(site.store.asked().is_empty() && admin.store.asked().is_empty());
}

#[tokio::test]
async fn layers_of_two_cookies_stand_beside_each_other() {
    let site = Site::new();
    let admin = Site::with(|builder| builder.cookie(Cookie::named("admin")));
    for inner in [admin.layer(), admin.layer().lazy(true)] {
        let handler = service_fn(|request: Request<()>| async move {
            let session = session_of(request.extensions()).await.unwrap();
            session.insert("n", &2).unwrap();
            // The handler must not find the outer layer's session.
            let found = request.extensions().get::<Session>();
            assert!(found.is_none_or(|found| found.get::<u64>("n").unwrap() == Some(2)));
            Ok::<_, Infallible>(reply(200))
        });
        let middle = inner.layer(handler);
        let between = service_fn(move |request: Request<()>| {
            request.extensions().get::<Session>().unwrap().insert("n", &1).unwrap();
            middle.clone().oneshot(request)
        });
        let response = site.layer().layer(between).oneshot(request("")).await.unwrap();
        let cookies: Vec<_> =
            response.headers().get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect();
        let [inner, outer] = cookies[..] else { panic!("{cookies:?}") };
        assert_eq!(admin.stored(inner.split(';').next().unwrap()).await, Some(2));
        assert_eq!(site.stored(outer.split(';').next().unwrap()).await, Some(1));
        assert_eq!(response.headers().get_all(VARY).iter().count(), 1);
    }
}

// How the inner service ends

#[tokio::test]
async fn responses_below_500_commit() {
    let site = Site::new();
    let cookie = site.visitor().await;
    for (stored, status) in (2..).zip([200, 204, 303, 404, 409, 422]) {
        ask(site.layer(), &cookie, move |session| {
            add_one(&session);
            reply(status)
        })
        .await;
        assert_eq!(site.stored(&cookie).await, Some(stored), "{status}");
    }
}

#[tokio::test]
async fn a_failure_and_a_timeout_drop_changes_but_carry_out_a_destroy() {
    let site = Site::new();
    let cookie = site.visitor().await;
    for status in [408, 499, 500, 503, 599] {
        let response = ask(site.layer(), &cookie, move |session| {
            add_one(&session);
            reply(status)
        })
        .await;
        assert_eq!((response.status().as_u16(), response.body().as_str()), (status, "made by the handler"));
        assert_eq!(header(&response, CACHE_CONTROL), Some("no-store"));
        assert_eq!(site.stored(&cookie).await, Some(1));
    }
    let response = ask(site.layer(), &cookie, |session| {
        session.destroy().unwrap();
        reply(500)
    })
    .await;
    assert!(header(&response, SET_COOKIE).unwrap().contains("Max-Age=0"));
    assert_eq!(site.stored(&cookie).await, None);
}

#[tokio::test]
async fn changes_are_kept_on_errors_if_the_site_says_so() {
    let site = Site::with(|builder| builder.keep_changes_on_error(true));
    let cookie = site.visitor().await;
    ask(site.layer(), &cookie, |session| {
        add_one(&session);
        reply(500)
    })
    .await;
    assert_eq!(site.stored(&cookie).await, Some(2));
}

/// Asks a handler that panics, and gives what the panic said.
async fn ask_panicking(site: &Site, cookie: &str, handler: fn(&Session)) -> String {
    let (layer, cookie) = (site.layer(), cookie.to_owned());
    let panicking = move |session: Session| {
        handler(&session);
        panic!("the handler's own words");
    };
    let task = tokio::spawn(async move { ask(layer, &cookie, panicking).await });
    let panic = task.await.unwrap_err().into_panic();
    panic.downcast_ref::<&str>().unwrap().to_string()
}

#[tokio::test]
async fn a_panic_drops_changes_and_goes_on() {
    let site = Site::new();
    let cookie = site.visitor().await;
    assert_eq!(ask_panicking(&site, &cookie, add_one).await, "the handler's own words");
    assert_eq!(site.stored(&cookie).await, Some(1));
}

#[tokio::test]
async fn a_panic_carries_out_a_destroy_and_goes_on() {
    let site = Site::new();
    let cookie = site.visitor().await;
    assert_eq!(ask_panicking(&site, &cookie, destroy).await, "the handler's own words");
    assert_eq!(site.stored(&cookie).await, None);
}

#[tokio::test]
async fn a_panic_in_the_call_itself_is_no_different() {
    let site = Site::new();
    let cookie = site.visitor().await;
    let service = service_fn(|request: Request<()>| -> Ready<Result<Reply, Infallible>> {
        request.extensions().get::<Session>().unwrap().destroy().unwrap();
        panic!("before there was a future");
    });
    let task = tokio::spawn(site.layer().layer(service).oneshot(request(&cookie)));
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(site.stored(&cookie).await, None);
}

#[tokio::test]
async fn a_panic_under_a_lazy_layer_that_nobody_asked_goes_on() {
    let site = Site::new();
    let service = service_fn(|_: Request<()>| -> Ready<Result<Reply, Infallible>> { panic!("here") });
    let task = tokio::spawn(site.layer().lazy(true).layer(service).oneshot(request("")));
    assert!(task.await.unwrap_err().is_panic());
}

#[tokio::test]
async fn an_inner_service_that_fails_drops_changes_but_carries_out_a_destroy() {
    let site = Site::new();
    let cookie = site.visitor().await;
    for (handle, left) in [(add_one as fn(&Session), Some(1)), (destroy, None)] {
        let service = service_fn(move |request: Request<()>| {
            handle(request.extensions().get::<Session>().unwrap());
            ready(Err::<Reply, _>("broken pipe"))
        });
        assert_eq!(site.layer().layer(service).oneshot(request(&cookie)).await.unwrap_err(), "broken pipe");
        assert_eq!(site.stored(&cookie).await, left);
    }
}

#[tokio::test]
async fn a_cancelled_request_stores_nothing_and_destroys_nothing() {
    let site = Site::new();
    let cookie = site.visitor().await;
    for handle in [add_one as fn(&Session), destroy] {
        let service = service_fn(move |request: Request<()>| async move {
            handle(request.extensions().get::<Session>().unwrap());
            std::future::pending::<Result<Reply, Infallible>>().await
        });
        let response = site.layer().layer(service).oneshot(request(&cookie));
        tokio::time::timeout(Duration::from_millis(20), response).await.unwrap_err();
        assert_eq!(site.stored(&cookie).await, Some(1));
    }
}

// Set-Cookie

#[tokio::test]
async fn the_sessions_cookie_replaces_one_of_its_name_and_no_other() {
    let site = Site::new();
    let response = ask(site.layer(), "", |session| {
        add_one(&session);
        let reply = Response::builder().header(SET_COOKIE, "a=1").header(SET_COOKIE, "__Host-sid=planted; Path=/");
        reply.header(SET_COOKIE, "__Host-sidecar=2").header(SET_COOKIE, "b=3").body(String::new()).unwrap()
    })
    .await;
    let cookies: Vec<_> = response.headers().get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(cookies[..3], ["a=1", "__Host-sidecar=2", "b=3"]);
    assert!(cookies[3].starts_with("__Host-sid=") && !cookies[3].contains("planted"));
    assert_eq!(cookies.len(), 4);
}

#[tokio::test]
async fn debug_of_a_response_does_not_show_the_id() {
    let site = Site::new();
    let response = ask(site.layer(), "", |session| {
        add_one(&session);
        reply(200)
    })
    .await;
    let cookie = cookie_after(&response);
    let id = cookie.strip_prefix("__Host-sid=").unwrap();
    assert!(!format!("{response:?}").contains(id));
}

// The contract of a service

/// A service that takes a call only after it was polled ready, as a rate limit or a buffer does.
#[derive(Default)]
struct Strict {
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<Request<()>> for Strict {
    type Response = Reply;
    type Error = Infallible;
    type Future = Ready<Result<Reply, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called before it was ready");
        ready(Ok(reply(200)))
    }
}

#[tokio::test]
async fn the_service_that_was_polled_ready_is_the_one_that_is_called() {
    let site = Site::new();
    for layer in [site.layer(), site.layer().lazy(true), site.layer().skip(|_| true)] {
        let mut service = layer.layer(Strict::default());
        for _ in 0..3 {
            let response = service.ready().await.unwrap().call(request(""));
            assert_eq!(response.await.unwrap().status(), 200);
        }
    }
}

#[tokio::test]
async fn the_layers_own_debug_shows_no_cookie() {
    let site = Site::new();
    let cookie = site.visitor().await;
    let service = service_fn(|request: Request<()>| {
        let slot = request.extensions().get::<SessionSlot>().unwrap();
        ready(Ok::<_, Infallible>(Response::new(format!("{slot:?} {:?}", request.extensions()))))
    });
    let shown = site.layer().layer(service).oneshot(request(&cookie)).await.unwrap().into_body();
    assert!(shown.contains("__Host-sid") && !shown.contains(cookie.split_once('=').unwrap().1), "{shown}");
}
