//! How far the deadlines that a store has are brought down to today's policy: which sessions are left, and when to look for more.
//! What is done with them is in [`sweeping`](super::sweeping).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::key::SessionKey;
use crate::model::time::Timestamp;

/// When to look again where sessions with later deadlines were found: a process of the earlier deploy may still make some.
const AGAIN: Duration = Duration::from_secs(60 * 60);

pub(super) struct Lowering(Mutex<Progress>);

struct Progress {
    /// The sessions that were found with later deadlines and are not brought down yet.
    left: Vec<SessionKey>,
    /// When to look for such sessions; `None` once there were none.
    next: Option<Timestamp>,
}

impl Lowering {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Progress { left: Vec::new(), next: Some(Timestamp::EPOCH) }))
    }

    /// Whether to look for sessions with later deadlines. If so, the caller does, and nobody else until later.
    pub(super) fn begins(&self, now: Timestamp) -> bool {
        let mut progress = self.lock();
        let begins = progress.left.is_empty() && progress.next.is_some_and(|next| next <= now);
        if begins {
            progress.next = Some(now.plus(AGAIN));
        }
        begins
    }

    /// Adds what was found. `is_all`: whether nothing kept any session from being looked at.
    pub(super) fn found(&self, keys: Vec<SessionKey>, is_all: bool) {
        let mut progress = self.lock();
        if keys.is_empty() && is_all {
            progress.next = None;
        }
        progress.left.extend(keys);
    }

    /// Takes out so many of those that are left.
    pub(super) fn take(&self, budget: usize) -> Vec<SessionKey> {
        let left = &mut self.lock().left;
        left.split_off(left.len().saturating_sub(budget))
    }

    pub(super) fn put_back(&self, keys: &[SessionKey]) {
        self.lock().left.extend(keys);
    }

    pub(super) fn is_done(&self) -> bool {
        self.lock().left.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
