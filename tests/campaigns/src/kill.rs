//! `kill`: processes that write to one directory, killed with SIGKILL or stopped with SIGSTOP at any moment.
//!
//! Four workers of two threads each create, change, touch, rotate and end sessions, log users out everywhere, sweep, and count
//! shared counters up, in small segments, so that these come and go all the time; each with a durability of its own. A case
//! is one cycle: something happens to some of them, and then the directory is opened and compared with what they had said.
//!
//! Promises: 1 (what was acknowledged is there; what was not is there whole or not at all; a batch all or nothing),
//! 2 (nothing comes back), 6 (whoever holds the writer lock and is stopped costs the others an error each, in bounded time),
//! 7 (counters lose no count).

use std::path::{Path, PathBuf};
use std::time::Duration;

use fastrand::Rng;

use crate::real::HANGS;
use crate::real::claims::Owed;
use crate::real::crew::Crew;
use crate::real::process::Process;
use crate::real::said::{Order, Promise, Said};
use crate::run::{Campaign, CannotRun, Failure, Run};

const WORKERS: usize = 4;
/// A directory is used for so many cycles.
const CYCLES: u32 = 50;
/// Short, so that a stopped process costs little; a busy machine may exceed it, which is an error like any other.
const LOCK_WAIT: Duration = Duration::from_millis(20);
/// In memory nothing waits for the disk, and everything happens ten times as often.
const MEMORY: &str = "/dev/shm";

/// How often what happened, for a campaign that never meets what it is about would show nothing.
#[derive(Default)]
struct Tally {
    kills: u64,
    recoveries: u64,
    killed_opening: u64,
    stops: u64,
    stops_with_the_lock: u64,
    timeouts: u64,
}

pub const CAMPAIGN: Campaign = Campaign {
    name: "kill",
    what: "four processes on one directory, killed and stopped at any moment",
    size: 300,
    run,
};

fn run(run: &mut Run) -> Result<(), CannotRun> {
    let cannot = |error| CannotRun(format!("no directory could be made: {error}"));
    tempfile::tempdir().map_err(cannot)?;
    let mut tally = Tally::default();
    let mut scene: Option<Scene> = None;
    let mut kept = Vec::new();
    run.each(|seed| {
        let mut rng = Rng::with_seed(seed);
        let mut current = match scene.take() {
            Some(scene) if scene.cycles < CYCLES => scene,
            old => {
                old.map(Scene::end).transpose()?;
                Scene::new(&mut rng)?
            }
        };
        match current.cycle(&mut rng, &mut tally) {
            Ok(()) => scene = Some(current),
            Err(failure) => {
                let place = current.keep();
                kept.push(place.clone());
                return Err(format!("{failure}\n    the directory was kept: {}", place.display()));
            }
        }
        Ok(())
    });
    let Tally { kills, recoveries, killed_opening, stops, stops_with_the_lock, timeouts } = tally;
    run.tell(&format!(
        "{kills} kills, {killed_opening} of them while opening; {recoveries} recoveries; {stops} stops, {stops_with_the_lock} of \
         them with the writer lock, which gave {timeouts} timeouts"
    ));
    if stops >= 20 && stops_with_the_lock == 0 {
        return Err(CannotRun("no process was ever stopped while it held the writer lock".into()));
    }
    Ok(())
}

struct Scene {
    directory: tempfile::TempDir,
    crew: Crew,
    cycles: u32,
}

