//! `corrupt`: damage to the files of a store, everywhere and of every kind, while no process uses it.
//!
//! Injects, one a case: every bit of every segment flipped (one of each byte in a pass of the list), every truncation,
//! zeros instead of the end, missing, swapped and duplicated segments, headers lost, blocks of 512 bytes and 4 KiB swapped,
//! zeroed, overwritten with noise or with the store's own frames, frames copied over others, heads that promise absurd
//! lengths, garbage beyond the end; over a store of small segments with frames of every kind that was closed, one that was
//! killed, and one of a single segment. And, on real files, the same for every other kind of file.
//!
//! The same beside all hints, beside some and without any; and every bit of every hint flipped, every truncation, noise, and
//! one in the place of another.
//!
//! Checks promises 2 and 4 after each: opening succeeds (or is a typed error where no header is left, and changes nothing);
//! each session is exactly what [`model`] says: what was hit is an error or absent, what follows is there, nothing older is
//! served but where a frame was hit that could not tell its key, and that place is reported; the unsynced end is in the
//! quarantine; memory and time are bounded; the store goes on, closes, and opens again with the same content and no new loss.
//!
//! Here stands what damages files and what knows the log's bytes on its own. What a crash leaves is `simulate`'s, and never here.

mod case;
mod corruption;
mod log;
mod model;
mod other_files;
mod store;
mod unreadable;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::run::{Campaign, CannotRun, Run};

use case::Case;
use corruption::Corruption;
use store::{Left, Stores};

/// A case's seed is the store's number in its upper and the corruption's in its lower bits.
const CORRUPTIONS: u64 = 1 << 22;

/// The list of what the stores of one seed are put through.
struct List {
    stores: Stores,
    corruptions: Vec<(Which, Corruption)>,
    others: u64,
}

#[derive(Clone, Copy)]
enum Which {
    Closed,
    Killed,
    Young,
}

impl List {
    fn of(seed: u64) -> Self {
        let stores = Stores::from_seed(seed);
        let mut corruptions = Vec::new();
        let pairs = [
            (Which::Closed, &stores.closed, &stores.closed),
            // Only what is not the same in the closed one.
            (Which::Killed, &stores.killed, &stores.closed),
            (Which::Young, &stores.young, &stores.young),
        ];
        for (which, left, twin) in pairs {
            corruptions.extend(corruption::all(left, twin).into_iter().map(|corruption| (which, corruption)));
        }
        Self { stores, corruptions, others: other_files::CASES }
    }

    fn left(&self, which: Which) -> &Left {
        match which {
            Which::Closed => &self.stores.closed,
            Which::Killed => &self.stores.killed,
            Which::Young => &self.stores.young,
        }
    }

    fn cases(&self) -> u64 {
        self.corruptions.len() as u64 + self.others
    }

    fn run(&self, seed: u64) -> Result<(), String> {
        let number = seed % CORRUPTIONS;
        let (pass, at) = (number / self.cases(), number % self.cases());
        let mut random = fastrand::Rng::with_seed(seed);
        let Some((which, corruption)) = self.corruptions.get(at as usize) else {
            return other_files::run(at - self.corruptions.len() as u64, &mut random);
        };
        let left = self.left(*which);
        let files = corruption.applied(left, pass, &mut random);
        let hints = corruption.hints(left, pass, &mut random);
        // A head that passes its check although no writer wrote it is beyond what damage makes; it may cost what it claims.
        let is_modelled = !matches!(corruption, Corruption::ForgedLength { checked: true, .. });
        Case { left, files, hints, unreadable: None, is_modelled, is_single: corruption.is_single() }
            .run(&mut random)
            .map_err(|failure| format!("{corruption:?}: {failure}"))
    }
}

pub use unreadable::UNREADABLE;

pub const CAMPAIGN: Campaign = Campaign {
    name: "corrupt",
    what: "every byte of every file damaged, blocks and files mixed up",
    size: 160_000,
    run,
};

fn run(run: &mut Run) -> Result<(), CannotRun> {
    let list = List::of(run.seed / CORRUPTIONS);
    run.tell(&format!(
        "segments of {:?} bytes; the whole list, once: {} cases; every bit: {} cases",
        list.stores.closed.segments.values().map(Vec::len).collect::<Vec<_>>(),
        list.cases(),
        list.cases() * 8
    ));
    // All cases are of one store, whatever the first number is.
    let store = run.seed - run.seed % CORRUPTIONS;
    let seeds: Vec<u64> = run.seeds().map(|seed| store + seed % CORRUPTIONS).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let (sender, list, seeds, next) = (sender.clone(), &list, &seeds, &next);
            scope.spawn(move || {
                // Until all are done, or the receiver is gone.
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if sender.send((*seed, list.run(*seed))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (seed, outcome) in receiver {
            if !run.count(seed, outcome) {
                break;
            }
        }
    });
    Ok(())
}
