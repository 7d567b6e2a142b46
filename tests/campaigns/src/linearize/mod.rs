//! Operations of 16 processes with four threads each, on one directory: as if they had come one after another (promise 7),
//! and nothing that was ended is ever seen again (promise 2).
//!
//! A case is a short history over a few hot sessions, in stretches. In each stretch every thread of every process makes a
//! few calls (create, load, update, touch, rotate, destroy, and those on many sessions: destroy_owned_by, sweep, count,
//! clear), as fast as it can, and notes when it asked and when it was answered, by a clock that all share. Meanwhile some
//! processes close the store and open it anew, some end, and others take their place; at the end of some stretches
//! all close it, and the first to come back recovers it. Segments are small, so they roll and are compacted all the
//! time; caches are small or missing in some cases; each process has a durability of its own.
//!
//! Between stretches all processes stand still and look at every session, whether it has expired or not. So a stretch is
//! checked alone, from what was seen to what is seen next: `history::checker` looks for an order in which all answers are
//! right, and what is seen afterwards is one of the answers. Answers are exact: a value is written once, a revision
//! belongs to one write, a conflict shows what stood in the way, deadlines are to the millisecond, counts are right.
//! Sessions that one operation may touch are checked together, as one group: the old and the new key of a rotation, and
//! all sessions of an owner. Where there are several groups, what a sweep counted over all of them is not checked, and
//! that they were all swept in the same moment is not; with one group it is.
//!
//! Most cases run in memory (/dev/shm, where there is one): there a call takes microseconds, so that calls overlap because
//! they race, not because they wait. Every eighth runs on the disk.
//!
//! The seed decides what is done, by which thread, and in which order each thread does it. How the threads interleave is the
//! kernel's choice, so a failure may need several runs of its seed to come back.
//!
//! Here stand the processes and what they ask for. What they may be answered is `history`'s, and never here.

mod mix;
mod party;
mod worker;

use std::collections::{BTreeMap, HashSet};

use fastrand::Rng;

use crate::history::spec::{Answer, Event, Key, Op, Rules, Sessions};
use crate::history::store::Group;
use crate::history::{Call, Verdict, check, now};
use crate::run::{Campaign, CannotRun, Failure, Run};
use crate::support::model::Standing;
use crate::support::{block_on, in_memory};
use mix::Mix;
use party::Party;
use worker::{Made, Order, Setting, Work};

pub use worker::{WORKER, work};

const PROCESSES: usize = 16;
const THREADS: u64 = 4;

/// A search that looks at more places has gone astray for good. Nothing is known then, which never reads as passed.
const PLACES: usize = 500_000;

/// What happened in all cases: a campaign in which nothing contends shows nothing.
#[derive(Default)]
struct Tally {
    answers: BTreeMap<&'static str, u64>,
    calls: u64,
    segments_rolled: u64,
    cases_trimmed: u64,
    opened: u64,
}

pub const CAMPAIGN: Campaign = Campaign {
    name: "linearize",
    what: "16 processes with 4 threads each, as if all had come one after another",
    size: 70,
    run,
};

fn run(run: &mut Run) -> Result<(), CannotRun> {
    let mut tally = Tally::default();
    run.each(|seed| case(seed, &mut tally));
    let answers: Vec<_> = tally.answers.iter().map(|(what, times)| format!("{what} {times}")).collect();
    run.tell(&format!(
        "{} calls ({}); {} segments begun, in {} cases the first was trimmed; opened {} times",
        tally.calls,
        answers.join(", "),
        tally.segments_rolled,
        tally.cases_trimmed,
        tally.opened
    ));
    Ok(())
}

