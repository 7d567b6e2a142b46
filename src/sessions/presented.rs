//! The session ids that a request presents.

use std::fmt;
use std::sync::Arc;

use crate::cookie::MAX_PAIRS;
use crate::model::id::SessionId;
use crate::session::{HiddenAt, Visitor};
use crate::sessions::handle::Sessions;
use crate::store::Store;

/// How many ids of one request are looked up in the store, at most.
const MAX_IDS: usize = 4;

/// The session ids in a request's `Cookie` headers: the first four different values with the syntax of an id, in order.
///
/// More than one is rare, and not necessarily an attack: a cookie of another path or of the parent domain comes under
/// the same name (RFC 6265bis section 4.2.2). The bound of four limits what one request can make the store do. It also
/// means that four planted cookies can hide a session, unless the cookie's prefix is `__Host-`, which nothing can plant.
///
/// ```
/// # use cloakroom::{MemoryStore, Sessions};
/// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
/// let presented = sessions.presented(["theme=dark; __Host-sid=not-an-id"]);
/// assert!(presented.is_empty());
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Presented {
    pub(super) ids: [Option<SessionId>; MAX_IDS],
    pub(super) hidden_at: Option<HiddenAt>,
}

impl<S: Store> Sessions<S> {
    /// Reads the session ids from the values of a request's `Cookie` headers. No I/O happens, and nothing of the
    /// headers is kept.
    pub fn presented<I, H>(&self, headers: I) -> Presented
    where
        I: IntoIterator<Item = H>,
        H: AsRef<[u8]>,
    {
        let mut headers = headers.into_iter().take(MAX_PAIRS);
        // Nearly all requests have one header, and then the vector is empty and allocates nothing.
        let (first, others) = (headers.next(), headers.collect::<Vec<H>>());
        let mut presented = Presented::default();
        let ids = self.cookie().values(first.iter().chain(&others)).filter_map(|value| SessionId::parse(value).ok());
        for id in ids {
            // The id goes into the first free place, unless an earlier place has the same id.
            match presented.ids.iter_mut().find(|place| place.as_ref().is_none_or(|other| *other == id)) {
                Some(place @ None) => *place = Some(id),
                Some(Some(_)) => (),
                None => break,
            }
        }
        presented
    }
}

impl Presented {
    /// Whether the request presents no id: its session will be blank, and the store is not asked.
    pub fn is_empty(&self) -> bool {
        self.ids[0].is_none()
    }

    /// Tells the host (a port may follow it) and the path of the request. They are asked for only if the request presents
    /// several ids. A response that sets the session's cookie then [removes](crate::cookie::Cookie::remove_others) what
    /// may hide it.
    ///
    /// ```
    /// # use cloakroom::cookie::Cookie;
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let builder = Sessions::builder(MemoryStore::new()).cookie(Cookie::named("sid").insecure());
    /// # let sessions = builder.build()?;
    /// # let cookie = "";
    /// let presented = sessions.presented([cookie]).asked_at(|| ("shop.example.org", "/cart"));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    #[must_use]
    pub fn asked_at<'r>(mut self, at: impl FnOnce() -> (&'r str, &'r str)) -> Self {
        if self.ids[1].is_some() {
            let (host, path) = at();
            self.hidden_at = Some(Arc::new((host.into(), path.into())));
        }
        self
    }

    /// What the session keeps of it.
    pub(super) fn visitor(&self) -> Visitor {
        Visitor { has_cookie: !self.is_empty(), leaves: false, beside: Vec::new(), hidden_at: self.hidden_at.clone() }
    }
}

impl fmt::Debug for Presented {
    /// Shows how many ids there are; an id is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Presented({})", self.ids.iter().flatten().count())
    }
}
