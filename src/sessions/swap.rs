//! Storing changes by compare-and-swap, again and again while others change the same session.

use std::future::poll_fn;
use std::task::Poll;

use crate::error::{Error, ErrorKind, Result};
use crate::key::SessionKey;
use crate::record::{Record, Revision};
use crate::sessions::handle::Sessions;
use crate::store::{Store, Update};

/// How often a commit tries before it gives up.
pub(super) const ATTEMPTS: u32 = 256;
/// So many conflicts are met at once; after that, each time a longer wait.
const IMPATIENT: u32 = 3;

/// What became of one attempt.
pub(super) enum Swapped {
    /// This is stored.
    Stored(Record),
    /// Nothing is; another came first, and made this of the session.
    Conflict(Record),
    /// Nothing is; the session is over, ended, or has another id.
    Gone,
}

/// One commit to a session that is stored.
pub(super) struct Swap<'a, F> {
    /// What the request saw.
    pub(super) seen: &'a Record,
    /// What it wants of that; under another key if the session is to be rotated.
    pub(super) changed: Record,
    /// What it wants of what others made of it.
    pub(super) change: F,
}

impl<S: Store> Sessions<S> {
    /// Stores the changes; the session as it is stored now, or `None` if it is gone.
    pub(super) async fn swap<F>(&self, swap: Swap<'_, F>) -> Result<Option<Record>>
    where
        F: Fn(&Record) -> Result<Record>,
    {
        let key = swap.seen.key();
        let mut expected = swap.seen.revision();
        let mut next = swap.changed;
        if !self.is_live(swap.seen, self.policy().now()) {
            return Ok(None);
        }
        for attempt in 0..ATTEMPTS {
            next.touch(self.policy().now());
            match self.try_swap(key, expected, next, attempt).await? {
                Swapped::Stored(record) => return Ok(Some(record)),
                Swapped::Gone => return Ok(None),
                Swapped::Conflict(current) => {
                    next = (swap.change)(&current)?;
                    expected = current.revision();
                }
            }
        }
        Err(contention(key))
    }

    /// One attempt to put `next` in the place of the session under `key`: an update, or a rotation if its key differs.
    /// After a conflict, waits the longer the more attempts there were.
    pub(super) async fn try_swap(
        &self,
        key: &SessionKey,
        expected: Revision,
        mut next: Record,
        attempt: u32,
    ) -> Result<Swapped> {
        let now = self.policy().now();
        next.set_revision(Revision::fresh());
        let update = if next.key() == key {
            self.0.store.update(&next, expected, now).await?
        } else {
            self.0.store.rotate(key, expected, &next, now).await?
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
        // What stands under this key by now may be the trace of a rotation.
        Ok(if self.is_live(&current, now) { Swapped::Conflict(current) } else { Swapped::Gone })
    }
}

pub(super) fn contention(key: &SessionKey) -> Error {
    Error::new(ErrorKind::Contention, format!("committing session {key}"))
}

/// Lets others go first: a number of turns of the executor that grows with the attempts, and differs between those
/// who wait, lest they all come back at once. There are no timers without a runtime.
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
