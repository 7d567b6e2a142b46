//! Two operations on one session at the same moment, again and again: one comes first, and the other knows (promises 2
//! and 7).
//!
//! A case is a race of one pair, which the seed decides (seven pairs, in turn): save against destroy, touch against save,
//! sweep against touch, rotate against load, destroy_owned_by against create, rotate against destroy, update against
//! update. Seven races in eight are run by two threads with a handle each, which exclude each other as two processes do;
//! one in eight by two processes. A million races of each pair are `--size 7000000`.
//!
//! A race is a history: what was there before, what both did and were answered, and what both see afterwards. It must be
//! what one of the two orders gives, by the same checker as in `linearize`; anything else is a failure. How often
//! each outcome came is told at the end. A pair of which only one outcome was ever seen has shown nothing, so that is a
//! failure as well.
//!
//! The store is in memory (/dev/shm, where there is one) and saves don't wait for the disk, since a destroy and a rotation
//! always sync: races are about order, and a million syncs would take hours. What is on disk after a crash is the subject of
//! other campaigns.
//!
//! The seed decides what races and with which delays; which side wins is the machine's choice.
//!
//! Here stand the pairs and their two sides. What they may be answered is `history`'s, and never here.

mod pair;
mod side;

use std::collections::BTreeMap;
use std::path::PathBuf;

use cloakroom::FileStore;
use fastrand::Rng;

use crate::history::spec::{Answer, Event, Op, Rules};
use crate::history::store::Group;
use crate::history::{Call, Verdict, check};
use crate::run::{Campaign, CannotRun, Failure, Run};
use crate::support::{block_on, in_memory};
use pair::{KEYS, PAIRS, Pair};
use side::{Opponent, Raced};

pub use side::{WORKER, work};

/// So many races of a pair are prepared at a time.
const BATCH: usize = 128;

/// Fewer races than this may all have the same outcome.
const ENOUGH: u64 = 2000;

pub const CAMPAIGN: Campaign =
    Campaign { name: "races", what: "two operations on one session at the same moment", size: 140_000, run };

fn run(run: &mut Run) -> Result<(), CannotRun> {
    let directory = in_memory().map_err(|error| CannotRun(format!("making a directory: {error}")))?;
    let mut arena = Arena::new(directory.path().join("sessions")).map_err(CannotRun)?;
    let mut tallies: BTreeMap<usize, Tally> = BTreeMap::new();
    let mut seeds = run.seeds().peekable();
    while seeds.peek().is_some() {
        let together: Vec<u64> = seeds.by_ref().take(PAIRS.len() * BATCH).collect();
        let mut batches: BTreeMap<(usize, bool), Vec<u64>> = BTreeMap::new();
        for seed in together {
            let pair = (seed % PAIRS.len() as u64) as usize;
            let processes = (seed / PAIRS.len() as u64).is_multiple_of(8);
            batches.entry((pair, processes)).or_default().push(seed);
        }
        for ((pair, processes), seeds) in batches {
            let tally = tallies.entry(pair).or_default();
            let outcomes = arena.race(PAIRS[pair], &seeds, processes, tally);
            for (seed, outcome) in seeds.into_iter().zip(outcomes) {
                let outcome = outcome.map_err(|why| format!("{}: {why}", PAIRS[pair].name()));
                if !run.count(seed, outcome) {
                    return Ok(());
                }
            }
        }
    }
    let mut one_sided = Vec::new();
    for (pair, Tally { races, at_once, outcomes }) in tallies {
        let name = PAIRS[pair].name();
        let told: Vec<_> = outcomes.iter().map(|(outcome, times)| format!("{outcome} {times}")).collect();
        run.tell(&format!("{name}: {races} races, {at_once} overlapped: {}", told.join("; ")));
        if races >= ENOUGH && outcomes.len() < 2 {
            one_sided.push(name);
        }
    }
    if one_sided.is_empty() {
        Ok(())
    } else {
        Err(CannotRun(format!("one order never came in {}", one_sided.join(", "))))
    }
}

