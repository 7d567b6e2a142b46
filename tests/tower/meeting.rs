//! Requests of one visitor that meet each other, and what their answers carry.

use super::*;

/// A request through the layer to a handler, and what another request of the same visitor does meanwhile.
async fn ask_beside(
    site: &Site,
    method: &str,
    cookie: &str,
    handler: fn(&Session) -> Reply,
    other: fn(&Session),
) -> Reply {
    let (sessions, theirs) = (site.sessions.clone(), cookie.to_owned());
    let service = service_fn(move |request: Request<()>| {
        let (sessions, theirs) = (sessions.clone(), theirs.clone());
        async move {
            let reply = handler(&session_of(request.extensions()).await.unwrap());
            let session = sessions.open([theirs]).await.unwrap();
            other(&session);
            let _ = sessions.commit(session).await.unwrap();
            Ok::<_, Infallible>(reply)
        }
    });
    let mut request = request(cookie);
    *request.method_mut() = method.parse().unwrap();
    site.layer().layer(service).oneshot(request).await.unwrap()
}

fn named(reply: &Reply) -> Vec<String> {
    match reply.extensions().get::<Arc<Error>>().map(|error| error.kind()) {
        Some(ErrorKind::Lost { entries, .. }) => entries.clone(),
        other => panic!("{other:?}"),
    }
}

fn sets(reply: &Reply) -> Vec<&str> {
    reply.headers().get_all(SET_COOKIE).iter().map(|set| set.to_str().unwrap()).collect()
}

#[tokio::test]
async fn ids_of_different_owners_are_a_403_unless_nobody_looks() {
    let site = Site::new();
    let user = site.sessions.test_cookie(|session| session.login("ada")).await.unwrap();
    let planted = site.visitor().await;
    for cookies in [format!("{user}; {planted}"), format!("{planted}; {user}")] {
        let response = ask(site.layer(), &cookies, |session| {
            assert_eq!(session.get::<u64>("n").unwrap_err().kind(), &ErrorKind::Locked);
            reply(200)
        })
        .await;
        assert_eq!((response.status(), sets(&response)), (StatusCode::FORBIDDEN, vec![]));
        let error = response.extensions().get::<Arc<Error>>().unwrap();
        assert_eq!(error.kind(), &ErrorKind::Locked);
        assert_eq!(header(&response, CACHE_CONTROL), Some("no-store"));
        assert_eq!(ask_nothing(site.layer(), &cookies).await.status(), 200);
    }
    // Both are as they were, until the user logs out.
    assert_eq!(site.stored(&planted).await, Some(1));
    let response = ask(site.layer(), &format!("{planted}; {user}"), |session| {
        destroy(&session);
        reply(303)
    })
    .await;
    assert!(header(&response, SET_COOKIE).unwrap().contains("Max-Age=0"));
    assert_eq!((site.stored(&planted).await, site.stored(&user).await), (None, None));
}

#[tokio::test]
async fn what_was_put_in_after_a_logout_that_came_too_late_is_named_and_the_response_goes_out() {
    let site = Site::new();
    let cookie = site.visitor().await;
    let handler = |session: &Session| {
        destroy(session);
        session.insert("notice", "You are logged out").unwrap();
        reply(200)
    };
    let response = ask_beside(&site, "POST", &cookie, handler, |other| other.login("ada").unwrap()).await;
    assert_eq!((response.status(), response.body().as_str()), (StatusCode::OK, "made by the handler"));
    assert_eq!((sets(&response), named(&response)), (vec![], vec!["notice".to_owned()]));
    assert_eq!(site.sessions.count().await.unwrap(), 1);
}

#[tokio::test]
async fn changes_that_are_kept_on_errors_and_lost_are_named_beside_the_handlers_failure() {
    let site = Site::with(|builder| builder.keep_changes_on_error(true));
    for method in ["POST", "GET"] {
        let cookie = site.visitor().await;
        let handler = |session: &Session| {
            add_one(session);
            reply(503)
        };
        let response = ask_beside(&site, method, &cookie, handler, destroy).await;
        assert_eq!((response.status().as_u16(), response.body().as_str()), (503, "made by the handler"));
        assert_eq!((sets(&response), named(&response)), (vec![], vec!["n".to_owned()]));
    }
    // Where they are dropped, nothing is lost.
    let site = Site::new();
    let cookie = site.visitor().await;
    let handler = |session: &Session| {
        add_one(session);
        reply(503)
    };
    let response = ask_beside(&site, "POST", &cookie, handler, destroy).await;
    assert!(response.status() == 503 && response.extensions().get::<Arc<Error>>().is_none());
}

/// Asks at a path of a host, with ids that may hide each other.
async fn ask_hidden(
    site: &Site,
    path: &str,
    cookies: &str,
    respond: impl Fn(&Session) -> Reply + Clone + Send + 'static,
) -> Reply {
    let service = service_fn(move |request: Request<()>| {
        let reply = respond(request.extensions().get::<Session>().unwrap());
        ready(Ok::<_, Infallible>(reply))
    });
    let request = Request::builder().uri(path).header(COOKIE, cookies).header("host", "shop.example.org");
    site.layer().layer(service).oneshot(request.body(()).unwrap()).await.unwrap()
}

fn with_domain() -> Site {
    Site::with(|builder| builder.cookie(Cookie::named("sid").prefix(Prefix::Secure)))
}

