//! What the scenarios share.

use std::path::Path;
use std::time::Duration;

use fastrand::Rng;

use crate::real::crew::Crew;
use crate::real::op::{Held, LANES, Op};
use crate::real::said::{Promise, Said};
use crate::run::Failure;

/// A directory that goes with the scenario.
pub fn directory(stage: &Path) -> Result<tempfile::TempDir, Failure> {
    tempfile::tempdir_in(stage).map_err(|error| format!("no directory could be made: {error}"))
}

/// Two workers in a directory, that have begun.
pub fn working(place: &Path, segment_bytes: u32, rng: &mut Rng) -> Result<Crew, Failure> {
    let mut crew = Crew::new(place, 2, segment_bytes);
    for worker in crew.numbers() {
        crew.start(worker, Promise::Always, rng)?;
    }
    crew.set_to_work(&[0, 1])?;
    Ok(crew)
}

/// Lets all lanes of these workers get something done, or end because they must not write any more; says what errors there
/// were meanwhile.
pub fn get_done(crew: &mut Crew, workers: &[usize], times: u32) -> Result<Vec<String>, Failure> {
    let lanes: Vec<u32> =
        workers.iter().filter(|worker| crew.is_running(**worker)).flat_map(|worker| Crew::lanes(*worker)).collect();
    let mut left = [0; LANES];
    lanes.iter().for_each(|lane| left[*lane as usize] = times);
    let mut errors = Vec::new();
    crew.watch(crate::real::HANGS, |_, said| {
        match said {
            Said::Done { lane } => left[*lane as usize] = left[*lane as usize].saturating_sub(1),
            Said::NotDone { error, .. } | Said::Visible { error, .. } => errors.push(error.kind.clone()),
            Said::Unknown { lane, error } => {
                left[*lane as usize] = 0;
                errors.push(error.kind.clone());
            }
            _ => {}
        }
        left.iter().all(|left| *left == 0)
    })?;
    // A worker that has ended gets nothing done; whether it might end is the crew's business.
    let stuck = lanes.iter().find(|lane| left[**lane as usize] > 0 && crew.is_running(**lane as usize / 2));
    match stuck {
        None => Ok(errors),
        Some(lane) => Err(format!("lane {lane} gets nothing done; the errors were {errors:?}")),
    }
}

/// A session that was never there; of the content's size little is known.
pub fn creation(crew: &Crew, rng: &mut Rng) -> Op {
    let held = Held { owner: rng.u8(..3), value: rng.u64(..), seen: 0, brief: false };
    Op::Create { name: crew.claims.unused_name(), held }
}

/// What was done must have been done.
pub fn done(said: Said) -> Result<(), Failure> {
    match said {
        Said::Done { .. } => Ok(()),
        other => Err(format!("this should have been done: {other:?}")),
    }
}

/// What failed must have failed in one of these ways.
pub fn failed(said: &Said, kinds: &[&str]) -> Result<(), Failure> {
    match said {
        Said::NotDone { error, .. } | Said::Visible { error, .. } | Said::Unknown { error, .. }
            if kinds.contains(&&*error.kind) =>
        {
            Ok(())
        }
        other => Err(format!("this should have failed as one of {kinds:?}: {other:?}")),
    }
}

/// Listens for some moments.
pub fn a_while(crew: &mut Crew, rng: &mut Rng) -> Result<(), Failure> {
    crew.watch(Duration::from_millis(rng.u64(..30)), |_, _| false)
}
