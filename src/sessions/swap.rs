//! Storing changes by compare-and-swap, which is tried again while other requests change the same session.

use std::future::poll_fn;
use std::task::Poll;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::model::trace::Trace;
use crate::sessions::handle::Sessions;
use crate::store::{Store, Update};

/// How often a commit tries before it fails with `Contention`.
pub(super) const ATTEMPTS: u32 = 256;
/// How many conflicts are answered by an attempt at once; later attempts wait first, each time longer.
const IMPATIENT: u32 = 3;

/// What one attempt did.
pub(super) enum Swapped {
    /// This record is stored.
    Stored(Record),
    /// Nothing is stored: another request has changed the session, to this record.
    Conflict(Record),
    /// Nothing is stored: the session has expired, was ended, or has another id.
    Gone,
}

/// One commit to a stored session.
pub(super) struct Swap<'a, F, T> {
    /// The session as the request opened it.
    pub(super) seen: &'a Record,
    /// When the request came.
    pub(super) arrived: Timestamp,
    /// `seen` with the request's changes; under another key if the session is to be rotated.
    pub(super) changed: Record,
    /// Applies the request's changes to what other requests have stored.
    pub(super) change: F,
    /// The trace that a rotation leaves in the place of this session.
    pub(super) trace: T,
}

impl<S: Store> Sessions<S> {
    /// Stores the changes. Gives the session as it is stored now, or `None` if it is gone.
    pub(super) async fn swap<F, T>(&self, swap: Swap<'_, F, T>) -> Result<Option<Record>>
    where
        F: Fn(&Record) -> Result<Record>,
        T: Fn(&Record) -> Option<Trace>,
    {
        let key = swap.seen.key();
        let mut expected = swap.seen.revision();
        let mut next = swap.changed;
        let mut trace = (swap.trace)(swap.seen);
        if !self.is_live(swap.seen, self.policy().now()) {
            return Ok(None);
        }
        for attempt in 0..ATTEMPTS {
            next.touch(swap.arrived);
            // A limit refuses new owners alone.
            let owner = next.owner().filter(|owner| swap.seen.owner() != Some(owner)).cloned();
            let swapped = match self.try_swap(key, expected, next, trace.as_ref(), attempt).await {
                Ok(swapped) => swapped,
                Err(error) => {
                    self.make_room(error, owner.as_ref()).await?;
                    let current = self.load(key, self.policy().now()).await?;
                    current.map_or(Swapped::Gone, Swapped::Conflict)
                }
            };
            match swapped {
                Swapped::Stored(record) => return Ok(Some(record)),
                Swapped::Gone => return Ok(None),
                Swapped::Conflict(current) => {
                    next = (swap.change)(&current)?;
                    trace = (swap.trace)(&current);
                    if next == current {
                        return Ok(Some(current)); // another request has stored the same
                    }
                    expected = current.revision();
                }
            }
        }
        Err(contention(key))
    }

    /// One attempt to put `next` in the place of the session under `key`: an update, or a rotation if the keys differ.
    /// After a conflict it waits, and the longer the more attempts there were.
    pub(super) async fn try_swap(
        &self,
        key: &SessionKey,
        expected: Revision,
        mut next: Record,
        trace: Option<&Trace>,
        attempt: u32,
    ) -> Result<Swapped> {
        let now = self.policy().now();
        next.set_revision(Revision::fresh());
        let update = if next.key() == key {
            self.0.store.update(&next, expected, now).await?
        } else {
            self.0.store.rotate(key, expected, &next, trace, now).await?
        };
        let mut current = match update {
            Update::Stored(revision) => {
                next.set_revision(revision);
                return Ok(Swapped::Stored(next));
            }
            Update::Gone => return Ok(Swapped::Gone),
            Update::Conflict(current) => *current,
        };
        if attempt >= IMPATIENT {
            pause(attempt).await;
            match self.0.store.load(key, now).await? {
                Some(newer) => current = newer,
                None => return Ok(Swapped::Gone),
            }
        }
        Ok(if self.is_live(&current, now) { Swapped::Conflict(current) } else { Swapped::Gone })
    }
}

pub(super) fn contention(key: &SessionKey) -> Error {
    Error::new(ErrorKind::Contention, format!("committing session {key}"))
}

/// Waits for some turns of the executor, since there is no timer without a runtime. Their number grows with the
/// attempts, and it is random, so that requests that wait together do not come back together.
async fn pause(attempt: u32) {
    let most = u64::from(attempt.min(32));
    for _ in 0..=Revision::fresh().as_u64() % most {
        let mut yielded = false;
        poll_fn(|context| {
            if yielded {
                return Poll::Ready(());
            }
            yielded = true;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}
