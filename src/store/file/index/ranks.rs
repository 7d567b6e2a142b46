//! Sessions of one owner in the order in which they end, and in the order in which they were last seen: the orders by which
//! a limit on an owner's sessions decides.
//!
//! Both are kept exactly and at once, for which sessions end follows from them, and every process must find the same.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::model::key::SessionKey;
use crate::model::lifetime::Expiry;
use crate::model::time::Timestamp;

/// A session's place in one of the orders.
pub(crate) type Rank = (Timestamp, SessionKey);

/// An order of sessions.
#[derive(Clone, Copy)]
pub(crate) enum Order {
    /// By the end, and then by the key.
    End,
    /// By the time at which they were last seen, and then by the key.
    Seen,
}

impl Order {
    pub(crate) const ALL: [Self; 2] = [Self::End, Self::Seen];

    pub(crate) fn place(self, key: &SessionKey, expiry: &Expiry) -> Rank {
        let at = match self {
            Self::End => expiry.ends_at(),
            Self::Seen => expiry.last_seen(),
        };
        (at, *key)
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Ranks([BTreeSet<Rank>; 2]);

impl Ranks {
    pub(crate) fn insert(&mut self, key: &SessionKey, expiry: &Expiry) {
        for order in Order::ALL {
            self.0[order as usize].insert(order.place(key, expiry));
        }
    }

    /// Takes out a session that was added with these deadlines.
    pub(crate) fn remove(&mut self, key: &SessionKey, expiry: &Expiry) {
        for order in Order::ALL {
            let stood = self.0[order as usize].remove(&order.place(key, expiry));
            debug_assert!(stood, "a session leaves with the deadlines that it has");
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0[0].len()
    }

    /// The sessions in an order, those after this place.
    pub(crate) fn after(&self, order: Order, place: Option<Rank>) -> impl Iterator<Item = Rank> {
        let after = place.map_or(Bound::Unbounded, Bound::Excluded);
        self.0[order as usize].range((after, Bound::Unbounded)).copied()
    }
}

#[cfg(test)]
thread_local! {
    /// How many sessions this thread has looked at in an order.
    pub(crate) static LOOKS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

pub(crate) fn looked_at(_place: &Rank) {
    #[cfg(test)]
    LOOKS.with(|looks| looks.set(looks.get() + 1));
}