fn case(seed: u64, tally: &mut Tally) -> Result<(), Failure> {
    let mut random = Rng::with_seed(seed);
    // A process that waits for a real disk overlaps with all others, and there is no telling what came first: a few such cases, with
    // fewer calls to a group.
    let on_disk = random.u8(..8) == 0;
    let groups = if on_disk { 4 } else { [1, 1, 2, 4][random.usize(..4)] };
    let directory = if on_disk { tempfile::tempdir() } else { in_memory() };
    let directory = directory.map_err(|error| format!("making a directory: {error}"))?;
    let place = directory.path().join("sessions");
    let keys: Key = random.u8(2..5);
    let rules = Rules { per_owner: random.bool().then(|| (random.usize(1..=usize::from(keys)), random.bool())) };
    let setting = Setting {
        place: place.clone(),
        rules,
        segment_bytes: [4 << 10, 8 << 10, 32 << 10][random.usize(..3)],
        cache_bytes: [0, 2 << 10, 64 << 20][random.usize(..3)],
        synced_after: None,
    };
    let mut party = Party::new(setting.clone());
    party.fill(&mut random, PROCESSES)?;
    let mut sessions: Vec<Sessions> = vec![vec![None; usize::from(keys)]; groups as usize];
    let mut revisions = HashSet::new();
    let stretches = random.u64(2..5);
    for stretch in 0..stretches {
        let all_close = random.u8(..4) == 0;
        let mix = Mix { now: 1_700_000_000_000 + stretch * 30_000, keys, groups };
        let work = |random: &mut Rng, process: u64| Work {
            start: now() + 5_000_000,
            seed: random.u64(..),
            writes: ((stretch * 256 + process) << 16) + 1,
            threads: THREADS,
            calls: random.u64(2..9),
            mix: mix.clone(),
            sessions: sessions.clone(),
            reopen: random.u8(..8) == 0,
            close: all_close || random.u8(..16) == 0,
        };
        let made = party.work(&mut random, work)?;
        let looks = party.all(|| Order::Look { groups, keys })?;
        tally.note(&made);
        sessions = judge(rules, sessions, &[made, looks].concat(), &mut revisions)
            .map_err(|why| format!("in stretch {stretch}: {why}"))?;
    }
    tally.opened += party.opened();
    party.end()?;
    let segments = worker::segments(&place);
    tally.segments_rolled += u64::from(segments.iter().copied().max().unwrap_or(0));
    tally.cases_trimmed += u64::from(!segments.contains(&1));
    opens_as_it_was(&setting, &sessions)
}

/// Checks a stretch, and says what stands after it.
fn judge(
    rules: Rules,
    before: Vec<Sessions>,
    made: &[Made],
    revisions: &mut HashSet<u64>,
) -> Result<Vec<Sessions>, Failure> {
    for (_, call) in made {
        if let Answer::Stored(revision) = call.event.answer
            && !revisions.insert(revision)
        {
            return Err(format!("revision {revision} was given to two writes, one of them {}", call.told()));
        }
    }
    let mut after = Vec::new();
    for (group, before) in (0..).zip(before) {
        let calls = made.iter().filter(|(of, _)| of.is_none_or(|of| of == group));
        let calls: Vec<Call<Event>> = calls
            .map(|(of, call)| match (of, call.event) {
                // What it counted is in other groups as well.
                (None, event) => Call { event: Event { answer: Answer::NotOnlyHere, ..event }, ..call.clone() },
                _ => call.clone(),
            })
            .collect();
        match check(&rules, before.clone(), &calls, PLACES) {
            Verdict::Linearizable => after.push(last_seen(before, &calls)),
            Verdict::GaveUp => return Err(format!("the checker gave up on {} calls of group {group}", calls.len())),
            Verdict::Refused { state, next } => {
                let next: Vec<String> = next.iter().map(|call| calls[*call].told()).collect();
                return Err(format!(
                    "group {group} is not linearizable. It began with {before:?}; in the longest order that was found \
                     {state:?} stands, and next would be one of\n        {}",
                    next.join("\n        ")
                ));
            }
        }
    }
    Ok(after)
}

/// What the looks at the end of a stretch showed.
fn last_seen(mut sessions: Sessions, calls: &[Call<Event>]) -> Sessions {
    let mut loads: Vec<_> = calls.iter().filter(|call| matches!(call.event.op, Op::Find { now: 0, .. })).collect();
    loads.sort_by_key(|call| call.invoked);
    for call in loads {
        if let Event { op: Op::Find { key, .. }, answer: Answer::Found(stands) } = call.event {
            sessions[usize::from(key)] = stands;
        }
    }
    sessions
}

/// What was there is there when all processes have closed the store and it is opened once more, and nothing was damaged.
fn opens_as_it_was(setting: &Setting, sessions: &[Sessions]) -> Result<(), Failure> {
    let store = setting.open()?;
    for (group, sessions) in (0..).zip(sessions) {
        for (key, stands) in (0..).zip(sessions) {
            let found = Group(group).call(&store, Op::Find { key, now: 0 })?.event.answer;
            if found != Answer::Found(*stands) {
                return Err(format!("opened anew, session {key} of group {group} is {found:?} instead of {stands:?}"));
            }
        }
    }
    let standing = sessions.iter().flatten().flatten().filter_map(Standing::session).count() as u64;
    let counted = block_on(cloakroom::Store::count(&store, cloakroom::Timestamp::EPOCH));
    if counted.as_ref().ok() != Some(&standing) {
        return Err(format!("opened anew, it counts {counted:?} sessions instead of {standing}"));
    }
    match &store.damage()[..] {
        [] => Ok(()),
        damage => Err(format!("damage was reported: {damage:?}")),
    }
}

impl Tally {
    fn note(&mut self, made: &[Made]) {
        self.calls += made.len() as u64;
        for (_, call) in made {
            *self.answers.entry(call.event.name()).or_default() += 1;
        }
    }
}
