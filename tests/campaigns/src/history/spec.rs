//! The model as the search for an order needs it: operations and answers that can be written down, sessions with all that a
//! load shows of them, and which revision each answer needs, makes or rules out.
//!
//! The answers are exact: what a load shows, which write stood in the way, whether a touch found a session.

use std::time::Duration;

use cloakroom::{BeyondLimit, OwnerLimit, Swept, Timestamp};
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::checker;
use crate::left::Left;
use crate::support::model::{Model, Notation, Outcome, Refusal, Standing};

/// Which session of its group: the array's index.
pub type Key = u8;

/// A point in time, in milliseconds; and a length of time.
pub type Millis = u64;

/// A session as it stands, and as a load shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Slot {
    pub put: Put,
    pub revision: u64,
}

/// A session as it is handed to the store. No two writes have the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Put {
    pub write: u64,
    pub last_seen: Millis,
    pub idle: Option<Millis>,
    pub absolute: Option<Millis>,
    /// Whether it is the session of the group's owner, or of no owner.
    pub owned: bool,
}

/// The model notes whole slots. The one owner of a group has no name.
struct Slots;

impl Notation for Slots {
    type Session = Slot;
    type Revision = u64;
    type Owner = ();
    type Trace = Left;

    fn revision(&self, slot: &Slot) -> u64 {
        slot.revision
    }

    fn owner(&self, slot: &Slot) -> Option<()> {
        slot.put.owned.then_some(())
    }

    fn last_seen(&self, slot: &Slot) -> Timestamp {
        Timestamp::from_millis(slot.put.last_seen)
    }

    fn ends_at(&self, slot: &Slot) -> Timestamp {
        let idle = slot.put.idle.map_or(Millis::MAX, |idle| slot.put.last_seen + idle);
        Timestamp::from_millis(idle.min(slot.put.absolute.unwrap_or(Millis::MAX)))
    }

    fn see(&self, slot: &mut Slot, at: Timestamp) {
        slot.put.last_seen = slot.put.last_seen.max(at.as_millis());
    }

    fn over_at(&self, trace: &Left) -> Timestamp {
        trace.over_at()
    }

    fn join(&self, older: &Left, newer: &Left) -> Left {
        older.join(newer)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// A login leaves a trace under another key.
    Create {
        key: Key,
        put: Put,
        trace: Option<(Key, Left)>,
        now: Millis,
    },
    Find {
        key: Key,
        now: Millis,
    },
    Update {
        key: Key,
        put: Put,
        expected: u64,
        now: Millis,
    },
    Touch {
        key: Key,
        now: Millis,
    },
    Rotate {
        old: Key,
        key: Key,
        put: Put,
        expected: u64,
        trace: Option<Left>,
        now: Millis,
    },
    Destroy {
        key: Key,
        trace: Option<Left>,
    },
    DestroyOwned {
        except: Option<Key>,
    },
    Sweep {
        now: Millis,
        budget: usize,
    },
    Count {
        now: Millis,
    },
    Clear,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// A create, an update or a rotation was stored, with this revision.
    Stored(u64),
    KeyTaken,
    OwnerLimit,
    Conflict(Slot),
    Gone,
    Found(Option<Stands>),
    Touched(bool),
    Done,
    Counted(u64),
    Swept {
        removed: u64,
        more: bool,
    },
    /// It was done; what was answered counts the sessions of other groups as well.
    NotOnlyHere,
}

/// An operation and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub op: Op,
    pub answer: Answer,
}

impl Event {
    /// What happened, in a word or two.
    pub fn name(&self) -> &'static str {
        match (self.op, self.answer) {
            (Op::Create { .. }, Answer::Stored(_)) => "created",
            (Op::Rotate { .. }, Answer::Stored(_)) => "rotated",
            (_, Answer::Stored(_)) => "updated",
            (_, Answer::KeyTaken) => "key taken",
            (_, Answer::OwnerLimit) => "owner limit",
            (_, Answer::Conflict(_)) => "conflict",
            (_, Answer::Gone) => "gone",
            (_, Answer::Found(Some(Standing::Session(_)))) => "found",
            (_, Answer::Found(Some(Standing::Trace(_)))) => "trace found",
            (_, Answer::Found(None)) => "not found",
            (_, Answer::Touched(true)) => "touched",
            (_, Answer::Touched(false)) => "not touched",
            (Op::Count { .. }, _) => "counted",
            (_, Answer::Counted(0)) => "none destroyed",
            (Op::DestroyOwned { .. }, Answer::Counted(1)) => "one destroyed",
            (Op::DestroyOwned { .. }, _) => "several destroyed",
            (Op::Sweep { .. }, Answer::Swept { removed: 0, .. }) => "none swept",
            (Op::Sweep { .. }, _) => "swept",
            (Op::Clear, _) => "cleared",
            _ => "destroyed",
        }
    }
}

