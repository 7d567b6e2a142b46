//! A handler that commits its session before side effects that cannot be taken back.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use cloakroom::{Error, ErrorKind, Outcome, Session};
use http::header::SET_COOKIE;
use http::{Method, Request};
use tower::{Layer, ServiceExt, service_fn};

use crate::{Reply, Site, add_one, cookie_after, header, reply, request};

/// A request whose handler changes its session, commits it, and answers with this status.
async fn ask_early(site: &Site, method: Method, cookie: &str, status: u16, change: fn(&Session)) -> (Reply, Outcome) {
    let (told, hears) = std::sync::mpsc::channel();
    let sessions = site.sessions.clone();
    let service = service_fn(move |request: Request<()>| {
        let (sessions, told) = (sessions.clone(), told.clone());
        async move {
            let session = request.extensions().get::<Session>().unwrap();
            change(session);
            told.send(sessions.commit(session.clone()).await).unwrap();
            assert_eq!(session.get::<u8>("n").unwrap_err().kind(), &ErrorKind::Committed);
            Ok::<_, Infallible>(reply(status))
        }
    });
    let mut request = request(cookie);
    *request.method_mut() = method;
    let reply = site.layer().layer(service).oneshot(request).await.unwrap();
    let outcome = hears.recv().unwrap().map(|committed| committed.outcome());
    (reply, outcome.unwrap_or(Outcome::Lost))
}

#[tokio::test]
async fn what_a_handler_commits_early_is_stored_once_and_its_cookie_goes_out_whatever_the_status() {
    for status in [200, 404, 408, 500, 503] {
        let site = Site::new();
        let (created, outcome) = ask_early(&site, Method::POST, "", status, add_one).await;
        assert_eq!((created.status().as_u16(), outcome), (status, Outcome::Created));
        assert_eq!(created.body(), "made by the handler");
        let cookie = cookie_after(&created);
        assert_eq!(site.stored(&cookie).await, Some(1));

        let (changed, outcome) = ask_early(&site, Method::POST, &cookie, status, add_one).await;
        assert_eq!((changed.status().as_u16(), outcome), (status, Outcome::Stored));
        assert_eq!(header(&changed, SET_COOKIE), None);
        assert_eq!(site.stored(&cookie).await, Some(2));

        let (rotated, outcome) = ask_early(&site, Method::POST, &cookie, status, |s| s.rotate().unwrap()).await;
        assert_eq!((rotated.status().as_u16(), outcome), (status, Outcome::Rotated));
        assert_eq!(site.stored(&cookie).await, None);
        let cookie = cookie_after(&rotated);
        assert_eq!(site.stored(&cookie).await, Some(2));

        let (destroyed, outcome) = ask_early(&site, Method::POST, &cookie, status, crate::destroy).await;
        assert_eq!((destroyed.status().as_u16(), outcome), (status, Outcome::Destroyed));
        assert!(header(&destroyed, SET_COOKIE).unwrap().contains("Max-Age=0"));
        assert_eq!(site.stored(&cookie).await, None);
    }
}

/// The handler has read it, so caches must not keep the response.
#[tokio::test]
async fn an_early_commit_without_a_change_makes_the_response_private_and_nothing_else() {
    let site = Site::new();
    let cookie = site.visitor().await;
    let (reply, outcome) = ask_early(&site, Method::GET, &cookie, 200, |session| _ = session.get::<u64>("n")).await;
    assert_eq!((reply.status().as_u16(), outcome), (200, Outcome::Unchanged));
    assert_eq!(header(&reply, SET_COOKIE), None);
    assert_eq!(header(&reply, http::header::CACHE_CONTROL), Some("no-store"));
}

/// The handler has the error, and answers as it wants.
#[tokio::test]
async fn an_early_commit_that_fails_leaves_the_response_to_its_handler() {
    let site = Site::new();
    let cookie = site.visitor().await;
    site.store.fail_to_write(true);
    let (reply, _) = ask_early(&site, Method::POST, &cookie, 409, add_one).await;
    assert_eq!((reply.status().as_u16(), reply.body().as_str()), (409, "made by the handler"));
    assert_eq!(header(&reply, SET_COOKIE), None);
    site.store.fail_to_write(false);
    assert_eq!(site.stored(&cookie).await, Some(1));
}

#[tokio::test]
async fn what_an_early_commit_loses_is_lost_as_at_the_end_of_a_request() {
    let site = Site::new();
    for (method, status) in [(Method::POST, 409), (Method::GET, 200)] {
        let cookie = site.visitor().await;
        let service = {
            let sessions = site.sessions.clone();
            service_fn(move |request: Request<()>| {
                let sessions = sessions.clone();
                async move {
                    let session = request.extensions().get::<Session>().unwrap();
                    let other = sessions.open([request.headers()["cookie"].to_str().unwrap()]).await.unwrap();
                    other.destroy().unwrap();
                    let _ = sessions.commit(other).await.unwrap();
                    add_one(session);
                    assert_eq!(sessions.commit(session.clone()).await.unwrap().lost(), ["n"]);
                    Ok::<_, Infallible>(reply(200))
                }
            })
        };
        let mut request = request(&cookie);
        *request.method_mut() = method;
        let reply = site.layer().layer(service).oneshot(request).await.unwrap();
        assert_eq!(reply.status(), status);
        let loss = reply.extensions().get::<std::sync::Arc<Error>>().unwrap();
        assert!(matches!(loss.kind(), ErrorKind::Lost { .. }), "{loss}");
    }
}

/// Nobody knows what the response has to carry, so none is sent.
#[tokio::test]
async fn a_response_does_not_leave_beside_an_early_commit_that_is_under_way_or_was_dropped() {
    for is_dropped in [false, true] {
        let site = Site::new();
        let (sessions, store) = (site.sessions.clone(), site.store.clone());
        let service = service_fn(move |request: Request<()>| {
            let (sessions, store) = (sessions.clone(), store.clone());
            async move {
                let session = request.extensions().get::<Session>().unwrap().clone();
                add_one(&session);
                store.close_turnstile();
                let mut commit = Box::pin(async move { sessions.commit(session).await });
                assert!(poll_once(&mut commit).await.is_pending());
                if is_dropped {
                    drop(commit);
                } else {
                    tokio::spawn(commit);
                }
                Ok::<_, Infallible>(reply(200))
            }
        });
        let reply: Reply = site.layer().layer(service).oneshot(request("")).await.unwrap();
        assert_eq!(reply.status(), 500);
        assert_ne!(reply.body(), "made by the handler");
    }
}

async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context))).await
}
