//! What users feel: a whole request through the tower layer, in one thread, beside the same request without the layer.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has nothing to report")]

mod support;

use std::convert::Infallible;
use std::hint::black_box;
use std::time::{Duration, Instant};

use cloakroom::tower::{SessionLayer, session_of};
use cloakroom::{Durability, Entry, MemoryStore, Session, Sessions, Store};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use http::header::{COOKIE, HeaderValue};
use http::{Request, Response};
use tokio::runtime::Runtime;
use tower::{Layer, Service, ServiceExt as _, service_fn};

use support::{Numbers, block_on};

const CART: Entry<str> = Entry::new("cart");
const VISITS: Entry<u64> = Entry::new("visits");

/// What the handler does with the session.
#[derive(Clone, Copy)]
enum Handler {
    Untouched,
    Get,
    GetAndInsert,
}

const HANDLERS: [(&str, Handler); 3] =
    [("untouched", Handler::Untouched), ("one get", Handler::Get), ("one get, one insert", Handler::GetAndInsert)];

impl Handler {
    async fn handle(self, request: Request<()>) -> Result<Response<()>, Infallible> {
        match self {
            Self::Untouched => {}
            Self::Get => drop(black_box(visits(&request).await)),
            Self::GetAndInsert => {
                let (session, visits) = visits(&request).await;
                session.insert(VISITS, &(visits + 1)).unwrap();
            }
        }
        Ok(Response::new(()))
    }
}

async fn visits(request: &Request<()>) -> (Session, u64) {
    let session = session_of(request.extensions()).await.unwrap();
    let visits = session.get(VISITS).unwrap().unwrap();
    (session, visits)
}

/// Requests of random visitors, each of whom has a session.
struct Visitors {
    cookies: Vec<HeaderValue>,
    numbers: Numbers,
}

impl Visitors {
    fn of(sessions: &Sessions<impl Store>) -> Self {
        let cookie = |n| {
            let cookie = sessions.test_cookie(|session| {
                session.insert(CART, &*support::text(n))?;
                session.insert(VISITS, &n)
            });
            HeaderValue::try_from(block_on(cookie).unwrap()).unwrap()
        };
        Self { cookies: (0..support::sessions()).map(cookie).collect(), numbers: Numbers(1) }
    }

    fn next(&mut self) -> Request<()> {
        let visitor = self.numbers.below(self.cookies.len() as u64) as usize;
        let mut request = Request::new(());
        request.headers_mut().insert(COOKIE, self.cookies[visitor].clone());
        request
    }
}

fn request(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut group = criterion.benchmark_group("request");

    let in_memory = Sessions::builder(MemoryStore::new()).build().unwrap();
    let mut visitors = Visitors::of(&in_memory);
    let bare = service_fn(|request| Handler::Untouched.handle(request));
    measure(&mut group, &runtime, "no layer", bare, &mut visitors);
    through(&mut group, &runtime, "MemoryStore", &in_memory, &mut visitors);

    let directory = support::directory();
    let store = support::options(Durability::Every(Duration::from_secs(1)));
    let on_disk = Sessions::builder(store.open(directory.path().join("sessions")).unwrap()).build().unwrap();
    through(&mut group, &runtime, "FileStore", &on_disk, &mut Visitors::of(&on_disk));
    group.finish();
}

fn through<S: Store>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    runtime: &Runtime,
    store: &str,
    sessions: &Sessions<S>,
    visitors: &mut Visitors,
) {
    for (name, handler) in HANDLERS {
        let handle = service_fn(move |request| handler.handle(request));
        let service = SessionLayer::new(sessions.clone()).layer(handle);
        measure(group, runtime, &format!("{store}, {name}"), service, visitors);
    }
    let handle = service_fn(|request| Handler::Untouched.handle(request));
    let service = SessionLayer::new(sessions.clone()).lazy(true).layer(handle);
    measure(group, runtime, &format!("{store}, untouched, lazy"), service, visitors);
}

fn measure<S>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    runtime: &Runtime,
    name: &str,
    mut service: S,
    visitors: &mut Visitors,
) where
    S: Service<Request<()>, Response = Response<()>, Error = Infallible>,
{
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|requests| {
            runtime.block_on(async {
                let begun = Instant::now();
                for _ in 0..requests {
                    let response = service.ready().await.unwrap().call(visitors.next()).await.unwrap();
                    assert!(black_box(response).status().is_success());
                }
                begun.elapsed()
            })
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .measurement_time(Duration::from_secs(3))
        .warm_up_time(Duration::from_secs(1))
        .sample_size(30);
    targets = request
}
criterion_main!(benches);
