//! One sync for the saves of all processes (rule 26). A sync covers what any process has written before it, so one process
//! syncs, and the others watch the durable mark.
//!
//! Which process syncs, the shared page says. No promise rests on that: a process that waits too long for another's sync makes
//! one itself.

use std::time::Duration;

use crate::model::error::Result;
use crate::store::file::format::position::Position;
use crate::store::file::log::segments::Segments;
use crate::store::file::threads::wait::{self, FIRST_PAUSE};

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
    /// How long this process's last sync took.
    took: Duration,
}

impl SharedSync {
    /// Waits until the log is durable up to where it ends now: by another process's sync, or, if none is under way, by a sync of
    /// this process. `covered` hears of each durable mark that comes before that.
    pub(crate) fn sync(&mut self, segments: &Segments, mut covered: impl FnMut(Position)) -> Result<()> {
        let (tail, syncing, mine) = (segments.tail(), &segments.page().syncing, segments.page().numbers.draw());
        self.has_company = std::mem::replace(&mut self.number, mine) + 1 != mine;
        let (mut other, mut waited, mut before) = (0, Duration::ZERO, Position::default());
        // A look takes a good part of a short sync's time. So the first comes when the sync may be over, and few come after it.
        let mut pause = self.took / 2;
        loop {
            let durable = segments.durable();
            if durable >= tail {
                return Ok(());
            }
            match syncing.replace(0, mine) {
                Ok(()) => break,
                Err(now_syncing) if now_syncing != other => (other, waited) = (now_syncing, Duration::ZERO),
                Err(_) if waited >= PATIENCE => {
                    // From here on the others wait for this process.
                    let _ = syncing.replace(other, mine);
                    break;
                }
                Err(_) => {}
            }
            if std::mem::replace(&mut before, durable) != durable {
                covered(durable);
            }
            pause = pause.clamp(FIRST_PAUSE, PATIENCE);
            wait::sleep(pause);
            waited += pause;
            pause = waited / 4;
        }
        let begun = wait::now();
        let outcome = segments.sync();
        self.took = wait::now() - begun;
        // A process that has lost its patience may have put its number here.
        let _ = syncing.replace(mine, 0);
        outcome
    }

    /// After a sync that other processes shared, rests for a moment. Saves that were told of it come back meanwhile, here and
    /// there, and the next sync covers them together.
    pub(crate) fn await_the_next_saves(&self) {
        if self.has_company {
            wait::sleep(FIRST_PAUSE);
        }
    }
}
