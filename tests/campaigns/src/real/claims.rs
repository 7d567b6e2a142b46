//! What the parent knows of the lanes, from what they said; compared with what a store has.
//!
//! The log is one sequence, so what is found of a lane must be what it had after one of its operations: after the last that
//! it was told is done, or, where a power loss may cost what was not waited for, after an earlier one, but none before the
//! last that was acknowledged as durable. An operation that was begun and not acknowledged may be there, whole.

use std::collections::BTreeMap;

use cloakroom::{Durability, FileStore, Store as _};

use super::found;
use super::op::{Holdings, LANES, Name, Op};
use super::said::Said;
use crate::run::Failure;
use crate::support::block_on;

/// What must be there of what was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owed {
    /// All of it: processes were killed, and the machine went on.
    Acknowledged,
    /// What was acknowledged as durable, and all before it: the machine lost power.
    Durable,
}

struct Lane {
    durability: Durability,
    /// What it had when it was looked at last.
    before: Holdings,
    /// What it did since.
    ops: Vec<(Op, Fate)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Whether it was done is not known; if at all, then whole.
    Begun,
    Done,
    /// Seen, and not acknowledged.
    Visible,
}

/// See the module.
pub struct Claims {
    lanes: Vec<Lane>,
    newest_name: Name,
}

impl Default for Claims {
    fn default() -> Self {
        let lane = || Lane { durability: Durability::Always, before: Holdings::default(), ops: Vec::new() };
        Self { lanes: std::iter::repeat_with(lane).take(LANES).collect(), newest_name: 0 }
    }
}

impl Claims {
    /// A worker with these lanes begins.
    pub fn begin(&mut self, lanes: &[u32], durability: Durability) {
        for lane in lanes {
            self.lanes[*lane as usize].durability = durability;
        }
    }

    /// The first name that no lane has used.
    pub fn unused_name(&self) -> Name {
        self.newest_name + 1
    }

    /// Takes note of what a worker said.
    pub fn note(&mut self, said: &Said) -> Result<(), Failure> {
        match said {
            Said::Begun { lane, op } => {
                self.newest_name = self.newest_name.max(op.name().unwrap_or(0));
                self.lanes[*lane as usize].ops.push((op.clone(), Fate::Begun));
            }
            Said::Done { lane } => self.last(*lane)?.1 = Fate::Done,
            Said::Visible { lane, .. } => self.last(*lane)?.1 = Fate::Visible,
            Said::NotDone { lane, .. } => {
                self.last(*lane)?;
                self.lanes[*lane as usize].ops.pop();
            }
            Said::Broken { what } => return Err(what.clone()),
            _ => {}
        }
        Ok(())
    }

    /// The same of what was said when the power had gone already, or a disk had begun to lie: an acknowledgement says nothing.
    /// A sync that is under way while a file system is shut down may well report success.
    pub fn note_too_late(&mut self, said: &Said) -> Result<(), Failure> {
        match said {
            Said::Done { lane } => self.last(*lane)?.1 = Fate::Visible,
            said => self.note(said)?,
        }
        Ok(())
    }

    fn last(&mut self, lane: u32) -> Result<&mut (Op, Fate), Failure> {
        let last = self.lanes[lane as usize].ops.last_mut().filter(|(_, fate)| *fate == Fate::Begun);
        last.ok_or_else(|| format!("lane {lane} has ended what it never began"))
    }

    /// Compares what a store has of these lanes, which are at rest, with what they said; from here on what was found is
    /// what they have.
    pub fn check(&mut self, store: &FileStore, lanes: &[u32], owed: Owed) -> Result<(), Failure> {
        // The next writer carries on what the dead had written and not published. Until then it may go either way.
        block_on(store.destroy(&found::unused_key(), None))
            .map_err(|error| format!("nothing can be written: {error}"))?;
        let mut all = found::all(store)?;
        for lane in lanes {
            for name in self.lanes[*lane as usize].left() {
                let trace = found::trace(store, *lane, name)?;
                all.entry(*lane).or_default().traces.extend(trace.map(|trace| (name, trace)));
            }
        }
        self.compare(all, lanes, owed)?;
        match &store.damage()[..] {
            // A write that was torn at the log's end, by the power or by a kill, is set aside and reported by the opener that recovers.
            [] | [_] => Ok(()),
            [_, damage, ..] => Err(format!("damage was found where there is none: {damage:?}")),
        }
    }

    /// The same of what was read already.
    pub fn compare(&mut self, mut all: BTreeMap<u32, Holdings>, lanes: &[u32], owed: Owed) -> Result<(), Failure> {
        for lane in lanes {
            let found = all.remove(lane).unwrap_or_default();
            self.lanes[*lane as usize].settle(found, owed).map_err(|what| format!("lane {lane}, {what}"))?;
        }
        match all.keys().find(|lane| **lane as usize >= LANES) {
            None => Ok(()),
            Some(lane) => Err(format!("there are sessions of lane {lane}, which does not exist")),
        }
    }
}

/// So many of the traces that were found are looked for again.
const TRACES: usize = 16;

impl Lane {
    /// The names under which there may be traces.
    fn left(&self) -> Vec<Name> {
        self.before.traces.keys().copied().chain(self.ops.iter().filter_map(|(op, _)| op.leaves())).collect()
    }

    fn settle(&mut self, found: Holdings, owed: Owed) -> Result<(), Failure> {
        let is_owed = |(op, fate): &(Op, Fate)| {
            *fate == Fate::Done && (owed == Owed::Acknowledged || op.is_durable(self.durability))
        };
        let least = self.ops.iter().rposition(is_owed).map_or(0, |last| last + 1);
        // What it may have had: one that was killed in the middle of an operation has left it done or not, and the next
        // has gone on from there.
        let mut expected = vec![self.before.clone()];
        let mut difference = None;
        for after in 0..=self.ops.len() {
            if after >= least {
                if expected.contains(&found) {
                    self.before = found;
                    while self.before.traces.len() > TRACES {
                        self.before.traces.pop_first();
                    }
                    self.ops.clear();
                    return Ok(());
                }
                difference.get_or_insert_with(|| differ(&expected[0], &found));
            }
            let Some((op, fate)) = self.ops.get(after) else { break };
            let without = if *fate == Fate::Begun { expected.clone() } else { Vec::new() };
            expected.iter_mut().for_each(|holdings| op.apply(holdings));
            expected.extend(without);
            expected.dedup();
        }
        let unsure = &self.ops[least..];
        let last = least.checked_sub(1).map(|last| &self.ops[last].0);
        Err(format!(
            "{:?}: after {last:?}, the last that is owed of {}, {}; begun since: {unsure:?}",
            self.durability,
            self.ops.len(),
            difference.unwrap_or_default()
        ))
    }
}

/// How they differ, in words.
fn differ(expected: &Holdings, found: &Holdings) -> String {
    let mut words = Vec::new();
    for (name, held) in &expected.sessions {
        match found.sessions.get(name) {
            None => words.push(format!("session {name} is lost")),
            Some(other) if other != held => words.push(format!("session {name} is {other:?} instead of {held:?}")),
            Some(_) => {}
        }
    }
    for (name, held) in found.sessions.iter().filter(|(name, _)| !expected.sessions.contains_key(name)) {
        words.push(format!("session {name} is there ({held:?})"));
    }
    if expected.traces != found.traces {
        words.push(format!("the traces are {:?} instead of {:?}", found.traces, expected.traces));
    }
    if expected.counts != found.counts {
        words.push(format!("the counters say {:?} instead of {:?}", found.counts, expected.counts));
    }
    words.join(", ")
}
