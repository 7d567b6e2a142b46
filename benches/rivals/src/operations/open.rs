//! Opening, until the first session is loaded. The load counts, since a contender that opens quickly and reads its files
//! later would otherwise seem quicker than it is.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::save::Saver;
use crate::child::{self, Process, Role};
use crate::contender::Class;
use crate::kind::Kind;
use crate::numbers::Numbers;
use crate::race::nanos;
use crate::session::Model;
use crate::system;

/// How the last process left the files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    Closed,
    Killed,
}

/// Whether the files are in the page cache.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pages {
    Warm,
    Cold,
}

pub(crate) fn first_load(
    kind: Kind,
    directory: PathBuf,
    model: Model,
    left: Left,
    pages: Pages,
) -> impl FnMut() -> Option<f64> {
    let mut numbers = Numbers(3);
    move || {
        if !kind.is_stored() {
            return None;
        }
        if left == Left::Killed {
            be_killed(kind, &directory, model);
        }
        if pages == Pages::Cold {
            system::make_cold(&directory);
        }
        let key = model.any(&mut numbers);
        let begun = Instant::now();
        let contender = kind.open(&directory, Class::Relaxed);
        let loaded = contender.load(&key, model.now)?;
        let took = begun.elapsed();
        assert!(loaded.is_some(), "{}: every session is there", kind.name());
        contender.close();
        Some(nanos(took))
    }
}

/// What the child tells before it is killed.
#[derive(Serialize, Deserialize)]
struct Ready {
    server: Option<u32>,
}

/// Leaves the directory as a process leaves it that is killed in the middle of its work.
fn be_killed(kind: Kind, directory: &Path, model: Model) {
    let mut process = Process::start(Role::Victim, kind.name(), directory, model, Class::Relaxed);
    let Ready { server } = process.hear();
    if let Some(server) = server {
        system::kill(server);
    }
}

/// What the child does.
pub(crate) fn save_until_killed(kind: Kind, directory: &Path, model: Model) {
    let contender = kind.open(directory, Class::Relaxed);
    let mut saver = Saver::new(&*contender, model, 0, 1);
    (0..100).for_each(|_| saver.save().unwrap());
    child::tell(&Ready { server: contender.server() });
    child::wait_for_the_end();
}
