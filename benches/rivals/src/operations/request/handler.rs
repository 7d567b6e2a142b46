//! What the handler of a request does with its session.

use std::convert::Infallible;
use std::hint::black_box;

use cloakroom::tower::session_of;
use cloakroom::{AnyEntry as _, Entry};
use http::{Request, Response};

use crate::session::ENTRY;

pub(super) const CART: Entry<str> = Entry::new(ENTRY);
pub(super) const VISITS: Entry<u64> = Entry::new("visits");

type Answer = Result<Response<()>, Infallible>;

#[derive(Clone, Copy)]
pub(super) enum Handler {
    Untouched,
    Get,
    Insert,
}

impl Handler {
    /// Without any session.
    pub(super) async fn bare(self, request: Request<()>) -> Answer {
        drop(black_box(request));
        Ok(Response::new(()))
    }

    pub(super) async fn ours(self, request: Request<()>) -> Answer {
        if !matches!(self, Self::Untouched) {
            let session = session_of(request.extensions()).await.unwrap();
            let visits = session.get(VISITS).unwrap().unwrap();
            if matches!(self, Self::Insert) {
                session.insert(VISITS, &(visits + 1)).unwrap();
            } else {
                black_box(visits);
            }
        }
        Ok(Response::new(()))
    }

    pub(super) async fn theirs(self, request: Request<()>) -> Answer {
        if !matches!(self, Self::Untouched) {
            let session = request.extensions().get::<tower_sessions::Session>().unwrap().clone();
            let visits: u64 = session.get(VISITS.name()).await.unwrap().unwrap();
            if matches!(self, Self::Insert) {
                session.insert(VISITS.name(), visits + 1).await.unwrap();
            } else {
                black_box(visits);
            }
        }
        Ok(Response::new(()))
    }
}
