//! Whether a history is linearizable: whether each call can be given a moment between its invocation and its return so
//! that, one after another, all of them answer as they did.
//!
//! The search of Wing and Gong (1993) with the memory of Lowe (2017): calls are put in an order one by one, only those that
//! no other call had to come before, and a place (which calls are done, and what stands then) is looked at once. Two things
//! keep it small. A call that can only have looked, and fits, is taken at once: wherever it could come later, it can come now.
//! And every write has a version of its own that never stands again once it was replaced, so a place is given up as soon as
//! a call is left that needs a version that is gone.

use std::collections::HashSet;
use std::hash::Hash;

use super::Call;

/// What calls are checked against.
pub trait Spec {
    /// All that stands, at one moment.
    type State: Clone + Eq + Hash;
    /// An operation and its answer.
    type Event;

    /// What stands after the operation, if it could have been answered so when `state` stood.
    fn step(&self, state: &Self::State, event: &Self::Event) -> Option<Self::State>;
    /// Whether whoever is answered so has changed nothing, whatever stood.
    fn only_looks(&self, event: &Self::Event) -> bool;
    /// The version that has to stand for the operation to be answered so, if it is a certain one.
    fn needs(&self, event: &Self::Event) -> Option<u64>;
    /// The version that the operation made. No two make the same.
    fn makes(&self, event: &Self::Event) -> Option<u64>;
    /// Whether a version stands.
    fn stands(&self, state: &Self::State, version: u64) -> bool;
}

/// What came of looking.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<S> {
    Linearizable,
    /// No order explains it. The longest that was found comes to this state, where none of these calls (their places in the
    /// history that was checked) can be next.
    Refused {
        state: S,
        next: Vec<usize>,
    },
    /// Too many places were looked at: nothing is known, which is no proof.
    GaveUp,
}

/// Looks for an order that explains the calls, from what stood before them; at most at so many places.
pub fn check<S: Spec>(spec: &S, start: S::State, calls: &[Call<S::Event>], places: usize) -> Verdict<S::State> {
    let mut order: Vec<usize> = (0..calls.len()).collect();
    order.sort_by_key(|call| (calls[*call].invoked, calls[*call].returned));
    let mut search =
        Search { spec, calls, order, seen: HashSet::new(), places, deepest: (0, start.clone(), Vec::new()) };
    let done = Done(vec![0; calls.len().div_ceil(64)].into());
    match search.from(done, start) {
        Some(true) => Verdict::Linearizable,
        Some(false) => Verdict::Refused { state: search.deepest.1, next: search.deepest.2 },
        None => Verdict::GaveUp,
    }
}

/// Which calls have been put in order: a bit each.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Done(Box<[u64]>);

impl Done {
    fn has(&self, call: usize) -> bool {
        self.0[call / 64] >> (call % 64) & 1 == 1
    }

    fn with(&self, call: usize) -> Self {
        let mut more = self.clone();
        more.0[call / 64] |= 1 << (call % 64);
        more
    }

    fn count(&self) -> usize {
        self.0.iter().map(|bits| bits.count_ones() as usize).sum()
    }
}

struct Search<'a, S: Spec> {
    spec: &'a S,
    calls: &'a [Call<S::Event>],
    /// The calls by their invocation.
    order: Vec<usize>,
    seen: HashSet<(Done, S::State)>,
    places: usize,
    /// How many calls could be put in order at most, what stood then, and who was next.
    deepest: (usize, S::State, Vec<usize>),
}

