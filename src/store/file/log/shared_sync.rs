//! One sync for the saves of all processes (rule 26). A sync covers what any process has written before it, so one process
//! syncs, and wakes the others when it is done.
//!
//! Which process syncs, the shared page says. No promise rests on that: a process that waits too long for another's sync makes
//! one itself.

use std::time::Duration;

use crate::model::error::Result;
use crate::store::file::disk::page::Page;
use crate::store::file::format::position::Position;
use crate::store::file::log::segments::Segments;
use crate::store::file::threads::{self, wait};

/// For how long a process waits for another's sync: longer than a disk takes for one. The other process may have died, or be
/// stopped.
const PATIENCE: Duration = Duration::from_millis(50);

/// What the store's thread remembers from one shared sync to the next.
#[derive(Default)]
pub(crate) struct SharedSync {
    /// The number of this process's last one.
    number: u64,
    /// Whether another process has drawn a number since: it saves at the same time.
    has_company: bool,
}

impl SharedSync {
    /// Waits until the log is durable up to where it ends now: by another process's sync, or, if none is under way, by a sync of
    /// this process. `covered` hears of each durable mark that comes before that.
    pub(crate) fn sync(&mut self, segments: &Segments, mut covered: impl FnMut(Position)) -> Result<()> {
        // The saves would wait for ever: a page that cannot be read any more says that nothing is to be synced.
        segments.refuse_if_poisoned()?;
        let Page { syncing, synced, numbers, .. } = segments.page();
        let (tail, mine) = (segments.tail(), numbers.draw());
        self.has_company = std::mem::replace(&mut self.number, mine) + 1 != mine;
        let (mut other, mut before, mut asked) = (None, Position::default(), None);
        loop {
            let durable = segments.durable();
            if durable >= tail {
                return Ok(());
            }
            let Err(now_syncing) = syncing.replace(0, mine) else { break };
            let now = wait::now();
            let same = other.filter(|(number, _)| *number == now_syncing);
            let (_, since) = *other.insert(same.unwrap_or((now_syncing, now)));
            let left = PATIENCE.saturating_sub(now - since);
            if left.is_zero() {
                // From here on the others wait for this process.
                let _ = syncing.replace(now_syncing, mine);
                break;
            }
            if std::mem::replace(&mut before, durable) != durable {
                covered(durable);
            }
            match asked.take() {
                Some(asked) => synced.wait(asked, left),
                // One more look comes after this, for the sync may have ended before.
                None => asked = Some(synced.ask()),
            }
        }
        let outcome = segments.sync();
        // A process that has lost its patience may have put its number here.
        let _ = syncing.replace(mine, 0);
        synced.give();
        outcome
    }

    /// After a sync that other processes shared, lets other threads go first. Saves that were told of it come back meanwhile, here
    /// and there, and the next sync covers them together.
    pub(crate) fn await_the_next_saves(&self) {
        if self.has_company {
            threads::yield_now();
        }
    }
}
