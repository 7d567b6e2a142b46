//! Whether a history is linearizable: whether each call can be given a moment between its invocation and its return so
//! that, one after another, all of them answer as they did.
//!
//! The search of Wing and Gong (1993) with the memory of Lowe (2017): calls are put in an order one by one, only those that
//! no other call had to come before, and a place (which calls are done, and what stands then) is looked at once. Three things
//! keep it small. A call that can only have looked, and fits, is taken at once: wherever it could come later, it can come now.
//! And every write has a version of its own that never stands again once it was replaced, so a place is given up as soon as
//! a call is left that needs a version that is gone. Later versions are higher, which puts the writes in their order.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::call::Call;

/// What calls are checked against.
pub trait Spec {
    /// All that stands, at one moment.
    type State: Clone + Eq + Hash;
    /// An operation and its answer.
    type Event;

    /// What stands after the operation, if it could have been answered so when `state` stood.
    fn step(&self, state: &Self::State, event: &Self::Event) -> Option<Self::State>;
    /// Whether a call that is answered so has changed nothing, whatever stood.
    fn only_looks(&self, event: &Self::Event) -> bool;
    /// The version that has to stand for the operation to be answered so, if it is a certain one.
    fn needs(&self, event: &Self::Event) -> Option<u64>;
    /// The version that the operation made. No two make the same, and a later one is higher.
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

/// Looks for an order that explains the calls, from what stood before them. A search looks at so many places at most, and
/// is not the first one.
pub fn check<S: Spec>(spec: &S, start: S::State, calls: &[Call<S::Event>], places: usize) -> Verdict<S::State> {
    let mut calls: Vec<(usize, &Call<S::Event>)> = calls.iter().enumerate().collect();
    calls.sort_by_key(|(_, call)| (call.invoked, call.returned));
    let calls: Vec<Known<'_, S>> = calls
        .into_iter()
        .map(|(place, call)| Known {
            place,
            call,
            makes: spec.makes(&call.event),
            needs: spec.needs(&call.event).map(|version| (version, None)),
            earliest: call.invoked,
            latest: call.returned,
        })
        .collect();
    let done = Done(vec![0; calls.len().div_ceil(64)].into());
    let deepest = (0, start.clone(), Vec::new());
    let random = fastrand::Rng::with_seed(0);
    let mut search = Search { spec, calls, seen: HashSet::new(), places: FIRST_PLACES, random, whim: 0, deepest };
    search.narrow();
    let makers: HashMap<u64, usize> = (0..).zip(&search.calls).filter_map(|(n, call)| Some((call.makes?, n))).collect();
    for call in &mut search.calls {
        if let Some((version, maker)) = &mut call.needs {
            *maker = makers.get(version).copied();
        }
    }
    loop {
        match search.from(done.clone(), start.clone()) {
            Some(true) => return Verdict::Linearizable,
            Some(false) => {
                let next = search.deepest.2.iter().map(|call| search.calls[*call].place).collect();
                return Verdict::Refused { state: search.deepest.1, next };
            }
            None if search.places >= places => return Verdict::GaveUp,
            None => search.begin_anew(),
        }
    }
}

/// A search that goes astray early goes astray for long: rather than that, it begins anew with other guesses.
const FIRST_PLACES: usize = 1000;

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

/// A call, and what is known of it beforehand.
struct Known<'a, S: Spec> {
    place: usize,
    call: &'a Call<S::Event>,
    /// The version that has to stand, and the call that made it; a version that no call made was there from the
    /// beginning.
    needs: Option<(u64, Option<usize>)>,
    /// The version that it made.
    makes: Option<u64>,
    /// Its moment lies between these.
    earliest: u64,
    latest: u64,
}

struct Search<'a, S: Spec> {
    spec: &'a S,
    /// By their invocation.
    calls: Vec<Known<'a, S>>,
    seen: HashSet<(Done, S::State)>,
    places: usize,
    random: fastrand::Rng,
    /// How far guesses are off, in nanoseconds.
    whim: u64,
    /// How many calls could be put in order at most, what stood then, and which calls were next.
    deepest: (usize, S::State, Vec<usize>),
}