/// How the races of a pair went.
#[derive(Default)]
struct Tally {
    races: u64,
    at_once: u64,
    outcomes: BTreeMap<String, u64>,
}

/// A directory, and what has it open.
struct Arena {
    stores: [FileStore; 2],
    opponent: Opponent,
}

impl Arena {
    fn new(place: PathBuf) -> Result<Self, Failure> {
        let stores = [side::open(&place)?, side::open(&place)?];
        Ok(Self { stores, opponent: Opponent::start(&place)? })
    }

    /// Runs a race of this pair for each seed.
    fn race(&mut self, pair: Pair, seeds: &[u64], processes: bool, tally: &mut Tally) -> Vec<Result<(), Failure>> {
        match self.run(pair, seeds, processes) {
            Ok(races) => races.into_iter().map(|race| tally.judge(race)).collect(),
            // None of them could be run.
            Err(why) => seeds.iter().map(|_| Err(why.clone())).collect(),
        }
    }

    fn run(&mut self, pair: Pair, seeds: &[u64], processes: bool) -> Result<Vec<Race>, Failure> {
        let [one, other] = &self.stores;
        let mut sides = [Vec::new(), Vec::new()];
        let mut before = Vec::new();
        for (n, seed) in (0..).zip(seeds) {
            let put = pair::before(n);
            let made = Group(n).call(one, Op::Create { key: 0, put, trace: None, now: put.last_seen })?;
            let Answer::Stored(revision) = made.event.answer else {
                return Err(format!("no session was made: {made:?}"));
            };
            let [ours, theirs] = pair::sides(pair, &mut Rng::with_seed(*seed), n, revision);
            sides[0].push(ours);
            sides[1].push(theirs);
            before.push(made);
        }
        let raced = if processes { self.opponent.race(one, sides)? } else { side::race_threads([one, other], sides) };
        let [ours, theirs] = raced;
        let mut races = Vec::new();
        for (n, ((before, ours), theirs)) in (0..).zip(before.into_iter().zip(ours).zip(theirs)) {
            // What both handles see when all is over, expired or not.
            let mut after = Vec::new();
            for store in [one, other] {
                for key in 0..KEYS {
                    after.push(Group(n).call(store, Op::Find { key, now: 0 })?);
                }
            }
            races.push(Race { before, ours, theirs, after });
        }
        block_on(cloakroom::Store::clear(one)).map_err(|error| format!("clearing the store: {error}"))?;
        match other.damage().len() {
            0 => Ok(races),
            places => Err(format!("{places} damaged places were reported: {:?}", other.damage().first())),
        }
    }
}

/// A race, from beginning to end.
struct Race {
    before: Call<Event>,
    ours: Raced,
    theirs: Raced,
    after: Vec<Call<Event>>,
}

impl Tally {
    /// Whether one of the orders explains the race.
    fn judge(&mut self, race: Race) -> Result<(), Failure> {
        let (ours, theirs) = (race.ours?, race.theirs?);
        self.races += 1;
        let began = |calls: &[Call<Event>]| calls.first().map_or(0, |call| call.invoked);
        let ended = |calls: &[Call<Event>]| calls.last().map_or(0, |call| call.returned);
        self.at_once += u64::from(began(&ours) < ended(&theirs) && began(&theirs) < ended(&ours));
        let names = |calls: &[Call<Event>]| calls.iter().map(|call| call.event.name()).collect::<Vec<_>>().join(", ");
        let outcome = format!("{} | {}", names(&ours), names(&theirs));
        let history = [vec![race.before], ours, theirs, race.after].concat();
        match check(&Rules::default(), vec![None; usize::from(KEYS)], &history, 10_000) {
            Verdict::Linearizable => {
                *self.outcomes.entry(outcome).or_default() += 1;
                Ok(())
            }
            Verdict::GaveUp => Err(format!("the checker gave up on {history:?}")),
            Verdict::Refused { .. } => {
                let told: Vec<_> = history.iter().map(Call::told).collect();
                Err(format!("{outcome}: no order explains\n        {}", told.join("\n        ")))
            }
        }
    }
}