impl Scene {
    fn new(rng: &mut Rng) -> Result<Self, Failure> {
        let memory = Path::new(MEMORY);
        let in_memory = rng.u8(..4) > 0 && memory.is_dir();
        let directory = if in_memory { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let directory = directory.map_err(|error| format!("no directory could be made: {error}"))?;
        let segment_bytes = *rng.choice(&[4 << 10, 8 << 10, 32 << 10]).expect("there is a choice");
        let mut crew = Crew::new(&directory.path().join("sessions"), WORKERS, segment_bytes);
        crew.leaves_traces = true;
        crew.lock_wait = LOCK_WAIT;
        Ok(Self { directory, crew, cycles: 0 })
    }

    /// All end by themselves: then, too, everything is there.
    fn end(mut self) -> Result<(), Failure> {
        for worker in self.crew.numbers() {
            self.crew.dismiss(worker)?;
        }
        self.crew.check(Owed::Acknowledged)
    }

    fn keep(self) -> PathBuf {
        let Self { directory, crew, .. } = self;
        drop(crew);
        directory.keep()
    }

    fn cycle(&mut self, rng: &mut Rng, tally: &mut Tally) -> Result<(), Failure> {
        self.cycles += 1;
        self.start_missing(rng)?;
        self.crew.watch(Duration::from_micros(rng.u64(..15_000)), |_, _| false)?;
        let crew = &mut self.crew;
        match rng.u8(..100) {
            0..45 => {
                tally.kills += 1;
                crew.kill(rng.usize(..WORKERS))?;
            }
            45..60 => {
                tally.kills += WORKERS as u64;
                tally.recoveries += 1;
                crew.kill_all()?;
            }
            60..70 => {
                // One after the other, and each that comes anew meets what the last one left.
                for _ in 0..rng.u8(2..5) {
                    tally.kills += 1;
                    let worker = rng.usize(..WORKERS);
                    crew.kill(worker)?;
                    start(crew, worker, rng)?;
                    crew.tell(worker, &Order::Go);
                    crew.watch(Duration::from_micros(rng.u64(..3000)), |_, _| false)?;
                    crew.kill(worker)?;
                }
            }
            70..82 => {
                // Killed while it recovers, again and again.
                tally.kills += WORKERS as u64;
                crew.kill_all()?;
                for _ in 0..rng.u8(1..4) {
                    tally.killed_opening += 1;
                    tally.recoveries += 1;
                    let worker = rng.usize(..WORKERS);
                    start(crew, worker, rng)?;
                    crew.watch(Duration::from_micros(rng.u64(..5000)), |_, _| false)?;
                    crew.kill(worker)?;
                }
            }
            82..85 => crew.dismiss(rng.usize(..WORKERS))?,
            _ => stop_one(crew, rng, tally)?,
        }
        self.crew.check(Owed::Acknowledged)
    }

    fn start_missing(&mut self, rng: &mut Rng) -> Result<(), Failure> {
        let missing: Vec<usize> = self.crew.numbers().filter(|worker| !self.crew.is_running(*worker)).collect();
        for worker in &missing {
            start(&mut self.crew, *worker, rng)?;
        }
        self.crew.set_to_work(&missing)
    }
}

fn start(crew: &mut Crew, worker: usize, rng: &mut Rng) -> Result<(), Failure> {
    let promises = [Promise::Never, Promise::Never, Promise::Always, Promise::Every(Duration::from_millis(5))];
    crew.start(worker, *rng.choice(&promises).expect("there is a choice"), rng)
}

/// Stops one where it stands, most of the time with the writer lock, and looks at how the others do.
fn stop_one(crew: &mut Crew, rng: &mut Rng, tally: &mut Tally) -> Result<(), Failure> {
    let victim = rng.usize(..WORKERS);
    let others: Vec<u32> = crew.numbers().filter(|worker| *worker != victim).flat_map(Crew::lanes).collect();
    for _ in 0..20 {
        tally.stops += 1;
        crew.worker(victim).stop()?;
        let (silent, timeouts) = all_answer(crew, &others)?;
        if let Some(lane) = silent {
            return Err(format!("worker {victim} was stopped, and lane {lane} had no answer within {HANGS:?}"));
        }
        if timeouts > 0 {
            tally.stops_with_the_lock += 1;
            tally.timeouts += timeouts;
            // Who comes now has an answer as well; it need not write in order to read.
            newcomer_answers(crew, rng)?;
        }
        if rng.bool() && timeouts > 0 {
            tally.kills += 1;
            crew.kill(victim)?;
        } else {
            crew.worker(victim).go_on()?;
        }
        if timeouts > 0 {
            // Nothing stands in the way any more.
            return all_save(crew, &others);
        }
        crew.watch(Duration::from_micros(rng.u64(..2000)), |_, _| false)?;
    }
    Ok(())
}

/// Each of these lanes is to answer twice (the first answer may be to something done before): one that does not, and how
/// many answers are timeouts.
fn all_answer(crew: &mut Crew, lanes: &[u32]) -> Result<(Option<u32>, u64), Failure> {
    let mut answers = [0; crate::real::op::LANES];
    let mut timeouts = 0;
    crew.watch(HANGS, |_, said| {
        match said {
            Said::Done { lane } | Said::Visible { lane, .. } => answers[*lane as usize] += 1,
            Said::NotDone { lane, error } => {
                answers[*lane as usize] += 1;
                timeouts += u64::from(error.kind == "Timeout");
            }
            _ => {}
        }
        lanes.iter().all(|lane| answers[*lane as usize] >= 2)
    })?;
    Ok((lanes.iter().copied().find(|lane| answers[*lane as usize] < 2), timeouts))
}

/// Each of these lanes gets something done.
fn all_save(crew: &mut Crew, lanes: &[u32]) -> Result<(), Failure> {
    let mut done = [false; crate::real::op::LANES];
    crew.watch(HANGS, |_, said| {
        if let Said::Done { lane } = said {
            done[*lane as usize] = true;
        }
        lanes.iter().all(|lane| done[*lane as usize])
    })?;
    match lanes.iter().find(|lane| !done[**lane as usize]) {
        None => Ok(()),
        Some(lane) => {
            Err(format!("nothing stood in its way any more, and lane {lane} got nothing done within {HANGS:?}"))
        }
    }
}

/// A process that opens the directory while a writer is stopped either joins or gives up in time.
fn newcomer_answers(crew: &Crew, rng: &mut Rng) -> Result<(), Failure> {
    let mut job = crew.job(0, Promise::Never, rng);
    job.open_wait = 5 * LOCK_WAIT;
    let mut newcomer = Process::start(&job)?;
    newcomer.end()?;
    match &newcomer.hear()[..] {
        [Said::Opened { .. }, Said::Closed] => Ok(()),
        [.., Said::Failed { error }] if error.kind == "Timeout" => Ok(()),
        other => Err(format!("a newcomer said {other:?} while a writer was stopped")),
    }
}
