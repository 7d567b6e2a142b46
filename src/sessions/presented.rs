//! The ids that a request brings.

use std::fmt;

use crate::cookie::MAX_PAIRS;
use crate::id::SessionId;
use crate::sessions::handle::Sessions;
use crate::store::Store;

/// How many ids of one request are looked up.
const MAX_IDS: usize = 4;

/// The session ids in a request's `Cookie` headers: those that have an id's syntax, at most the first four different
/// ones, in order.
///
/// More than one is rare, and honest: a cookie of another path or of the parent domain comes under the same name
/// (RFC 6265bis section 4.2.2). Four bound what a request can make the store do.
#[derive(Clone, Default)]
pub struct Presented(pub(super) [Option<SessionId>; MAX_IDS]);

impl<S: Store> Sessions<S> {
    /// Reads the ids out of a request's `Cookie` headers. No I/O happens, and nothing of the headers is kept.
    pub fn presented<I, H>(&self, headers: I) -> Presented
    where
        I: IntoIterator<Item = H>,
        H: AsRef<[u8]>,
    {
        let headers: Vec<H> = headers.into_iter().take(MAX_PAIRS).collect();
        let mut presented = Presented::default();
        let ids = self.cookie().values(&headers).filter_map(|value| SessionId::parse(value).ok());
        for id in ids {
            // Fills the first free place, unless the same id stands before it.
            match presented.0.iter_mut().find(|place| place.as_ref().is_none_or(|other| *other == id)) {
                Some(place @ None) => *place = Some(id),
                Some(Some(_)) => (),
                None => break,
            }
        }
        presented
    }
}

impl Presented {
    /// Whether there is none: the session will be blank, without a look into the store.
    pub fn is_empty(&self) -> bool {
        self.0[0].is_none()
    }
}

impl fmt::Debug for Presented {
    /// How many; an id is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Presented({})", self.0.iter().flatten().count())
    }
}