impl Call<Event> {
    pub fn told(&self) -> String {
        let Event { op, answer } = self.event;
        format!("{}..{}: {op:?} -> {answer:?}", self.invoked, self.returned)
    }
}

/// What stands under a key of a group.
pub type Stands = Standing<Slot, Left>;

/// What stands in a group: its sessions, and what is left of some.
pub type Sessions = Vec<Option<Stands>>;

/// The rules that a store was opened with.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Rules {
    /// How many live sessions the owner may have, and whether one too many is refused (else the oldest ends).
    pub per_owner: Option<(usize, bool)>,
}

impl Rules {
    /// The same rules as the store's option.
    pub fn limit(&self) -> Option<OwnerLimit> {
        let (sessions, refuse) = self.per_owner?;
        let beyond = if refuse { BeyondLimit::Refuse } else { BeyondLimit::EndOldest };
        Some(OwnerLimit::new(sessions, beyond))
    }

    /// Carries out an operation. A write that is stored gets this revision.
    pub fn carry_out(&self, sessions: &mut Sessions, op: &Op, revision: u64) -> Answer {
        let swept_behind = Duration::from_secs(5 * 60);
        let model = Model { notation: &Slots, per_owner: self.limit(), swept_behind, leaves_traces: true };
        let at = Timestamp::from_millis;
        let stored = |outcome: Outcome<Slots>| match outcome {
            Ok(()) => Answer::Stored(revision),
            Err(Refusal::KeyTaken) => Answer::KeyTaken,
            Err(Refusal::OwnerLimit) => Answer::OwnerLimit,
            Err(Refusal::Conflict(current)) => Answer::Conflict(current),
            Err(Refusal::Gone) => Answer::Gone,
        };
        match *op {
            Op::Find { key, now } => Answer::Found(model.find(sessions, key.into(), at(now)).copied()),
            Op::Create { key, put, trace, now } => {
                let traces: Vec<(usize, Left)> = trace.into_iter().map(|(key, left)| (key.into(), left)).collect();
                stored(model.create(sessions, key.into(), Slot { put, revision }, &traces, at(now)))
            }
            Op::Update { key, put, expected, now } => {
                stored(model.update(sessions, key.into(), &expected, Slot { put, revision }, at(now)))
            }
            Op::Rotate { old, key, put, expected, trace, now } => {
                let slot = Slot { put, revision };
                stored(model.rotate(sessions, old.into(), &expected, key.into(), slot, trace.as_ref(), at(now)))
            }
            Op::Touch { key, now } => Answer::Touched(model.touch(sessions, key.into(), at(now))),
            Op::Destroy { key, trace } => Answer::Counted(model.destroy(sessions, key.into(), trace.as_ref()).into()),
            Op::DestroyOwned { except } => {
                Answer::Counted(model.destroy_owned_by(sessions, &(), except.map(usize::from)))
            }
            Op::Sweep { now, budget } => {
                let Swept { removed, more, .. } = model.sweep(sessions, at(now), budget);
                Answer::Swept { removed, more }
            }
            Op::Count { now } => Answer::Counted(model.count(sessions, at(now))),
            Op::Clear => {
                model.clear(sessions);
                Answer::Done
            }
        }
    }
}

impl checker::Spec for Rules {
    type State = Sessions;
    type Event = Event;

    fn step(&self, sessions: &Sessions, Event { op, answer }: &Event) -> Option<Sessions> {
        let revision = if let Answer::Stored(revision) = answer { *revision } else { 0 };
        let mut after = sessions.clone();
        let expected = self.carry_out(&mut after, op, revision);
        (*answer == expected || *answer == Answer::NotOnlyHere).then_some(after)
    }

