//! Requests of random visitors. Every visitor has a session.

use std::convert::Infallible;
use std::hint::black_box;
use std::time::{Duration, Instant};

use http::header::{COOKIE, HeaderValue};
use http::{Request, Response};
use tokio::runtime::Runtime;
use tower::{Service, ServiceExt as _};

use crate::numbers::Numbers;
use crate::race::{Entrant, calibrated, nanos};

/// The most requests that are timed one by one in a round.
const SAMPLES: u64 = 2_000;

pub(super) struct Requests<'a, S> {
    runtime: &'a Runtime,
    service: S,
    visitors: Visitors<'a>,
    /// How many requests a batch has, once that is calibrated.
    times: Option<u64>,
}

struct Visitors<'a> {
    cookies: &'a [HeaderValue],
    numbers: Numbers,
}

impl Visitors<'_> {
    fn next(&mut self) -> Request<()> {
        let visitor = self.numbers.below(self.cookies.len() as u64) as usize;
        request(&self.cookies[visitor])
    }
}

fn request(cookie: &HeaderValue) -> Request<()> {
    let mut request = Request::new(());
    request.headers_mut().insert(COOKIE, cookie.clone());
    request
}

impl<'a, S> Requests<'a, S>
where
    S: Service<Request<()>, Response = Response<()>, Error = Infallible>,
{
    pub(super) fn new(runtime: &'a Runtime, service: S, cookies: &'a [HeaderValue]) -> Self {
        Self { runtime, service, visitors: Visitors { cookies, numbers: Numbers(1) }, times: None }
    }

    /// Sends so many requests, and calls the function after each.
    fn requests(&mut self, times: u64, mut after_each: impl FnMut()) -> Duration {
        let Self { runtime, service, visitors, .. } = self;
        runtime.block_on(async {
            let begun = Instant::now();
            for _ in 0..times {
                let response = service.ready().await.unwrap().call(visitors.next()).await.unwrap();
                assert!(black_box(response).status().is_success());
                after_each();
            }
            begun.elapsed()
        })
    }
}

/// Requests that can be sent for every visitor before anything is measured.
pub(super) trait Visited: Entrant {
    fn each_visitor_once(&mut self);
}

impl<S> Visited for Requests<'_, S>
where
    S: Service<Request<()>, Response = Response<()>, Error = Infallible>,
{
    fn each_visitor_once(&mut self) {
        let Self { runtime, service, visitors, .. } = self;
        runtime.block_on(async {
            for cookie in visitors.cookies {
                let response = service.ready().await.unwrap().call(request(cookie)).await.unwrap();
                assert!(response.status().is_success());
            }
        });
    }
}

impl<S> Entrant for Requests<'_, S>
where
    S: Service<Request<()>, Response = Response<()>, Error = Infallible>,
{
    fn round(&mut self, slice: Duration, samples: &mut Vec<f64>) -> Option<f64> {
        let times = self.times.unwrap_or_else(|| calibrated(slice, |times| self.requests(times, || ())));
        self.times = Some(times);
        let took = self.requests(times, || ());
        let mut last = Instant::now();
        self.requests((times / 4).clamp(1, SAMPLES), || {
            let now = Instant::now();
            samples.push(nanos(now - last));
            last = now;
        });
        Some(nanos(took) / times as f64)
    }
}
