//! What a commit did, and what it means for the response.

use std::sync::Arc;

use crate::cookie::SetCookie;
use crate::model::error::{Error, ErrorKind};
use crate::session::headers::{ResponseHeader, may_be_stored};

/// What a commit did, and what the response has to carry for it.
///
/// ```
/// # use cloakroom::{MemoryStore, Outcome, Sessions};
/// # let sessions = Sessions::builder(MemoryStore::new()).build()?.blocking();
/// # let session = sessions.open([""; 0])?;
/// session.insert("theme", "dark")?;
/// let committed = sessions.commit(session)?;
/// assert_eq!(committed.outcome(), Outcome::Created);
/// let present = [("content-type", b"text/html".as_slice())]; // what the response has already
/// for header in committed.into_headers(&mut present.into_iter()) {
///     println!("{}: {}", header.name(), header.value());
/// }
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "the response has to carry the cookie, if there is one"]
pub struct Committed {
    pub(crate) outcome: Outcome,
    pub(crate) set_cookie: Option<SetCookie>,
    /// Whether the cookie only gets a new age, which another response can carry as well.
    pub(crate) is_renewal: bool,
    /// The removals of what may hide the cookie.
    pub(crate) removals: Vec<SetCookie>,
    pub(crate) lost: Vec<String>,
    /// Whether a reauthentication is lost.
    pub(crate) is_unproved: bool,
    /// Whether what is lost was put in after a logout, which was done: no response need be an error for it.
    pub(crate) is_dropped: bool,
    pub(crate) looked_at: bool,
    pub(crate) touch_error: Option<Arc<Error>>,
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
    /// The session had expired, or another request had ended it, or a login had taken its place: nothing was written.
    Lost,
}

impl Committed {
    pub(crate) fn new(outcome: Outcome, set_cookie: Option<SetCookie>) -> Self {
        Self {
            outcome,
            set_cookie,
            is_renewal: false,
            removals: Vec::new(),
            lost: Vec::new(),
            is_unproved: false,
            is_dropped: false,
            looked_at: false,
            touch_error: None,
        }
    }

    /// Of an unchanged session that this error kept from being noted as seen, or from getting its cookie.
    pub(crate) fn untouched(outcome: Outcome, error: Error) -> Self {
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
    /// `present` are the headers that the response has already, each with its name. If they let caches store it, as an
    /// image's may, then a cookie that only gets a new age is left out, for it would forbid that. [`ResponseHeader`] says
    /// how the others meet the headers that are there.
    pub fn into_headers(
        mut self,
        present: &mut dyn Iterator<Item = (&str, &[u8])>,
    ) -> impl Iterator<Item = ResponseHeader> + use<> {
        if self.is_renewal && may_be_stored(present) {
            self.set_cookie = None;
            self.removals.clear();
        }
        let private = match self.set_cookie {
            Some(_) => Some(ResponseHeader::WITH_COOKIE),
            None => self.looked_at.then_some(ResponseHeader::PRIVATE),
        };
        let cookies = self.removals.into_iter().chain(self.set_cookie).enumerate();
        let cookies = cookies.map(|(at, cookie)| ResponseHeader::set_cookie(cookie, at == 0));
        private.into_iter().flatten().chain(cookies)
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

    /// The names of the entries that were set or modified, and were not stored because the session was gone or another login
    /// had taken its place. [`settle`](crate::Sessions::settle) makes an error of it where the site wants that; not of what was
    /// put in after a logout. A [reauthentication](crate::Session::reauthenticated) that is lost has no name here;
    /// [`loss`](Self::loss) tells of it.
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

    /// The error that names what was [lost](Committed::lost), a reauthentication included, if anything was. An adapter puts it
    /// where logs find it, also beside a response that goes out.
    pub fn loss(&self) -> Option<Error> {
        let kind = || ErrorKind::Lost { entries: self.lost.clone() };
        let loss = (self.is_unproved || !self.lost.is_empty()).then(|| Error::new(kind(), "committing a session"))?;
        Some(if self.is_unproved { loss.because("the reauthentication is lost") } else { loss })
    }
}
