//! What a commit did, and what it means for the response.

use std::sync::Arc;

use crate::cookie::SetCookie;
use crate::model::error::Error;
use crate::sessions::headers::ResponseHeader;

/// What a commit did, and what the response has to carry for it.
///
/// ```
/// # use cloakroom::{MemoryStore, Outcome, Sessions};
/// # let sessions = Sessions::builder(MemoryStore::new()).build()?.blocking();
/// # let session = sessions.open([""; 0])?;
/// session.insert("theme", "dark")?;
/// let committed = sessions.commit(session)?;
/// assert_eq!(committed.outcome(), Outcome::Created);
/// for header in committed.into_headers() {
///     println!("{}: {}", header.name(), header.value());
/// }
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "the response has to carry the cookie, if there is one"]
pub struct Committed {
    pub(super) outcome: Outcome,
    pub(super) set_cookie: Option<SetCookie>,
    pub(super) lost: Vec<String>,
    pub(super) looked_at: bool,
    pub(super) touch_error: Option<Arc<Error>>,
}

/// What a commit did, from [`Committed::outcome`]; most applications have no use for it.
///
/// ```
/// # use cloakroom::{MemoryStore, Outcome, Sessions};
/// # let sessions = Sessions::builder(MemoryStore::new()).build()?.blocking();
/// # let session = sessions.open([""; 0])?;
/// let committed = sessions.commit(session)?;
/// if committed.outcome() == Outcome::Lost {
///     eprintln!("not stored: {:?}", committed.lost());
/// }
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing: there was nothing to do.
    Unchanged,
    /// The store noted that the session was seen.
    Touched,
    /// A new session is stored.
    Created,
    /// The changes are stored.
    Stored,
    /// The session has a new id, and the changes are stored.
    Rotated,
    /// The session was ended.
    Destroyed,
    /// The session had expired, or another request had ended it: nothing was written.
    Lost,
}

impl Committed {
    pub(super) fn new(outcome: Outcome, set_cookie: Option<SetCookie>) -> Self {
        Self { outcome, set_cookie, lost: Vec::new(), looked_at: false, touch_error: None }
    }

    /// Of an unchanged session that this error kept from being noted as seen, or from getting its cookie.
    pub(super) fn untouched(outcome: Outcome, error: Error) -> Self {
        Self { touch_error: Some(Arc::new(error)), ..Self::new(outcome, None) }
    }

    /// The value of the one `Set-Cookie` header that the response must carry, if any.
    pub fn set_cookie(&self) -> Option<&SetCookie> {
        self.set_cookie.as_ref()
    }

    /// As [`set_cookie`](Committed::set_cookie), without a copy.
    pub fn into_set_cookie(self) -> Option<SetCookie> {
        self.set_cookie
    }

    /// All headers that the response must carry: the cookie, if any; and those that keep caches from storing the
    /// response, if it has a cookie or if a handler [looked at](crate::Session::was_looked_at) the session.
    ///
    /// [`ResponseHeader`] says how they meet the headers that the response has already.
    pub fn into_headers(self) -> impl Iterator<Item = ResponseHeader> {
        let is_private = self.looked_at || self.set_cookie.is_some();
        let private = is_private.then_some(ResponseHeader::PRIVATE);
        private.into_iter().flatten().chain(self.set_cookie.map(ResponseHeader::set_cookie))
    }

    /// What was done.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The error that kept the store from noting that an unchanged session was seen, or from renewing its cookie. The
    /// response goes out all the same: it shows nothing that was not stored. The session ends earlier unless a later
    /// request is noted.
    ///
    /// ```
    /// # use cloakroom::Committed;
    /// fn log(committed: &Committed) {
    ///     if let Some(error) = committed.touch_error() {
    ///         eprintln!("a session was seen, and the store could not note it: {error}");
    ///     }
    /// }
    /// ```
    pub fn touch_error(&self) -> Option<&Arc<Error>> {
        self.touch_error.as_ref()
    }

    /// The names of the entries whose changes were not stored, because the session was gone.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?.blocking();
    /// # let cookie = sessions.test_cookie(|session| session.login("user 42"))?;
    /// let session = sessions.open([cookie])?;
    /// session.insert("cart", &["hat"])?;
    /// sessions.end_all("user 42")?; // another request logs the user out
    /// assert_eq!(sessions.commit(session)?.lost(), ["cart"]);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn lost(&self) -> &[String] {
        &self.lost
    }
}