impl<S: Spec> Search<'_, S> {
    fn begin_anew(&mut self) {
        self.seen.clear();
        self.places += self.places / 4;
        self.whim = 1 << self.random.u32(10..26);
    }

    /// A higher version was made later: so what made a version came before all that had to do with higher ones returned, and
    /// after all that made lower ones was invoked.
    fn narrow(&mut self) {
        let version = |call: &Known<'_, S>| call.makes.or(call.needs.map(|(version, _)| version));
        let mut by_version: Vec<(u64, usize)> =
            (0..).zip(&self.calls).filter_map(|(n, call)| Some((version(call)?, n))).collect();
        by_version.sort_unstable();
        let (mut earliest, mut latest) = (0, u64::MAX);
        for (_, call) in by_version.iter().rev() {
            let call = &mut self.calls[*call];
            latest = latest.min(call.call.returned);
            if call.makes.is_some() {
                call.latest = latest;
            }
        }
        for (_, call) in by_version {
            let call = &mut self.calls[call];
            if call.makes.is_some() {
                earliest = earliest.max(call.call.invoked);
                call.earliest = earliest;
            }
        }
        self.calls.sort_by_key(|call| (call.earliest, call.latest));
    }

    /// Whether all that is not done can be put in order from here; `None` if it takes too long to find out.
    fn from(&mut self, mut done: Done, state: S::State) -> Option<bool> {
        let mut next = self.next(&done);
        // A call that only looks goes first, which may let others be next.
        while let Some(call) = next.iter().find(|call| self.sees(&state, **call)) {
            done = done.with(*call);
            next = self.next(&done);
        }
        // No call that comes later may come before this one: some call has to make it possible.
        let Some(urgent) = next.iter().copied().min_by_key(|call| self.calls[*call].latest) else {
            return Some(true);
        };
        if done.count() >= self.deepest.0 {
            self.deepest = (done.count(), state.clone(), next.clone());
        }
        if self.is_lost(&done, &state) || !self.seen.insert((done.clone(), state.clone())) {
            return Some(false);
        }
        if self.seen.len() > self.places {
            return None;
        }
        let steps = next.into_iter().filter_map(|call| {
            let after = self.step(&state, call)?;
            let helps = call == urgent || self.step(&after, urgent).is_some();
            Some((!helps, self.calls[call].latest, call, after))
        });
        let mut steps: Vec<_> = steps.collect();
        if self.whim > 0 {
            steps.iter_mut().for_each(|(hinders, latest, ..)| {
                *hinders ^= self.random.u8(..16) == 0;
                *latest += self.random.u64(..self.whim);
            });
        }
        steps.sort_by_key(|(hinders, latest, ..)| (*hinders, *latest));
        for (_, _, call, after) in steps {
            if self.from(done.with(call), after)? {
                return Some(true);
            }
        }
        Some(false)
    }

    fn sees(&self, state: &S::State, call: usize) -> bool {
        self.spec.only_looks(&self.calls[call].call.event) && self.step(state, call).is_some()
    }

    fn step(&self, state: &S::State, call: usize) -> Option<S::State> {
        self.spec.step(state, &self.calls[call].call.event)
    }

    fn left(&self, done: &Done) -> impl Iterator<Item = (usize, &Known<'_, S>)> {
        (0..).zip(&self.calls).filter(|(call, _)| !done.has(*call))
    }

    /// The calls that may be next: those that were invoked before any other had returned.
    fn next(&self, done: &Done) -> Vec<usize> {
        let Some(horizon) = self.left(done).map(|(_, call)| call.latest).min() else { return Vec::new() };
        let version = self.left(done).filter_map(|(_, call)| call.makes).min();
        let next = self.left(done).take_while(|(_, call)| call.earliest <= horizon);
        next.filter(|(_, call)| call.makes.is_none() || call.makes == version).map(|(call, _)| call).collect()
    }

    /// Whether a call is left that needs a version that is gone, or never was.
    fn is_lost(&self, done: &Done, state: &S::State) -> bool {
        let mut needed = self.left(done).filter_map(|(_, call)| call.needs);
        needed.any(|(version, maker)| maker.is_none_or(|maker| done.has(maker)) && !self.spec.stands(state, version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One register; 0 is nothing.
    struct Register;

    #[derive(Clone, Copy, Debug)]
    enum Event {
        Write(u64),
        Erase,
        Read(u64),
        /// Compare-and-swap: what was expected, what was written, whether it was.
        Swap(u64, u64, bool),
    }
    use Event::{Erase, Read, Swap, Write};

    impl Spec for Register {
        type State = u64;
        type Event = Event;

        fn step(&self, state: &u64, event: &Event) -> Option<u64> {
            match *event {
                Write(value) => Some(value),
                Erase => Some(0),
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
                Read(version) | Swap(version, _, true) if version > 0 => Some(version),
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
        let calls = calls.iter().map(|(invoked, returned, event)| Call {
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
        assert!(!is_linearizable(&[(0, 1, Read(7))]), "a value that no call wrote");
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
        assert!(is_linearizable(&[(0, 9, Erase), (0, 9, Write(1)), (10, 11, Read(0))]));
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