    fn only_looks(&self, Event { op, answer }: &Event) -> bool {
        match answer {
            Answer::KeyTaken | Answer::OwnerLimit | Answer::Conflict(_) | Answer::Gone | Answer::Found(_) => true,
            Answer::Touched(touched) => !touched,
            Answer::Counted(count) => *count == 0 || matches!(op, Op::Count { .. }),
            Answer::NotOnlyHere => matches!(op, Op::Count { .. }),
            // Traces that a sweep removes are in no answer.
            Answer::Stored(_) | Answer::Swept { .. } | Answer::Done => false,
        }
    }

    fn needs(&self, Event { op, answer }: &Event) -> Option<u64> {
        match (op, answer) {
            (_, Answer::Found(Some(Standing::Session(slot))) | Answer::Conflict(slot)) => Some(slot.revision),
            (Op::Update { expected, .. } | Op::Rotate { expected, .. }, Answer::Stored(_)) => Some(*expected),
            _ => None,
        }
    }

    fn makes(&self, Event { answer, .. }: &Event) -> Option<u64> {
        if let Answer::Stored(revision) = answer { Some(*revision) } else { None }
    }

    fn stands(&self, sessions: &Sessions, version: u64) -> bool {
        sessions.iter().flatten().filter_map(Standing::session).any(|slot| slot.revision == version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Verdict, check};

    fn put(write: u64) -> Put {
        Put { write, last_seen: 0, idle: Some(100), absolute: None, owned: true }
    }

    fn slot(write: u64) -> Slot {
        Slot { put: put(write), revision: write }
    }

    fn found(slot: Slot) -> Answer {
        Answer::Found(Some(Standing::Session(slot)))
    }

    const NOTHING: Answer = Answer::Found(None);

    /// Two sessions, of which the first stands with revision 1; each event with its times.
    fn verdict(calls: &[(u64, u64, Op, Answer)]) -> Verdict<Sessions> {
        let calls = calls.iter().map(|(invoked, returned, op, answer)| Call {
            event: Event { op: *op, answer: *answer },
            invoked: *invoked,
            returned: *returned,
        });
        check(&Rules::default(), vec![Some(Standing::Session(slot(1))), None], &calls.collect::<Vec<_>>(), 10_000)
    }

    fn fits(calls: &[(u64, u64, Op, Answer)]) -> bool {
        verdict(calls) == Verdict::Linearizable
    }

    const FIND: Op = Op::Find { key: 0, now: 0 };
    const DESTROY: Op = Op::Destroy { key: 0, trace: None };

    fn update(write: u64, expected: u64) -> Op {
        Op::Update { key: 0, put: put(write), expected, now: 0 }
    }

    fn rotate(write: u64) -> Op {
        Op::Rotate { old: 0, key: 1, put: put(write), expected: 1, trace: None, now: 0 }
    }

    #[test]
    fn a_save_and_a_destroy_at_the_same_time_leave_nothing() {
        let gone = (20, 21, FIND, NOTHING);
        let back = (20, 21, FIND, found(slot(2)));
        let destroy = (0, 9, DESTROY, Answer::Counted(1));
        assert!(fits(&[(0, 9, update(2, 1), Answer::Stored(2)), destroy, gone]));
        assert!(fits(&[(0, 9, update(2, 1), Answer::Gone), destroy, gone]));
        assert!(!fits(&[(0, 9, update(2, 1), Answer::Stored(2)), destroy, back]), "the destroyed is back");
        assert!(!fits(&[(10, 11, update(2, 1), Answer::Stored(2)), destroy, gone]), "saved after it was destroyed");
    }

    #[test]
    fn a_lost_update_and_two_rotations_of_one_session_are_refused() {
        assert!(!fits(&[(0, 9, update(2, 1), Answer::Stored(2)), (0, 9, update(3, 1), Answer::Stored(3))]));
        assert!(fits(&[(0, 9, update(2, 1), Answer::Stored(2)), (0, 9, update(3, 1), Answer::Conflict(slot(2)))]));
        assert!(!fits(&[(0, 9, rotate(2), Answer::Stored(2)), (0, 9, rotate(3), Answer::Stored(3))]));
    }

    #[test]
    fn a_rotation_is_seen_in_both_places_or_in_none() {
        let new = Op::Find { key: 1, now: 0 };
        let rotated = (0, 9, rotate(2), Answer::Stored(2));
        assert!(fits(&[rotated, (1, 2, FIND, found(slot(1))), (3, 4, new, found(slot(2)))]));
        assert!(!fits(&[rotated, (1, 2, FIND, NOTHING), (3, 4, new, NOTHING)]), "gone here, and not yet there");
        assert!(!fits(&[rotated, (1, 2, new, found(slot(2))), (3, 4, FIND, found(slot(1)))]), "there, and still here");
    }

    #[test]
    fn the_trace_of_a_rotation_stands_from_the_same_moment_on_and_a_sweep_of_no_session_may_take_it() {
        let left = Left::moved(1, 50);
        let rotate = Op::Rotate { old: 0, key: 1, put: put(2), expected: 1, trace: Some(left), now: 0 };
        let rotated = (0, 9, rotate, Answer::Stored(2));
        let trace = Answer::Found(Some(Standing::Trace(left)));
        let new = Op::Find { key: 1, now: 0 };
        assert!(fits(&[rotated, (10, 11, FIND, trace)]));
        assert!(!fits(&[rotated, (10, 11, FIND, NOTHING)]), "without its trace");
        assert!(!fits(&[rotated, (1, 2, FIND, trace), (3, 4, new, NOTHING)]), "the trace came first");
        assert!(!fits(&[rotated, (1, 2, new, found(slot(2))), (3, 4, FIND, found(slot(1)))]), "the trace came later");
        let sweep = |now| (10, 11, Op::Sweep { now, budget: 9 }, Answer::Swept { removed: 0, more: false });
        assert!(fits(&[rotated, sweep(50), (12, 13, FIND, NOTHING)]));
        assert!(!fits(&[rotated, sweep(49), (12, 13, FIND, NOTHING)]), "swept before its end");
        assert!(!fits(&[rotated, sweep(50), (12, 13, FIND, trace)]), "not swept");
    }

    #[test]
    fn a_touch_revives_nothing_and_what_it_said_counts() {
        let touch = |now| Op::Touch { key: 0, now };
        let sweep = |now| Op::Sweep { now, budget: 9 };
        let (none, one) = (Answer::Swept { removed: 0, more: false }, Answer::Swept { removed: 1, more: false });
        assert!(fits(&[(0, 9, touch(99), Answer::Touched(true)), (0, 9, sweep(100), none)]));
        assert!(fits(&[(0, 9, touch(99), Answer::Touched(false)), (0, 9, sweep(100), one)]));
        assert!(!fits(&[(0, 9, touch(99), Answer::Touched(true)), (10, 11, sweep(100), one)]), "touched for nothing");
        assert!(!fits(&[(0, 9, touch(99), Answer::Touched(false))]), "touched in vain, and it stands");
        assert!(!fits(&[(0, 9, touch(100), Answer::Touched(true))]), "the expired is back");
        let moved = Slot { put: Put { last_seen: 50, ..put(1) }, revision: 1 };
        assert!(!fits(&[(0, 1, touch(50), Answer::Touched(true)), (2, 3, FIND, found(slot(1)))]));
        assert!(fits(&[(0, 1, touch(50), Answer::Touched(true)), (2, 3, FIND, found(moved))]));
    }

    #[test]
    fn a_create_takes_a_free_key_and_the_owners_last_session_goes_beyond_the_limit() {
        let create = |write| Op::Create { key: 1, put: put(write), trace: None, now: 0 };
        assert!(!fits(&[(0, 9, create(2), Answer::Stored(2)), (0, 9, create(3), Answer::Stored(3))]));
        assert!(fits(&[(0, 9, create(2), Answer::Stored(2)), (0, 9, create(3), Answer::KeyTaken)]));
        let mut sessions = vec![Some(Standing::Session(slot(1))), None];
        let refuse = Rules { per_owner: Some((1, true)) };
        assert_eq!(refuse.carry_out(&mut sessions, &create(2), 2), Answer::OwnerLimit);
        let end = Rules { per_owner: Some((1, false)) };
        assert_eq!(end.carry_out(&mut sessions, &create(2), 2), Answer::Stored(2));
        assert_eq!(sessions, [None, Some(Standing::Session(slot(2)))]);
    }
}
