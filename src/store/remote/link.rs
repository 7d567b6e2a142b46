//! The connections of a store to its server: a few lines that are dialled again in the background when they break.
//!
//! A break costs as little as it can. An operation that finds a broken line waits for the first new attempt, so a connection
//! that the server closed for its age fails nobody. If that attempt fails, the server is down, and operations fail at once,
//! without waiting for anything, until an attempt succeeds. Attempts come with growing, jittered pauses, so that a fleet of
//! nodes does not knock at the same moment at a server that has just started.
//!
//! The file knows nothing of any database, and sends nothing over a line.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::record::Revision;

/// How to reach a server.
pub(crate) trait Dial: Send + Sync + 'static {
    type Line: Send + Sync + 'static;

    /// Opens a line. The link gives the attempt its deadline.
    fn dial(&self) -> impl Future<Output = Result<Self::Line>> + Send;

    /// Whether a line is known to be of no use any more.
    fn is_broken(line: &Self::Line) -> bool;
}

/// A few lines to one server.
pub(crate) struct Link<D: Dial>(Arc<Inner<D>>);

struct Inner<D: Dial> {
    dial: D,
    deadline: Duration,
    lines: Vec<watch::Sender<Status<D::Line>>>,
    next: AtomicUsize,
}

enum Status<L> {
    Up(Arc<L>),
    /// The first attempt after a break is on its way.
    Dialling,
    /// An attempt has failed. Others go on in the background.
    Down(Arc<Error>),
}

/// The pause after the first attempt that failed. It doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl<D: Dial> Link<D> {
    /// Opens the first line, and leaves the others to the background. Each attempt may take as long as an operation.
    pub(crate) async fn open(dial: D, lines: usize, deadline: Duration) -> Result<Self> {
        let first = dial_within(&dial, deadline).await?;
        let statuses = (0..lines.max(1)).map(|_| watch::Sender::new(Status::Dialling)).collect();
        let inner = Arc::new(Inner { dial, deadline, lines: statuses, next: AtomicUsize::new(0) });
        inner.lines[0].send_replace(Status::Up(Arc::new(first)));
        (1..inner.lines.len()).for_each(|place| Inner::dial_in_background(&inner, place));
        Ok(Self(inner))
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn dial(&self) -> &D {
        &self.0.dial
    }

    /// A line that is up: the next in turn, or the first after it that `is_free` says is free.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached. Nothing was sent then.
    pub(crate) async fn line(&self, until: Instant, is_free: impl Fn(&D::Line) -> bool) -> Result<Arc<D::Line>> {
        loop {
            let (mut up, mut dialling, mut down) = (None, None, None);
            let first = self.0.next.fetch_add(1, Ordering::Relaxed);
            for place in (0..self.0.lines.len()).map(|place| (first + place) % self.0.lines.len()) {
                match &*self.0.lines[place].borrow() {
                    Status::Up(line) if !D::is_broken(line) => {
                        if is_free(line) {
                            return Ok(line.clone());
                        }
                        up.get_or_insert_with(|| line.clone());
                    }
                    Status::Up(_) | Status::Dialling => _ = dialling.get_or_insert(place),
                    Status::Down(cause) => _ = down.get_or_insert_with(|| cause.clone()),
                }
            }
            match (up, dialling, down) {
                (Some(line), ..) => return Ok(line),
                (None, Some(place), _) => self.wait_for(place, until).await?,
                (None, None, Some(cause)) => return Err(cause.repeated().not_done()),
                (None, None, None) => unreachable!("a link has a line"),
            }
        }
    }

    /// Waits until a line is up, or its server known to be down.
    async fn wait_for(&self, place: usize, until: Instant) -> Result<()> {
        self.replace_if(place, D::is_broken);
        let mut status = self.0.lines[place].subscribe();
        match timeout_at(until, status.wait_for(|status| !matches!(status, Status::Dialling))).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::new(ErrorKind::Unavailable, "connecting to the server")
                .because("it did not answer in time")
                .not_done()),
        }
    }

    /// Gives up a line, and dials another in its place. What others have under way on it goes on.
    pub(crate) fn renew(&self, line: &Arc<D::Line>) {
        for place in 0..self.0.lines.len() {
            self.replace_if(place, |current| std::ptr::eq(current, &raw const **line));
        }
    }

    /// Dials anew in this place if its line is such a one. Of several callers one does it.
    fn replace_if(&self, place: usize, is_such: impl Fn(&D::Line) -> bool) {
        let replaced = self.0.lines[place].send_if_modified(|status| {
            let is_such = matches!(status, Status::Up(line) if is_such(line));
            if is_such {
                *status = Status::Dialling;
            }
            is_such
        });
        if replaced {
            Inner::dial_in_background(&self.0, place);
        }
    }
}

impl<D: Dial> Clone for Link<D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<D: Dial> Inner<D> {
    /// The task ends when the line is up, or when the store is gone.
    fn dial_in_background(inner: &Arc<Self>, place: usize) {
        let weak = Arc::downgrade(inner);
        tokio::spawn(async move {
            let mut pause = FIRST_PAUSE;
            while let Some(inner) = Weak::upgrade(&weak) {
                match dial_within(&inner.dial, inner.deadline).await {
                    Ok(line) => {
                        inner.lines[place].send_replace(Status::Up(Arc::new(line)));
                        return;
                    }
                    Err(error) => inner.lines[place].send_replace(Status::Down(Arc::new(error))),
                };
                drop(inner);
                sleep(jittered(pause)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
    }
}

async fn dial_within<D: Dial>(dial: &D, deadline: Duration) -> Result<D::Line> {
    match timeout_at(Instant::now() + deadline, dial.dial()).await {
        Ok(line) => line,
        Err(_) => Err(Error::new(ErrorKind::Unavailable, "connecting to the server")
            .because(format!("it did not answer within {deadline:?}"))
            .not_done()),
    }
}

/// Between half of a pause and all of it, so that nodes which broke off together do not come back together.
pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + (Revision::fresh().as_u64() % 1024) as f64 / 2048.0)
}