#[tokio::test]
async fn removals_of_what_hides_the_cookie_take_two_kibibytes_at_most_and_the_widest_go_first() {
    let planted = ["A", "B"].map(|id| format!("__Secure-sid={}", id.repeat(32))).join("; ");
    for segment in [1, 20, 70] {
        let site = with_domain();
        let path = format!("/{}", "x".repeat(segment)).repeat(12);
        let response = ask_hidden(&site, &path, &planted, |session| {
            add_one(session);
            reply(200)
        })
        .await;
        let sets = sets(&response);
        let (own, removals) = sets.split_last().unwrap();
        assert!(own.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax") && !own.contains("Max-Age=0"), "{own}");
        let bytes: usize = removals.iter().map(|removal| removal.len()).sum();
        // Of 25 paths and three scopes of each there is not room for all.
        assert!((256..2048).contains(&bytes) && removals.len() < 74, "{} of {bytes} bytes", removals.len());
        assert!(removals[0].contains("; Domain=example.org; Path=/; ") && removals[1].contains("shop.example.org"));
        let paths: Vec<_> =
            removals.iter().map(|removal| removal.split("; ").find(|it| it.starts_with("Path="))).collect();
        assert!(paths.is_sorted_by_key(|path| path.unwrap().len()), "{paths:?}");
    }
}

#[tokio::test]
async fn a_logout_removes_what_hides_its_cookie_as_well() {
    let site = with_domain();
    let cookie = site.visitor().await;
    let cookies = format!("__Secure-sid={}; {cookie}", "A".repeat(32));
    let response = ask_hidden(&site, "/a", &cookies, |session| {
        destroy(session);
        reply(303)
    })
    .await;
    let sets = sets(&response);
    assert!(sets.iter().all(|set| set.starts_with("__Secure-sid=; Max-Age=0; ")), "{sets:?}");
    // Of three scopes of `/` and of `/a`, the last is the cookie's own.
    assert!(sets.len() == 6 && sets[5].ends_with("GMT; Path=/; Secure; HttpOnly; SameSite=Lax"), "{sets:?}");
    assert!(sets[..5].iter().all(|set| set.contains("; Domain=") || set.contains("; Path=/a; ")), "{sets:?}");
    assert_eq!(site.stored(&cookie).await, None);
}

#[tokio::test]
async fn removals_go_with_a_renewal_and_are_left_out_with_it() {
    let site = Site::with(|builder| builder.rolling(true).cookie(Cookie::named("sid").prefix(Prefix::Secure)));
    let cookie = site.visitor().await;
    let cookies = format!("__Secure-sid={}; {cookie}", "A".repeat(32));
    let page = ask_hidden(&site, "/a", &cookies, |_| reply(200)).await;
    assert!(sets(&page).len() == 6 && !sets(&page)[5].contains("Max-Age=0"), "{page:?}");
    let image = ask_hidden(&site, "/a", &cookies, |_| {
        Response::builder().header(CACHE_CONTROL, "public, max-age=600").body(String::new()).unwrap()
    })
    .await;
    assert_eq!((sets(&image), header(&image, CACHE_CONTROL)), (vec![], Some("public, max-age=600")));
}

/// A layer that keeps the first response to a path, and says that it may be kept.
#[derive(Clone)]
struct Keeping<Inner>(Inner, Arc<std::sync::Mutex<Option<http::response::Parts>>>);

impl<Inner> Service<Request<()>> for Keeping<Inner>
where
    Inner: Service<Request<()>, Response = Reply, Error = Infallible, Future: Send + 'static>,
{
    type Response = Reply;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let kept = self.1.clone();
        let parts = kept.lock().unwrap().clone();
        if let Some(parts) = parts {
            return Box::pin(ready(Ok(Response::from_parts(parts, "kept".to_owned()))));
        }
        let response = self.0.call(request);
        Box::pin(async move {
            let (mut parts, body) = response.await?.into_parts();
            parts.headers.insert(CACHE_CONTROL, "public, max-age=600".parse().unwrap());
            parts.headers.insert("cdn-cache-control", "max-age=600".parse().unwrap());
            parts.headers.insert(http::header::CONTENT_ENCODING, "identity".parse().unwrap());
            parts.headers.append(VARY, "accept-encoding".parse().unwrap());
            *kept.lock().unwrap() = Some(parts.clone());
            Ok(Response::from_parts(parts, body))
        })
    }
}

#[tokio::test]
async fn what_a_layer_inside_stores_holds_no_cookie_and_what_it_says_to_caches_makes_way_for_one() {
    let site = Site::new();
    let handler = service_fn(|request: Request<()>| {
        add_one(request.extensions().get::<Session>().unwrap());
        ready(Ok::<_, Infallible>(reply(200)))
    });
    let kept = Arc::new(std::sync::Mutex::new(None));
    let service = site.layer().layer(Keeping(handler, kept.clone()));
    let first = service.clone().oneshot(request("")).await.unwrap();
    assert_eq!((sets(&first).len(), header(&first, CACHE_CONTROL)), (1, Some("no-store")));
    assert!(first.headers().get("cdn-cache-control").is_none());
    let vary: Vec<_> = first.headers().get_all(VARY).iter().map(|vary| vary.to_str().unwrap()).collect();
    assert_eq!(vary.join(", ").to_ascii_lowercase(), "accept-encoding, cookie");
    assert!(!kept.lock().unwrap().as_ref().unwrap().headers.contains_key(SET_COOKIE));
    // Another visitor gets what was kept, and nobody's cookie.
    let second = service.oneshot(request("")).await.unwrap();
    assert_eq!((second.body().as_str(), sets(&second)), ("kept", vec![]));
    assert_eq!(header(&second, CACHE_CONTROL), Some("public, max-age=600"));
}
