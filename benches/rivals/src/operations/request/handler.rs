//! What the handler of a request does with its session.

use std::convert::Infallible;
use std::hint::black_box;

use cloakroom::tower::session_of;
use cloakroom::{AnyEntry as _, Entry};
use http::{Request, Response};

use crate::session::ENTRY;

pub(super) const CART: Entry<str> = Entry::new(ENTRY);
pub(super) const VISITS: Entry<u64> = Entry::new("visits");

type Answer<B> = Result<Response<B>, Infallible>;

#[derive(Clone, Copy)]
pub(crate) enum Handler {
    Untouched,
    Get,
    Insert,
}

impl Handler {
    /// Without any session.
    pub(crate) async fn bare<B: Default>(self, request: Request<impl Sized>) -> Answer<B> {
        drop(black_box(request));
        Ok(Response::new(B::default()))
    }

    pub(crate) async fn ours<B: Default>(self, request: Request<impl Sized>) -> Answer<B> {
        if !matches!(self, Self::Untouched) {
            let session = session_of(request.extensions()).await.unwrap();
            let visits = session.get(VISITS).unwrap().unwrap();
            if matches!(self, Self::Insert) {
                session.insert(VISITS, &(visits + 1)).unwrap();
            } else {
                black_box(visits);
            }
        }
        Ok(Response::new(B::default()))
    }

    pub(crate) async fn theirs<B: Default>(self, request: Request<impl Sized>) -> Answer<B> {
        if !matches!(self, Self::Untouched) {
            let session = request.extensions().get::<tower_sessions::Session>().unwrap().clone();
            let visits: u64 = session.get(VISITS.name()).await.unwrap().unwrap();
            if matches!(self, Self::Insert) {
                session.insert(VISITS.name(), visits + 1).await.unwrap();
            } else {
                black_box(visits);
            }
        }
        Ok(Response::new(B::default()))
    }
}