impl<S: Spec> Search<'_, S> {
    /// Whether all that is not done can be put in order from here; `None` if it takes too long to find out.
    fn from(&mut self, mut done: Done, state: S::State) -> Option<bool> {
        let mut next = self.next(&done);
        // Who only looks goes first, which may let others be next.
        while let Some(call) = next.iter().find(|call| self.sees(&state, **call)) {
            done = done.with(*call);
            next = self.next(&done);
        }
        if next.is_empty() {
            return Some(true);
        }
        if done.count() >= self.deepest.0 {
            self.deepest = (done.count(), state.clone(), next.clone());
        }
        if self.is_lost(&done, &state) || !self.seen.insert((done.clone(), state.clone())) {
            return Some(false);
        }
        if self.seen.len() > self.places {
            return None;
        }
        // Who returned first probably came first.
        next.sort_by_key(|call| self.calls[*call].returned);
        for call in next {
            if let Some(after) = self.step(&state, call)
                && self.from(done.with(call), after)?
            {
                return Some(true);
            }
        }
        Some(false)
    }

    fn sees(&self, state: &S::State, call: usize) -> bool {
        self.spec.only_looks(&self.calls[call].event) && self.step(state, call).is_some()
    }

    fn step(&self, state: &S::State, call: usize) -> Option<S::State> {
        self.spec.step(state, &self.calls[call].event)
    }

    /// The calls that may be next: those that were invoked before any other had returned.
    fn next(&self, done: &Done) -> Vec<usize> {
        let left = || self.order.iter().copied().filter(|call| !done.has(*call));
        let Some(horizon) = left().map(|call| self.calls[call].returned).min() else { return Vec::new() };
        left().take_while(|call| self.calls[*call].invoked <= horizon).collect()
    }

    /// Whether a call is left that needs a version that is gone, or never was.
    fn is_lost(&self, done: &Done, state: &S::State) -> bool {
        let left =
            || self.order.iter().map(|call| (*call, &self.calls[*call].event)).filter(|(call, _)| !done.has(*call));
        let to_come: HashSet<u64> = left().filter_map(|(_, event)| self.spec.makes(event)).collect();
        let mut needed = left().filter_map(|(_, event)| self.spec.needs(event));
        needed.any(|version| !self.spec.stands(state, version) && !to_come.contains(&version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One register that is written, read, and added to.
    struct Register;

    #[derive(Clone, Copy, Debug)]
    enum Event {
        Write(u64),
        Read(u64),
        /// Compare-and-swap: what was expected, what was written, whether it was.
        Swap(u64, u64, bool),
    }
    use Event::{Read, Swap, Write};

    impl Spec for Register {
        type State = u64;
        type Event = Event;

        fn step(&self, state: &u64, event: &Event) -> Option<u64> {
            match *event {
                Write(value) => Some(value),
                Read(value) => (value == *state).then_some(value),
                Swap(expected, value, true) => (expected == *state).then_some(value),
                Swap(expected, _, false) => (expected != *state).then_some(*state),
            }
        }

        fn only_looks(&self, event: &Event) -> bool {
            matches!(event, Read(_) | Swap(_, _, false))
        }

        fn needs(&self, event: &Event) -> Option<u64> {
            match *event {
                Read(version) | Swap(version, _, true) => Some(version),
                _ => None,
            }
        }

        fn makes(&self, event: &Event) -> Option<u64> {
            match *event {
                Write(version) | Swap(_, version, true) => Some(version),
                _ => None,
            }
        }

        fn stands(&self, state: &u64, version: u64) -> bool {
            *state == version
        }
    }

    fn is_linearizable(calls: &[(u64, u64, Event)]) -> bool {
        let calls: Vec<_> = calls.iter().map(|(invoked, returned, event)| Call {
            event: *event,
            invoked: *invoked,
            returned: *returned,
        });
        match check(&Register, 0, &calls.collect::<Vec<_>>(), 10_000) {
            Verdict::Linearizable => true,
            Verdict::Refused { .. } => false,
            Verdict::GaveUp => panic!("a small history took too long"),
        }
    }

    #[test]
    fn calls_one_after_another_have_to_fit() {
        assert!(is_linearizable(&[(0, 1, Read(0)), (2, 3, Write(1)), (4, 5, Read(1))]));
        assert!(!is_linearizable(&[(0, 1, Write(1)), (2, 3, Read(0))]), "a stale read");
        assert!(!is_linearizable(&[(0, 1, Write(1)), (2, 3, Write(2)), (4, 5, Read(1))]), "a write that came back");
        assert!(!is_linearizable(&[(0, 1, Read(7))]), "a value that nobody wrote");
        assert!(!is_linearizable(&[(0, 1, Read(1)), (2, 3, Write(1))]), "a read of what was yet to come");
    }

    #[test]
    fn calls_at_the_same_time_may_come_in_any_order_but_in_one() {
        assert!(is_linearizable(&[(0, 9, Write(1)), (0, 9, Read(0))]));
        assert!(is_linearizable(&[(0, 9, Write(1)), (0, 9, Read(1))]));
        assert!(is_linearizable(&[(0, 9, Write(1)), (1, 2, Read(0)), (3, 4, Read(1))]));
        assert!(!is_linearizable(&[(0, 9, Write(1)), (1, 2, Read(1)), (3, 4, Read(0))]), "seen, and then not");
        let two_readers = [(0, 9, Write(1)), (0, 9, Write(2)), (1, 2, Read(1)), (3, 4, Read(2))];
        assert!(is_linearizable(&two_readers));
        assert!(!is_linearizable(&[&two_readers[..], &[(5, 6, Read(1))]].concat()));
    }

    #[test]
    fn a_lost_update_is_refused() {
        assert!(is_linearizable(&[(0, 9, Swap(0, 1, true)), (0, 9, Swap(0, 2, false))]));
        assert!(!is_linearizable(&[(0, 9, Swap(0, 1, true)), (0, 9, Swap(0, 2, true))]));
        assert!(!is_linearizable(&[(0, 9, Swap(0, 1, true)), (10, 11, Swap(1, 2, false))]), "refused without a reason");
    }

    #[test]
    fn what_changes_nothing_now_may_have_changed_something_later() {
        assert!(is_linearizable(&[(0, 9, Write(0)), (0, 9, Write(1)), (10, 11, Read(0))]));
    }

    #[test]
    fn a_refusal_says_where_it_is_stuck() {
        let calls = [Write(1), Read(0)];
        let calls = calls.into_iter().zip(0..).map(|(event, n)| Call { event, invoked: 2 * n, returned: 2 * n + 1 });
        let verdict = check(&Register, 0, &calls.collect::<Vec<_>>(), 100);
        assert_eq!(verdict, Verdict::Refused { state: 1, next: vec![1] }, "the write took away what the read needs");
    }

    /// Histories made by carrying calls out one after another and then blurring the times are linearizable by their making;
    /// one of 64 threads is looked through in no time.
    #[test]
    fn a_long_history_of_many_threads_is_looked_through() {
        let mut random = fastrand::Rng::with_seed(1);
        let (mut state, mut calls) = (0, Vec::new());
        for n in 1..2000u64 {
            let event = match random.u8(..4) {
                0 => Write(n),
                1 => Swap(state, n, true),
                2 => Swap(u64::MAX, n, false),
                _ => Read(state),
            };
            state = Register.step(&state, &event).expect("the event was made to fit");
            let (before, after) = (random.u64(..320), random.u64(..320));
            calls.push(Call { event, invoked: (n * 10).saturating_sub(before), returned: n * 10 + after });
        }
        assert_eq!(check(&Register, 0, &calls, 1_000_000), Verdict::Linearizable);
        let Some(read) = calls.iter().rposition(|call| matches!(call.event, Read(_))) else { unreachable!() };
        calls[read].event = Read(u64::MAX);
        assert!(matches!(check(&Register, 0, &calls, 1_000_000), Verdict::Refused { .. }));
    }
}
