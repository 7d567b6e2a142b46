//! What happened in a schedule, in order, as the processes saw it that use the store.

use super::ask::{Answer, Ask};
use super::state::Written;

/// Which life of which process: a killed process's handles do nothing any more.
pub type Life = usize;

/// A call's number in a schedule.
pub type OpId = usize;

/// A call.
#[derive(Clone, Debug)]
pub struct Op {
    pub life: Life,
    pub ask: Ask,
    /// The time it was given.
    pub now: u64,
    /// Whether its process waits for the disk when it saves.
    pub saves_wait: bool,
    /// `None` if it never returned.
    pub answer: Option<Answer>,
}

#[derive(Clone, Copy, Debug)]
pub enum Event {
    Asked(OpId),
    Answered(OpId),
    /// Its future was dropped: it is whole by now, or will never begin.
    Dropped(OpId),
    /// A process has gone, with what it had under way.
    Died(Life),
    /// All processes have gone, and what was not synced may have gone.
    PowerLost,
    /// The disk has refused to keep what was not synced.
    SyncFailed,
    /// A process was told so, and nothing may be written until all have gone.
    Poisoned,
    /// No other process used the directory, and an opener put it in order.
    Recovered,
}

/// See the module.
#[derive(Default)]
pub struct History {
    pub ops: Vec<Op>,
    pub writes: Vec<Written>,
    pub events: Vec<Event>,
    /// Whether the disk may be full at times, so that there is no room for traces.
    pub may_fill_up: bool,
    /// What needs no oracle to be wrong.
    pub wrong: Option<String>,
}

impl History {
    pub fn ask(&mut self, op: Op) -> OpId {
        self.ops.push(op);
        self.events.push(Event::Asked(self.ops.len() - 1));
        self.ops.len() - 1
    }

    pub fn answered(&mut self, op: OpId, answer: Answer) {
        self.ops[op].answer = Some(answer);
        self.events.push(Event::Answered(op));
    }

    /// How many calls were dropped since it was last known what is on the disk. Each doubles what may be there.
    pub fn dropped_of_late(&self) -> usize {
        let is_known = |event: &&Event| match event {
            Event::Answered(op) => {
                let Op { ask, answer, saves_wait, .. } = &self.ops[*op];
                answer.as_ref().is_some_and(|answer| ask.is_durable(answer, *saves_wait))
            }
            Event::Recovered => true,
            _ => false,
        };
        let late = self.events.iter().rev().take_while(|event| !is_known(event));
        late.filter(|event| matches!(event, Event::Dropped(_))).count()
    }

    pub fn wrong(&mut self, why: impl FnOnce() -> String) {
        self.wrong.get_or_insert_with(why);
    }
}
