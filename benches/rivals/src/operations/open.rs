//! Opening, until the first session is loaded: who opens quickly and reads later shall not seem quicker than it is.

use std::path::PathBuf;
use std::time::Instant;

use crate::child;
use crate::contender::{Class, Kind};
use crate::numbers::Numbers;
use crate::race::nanos;
use crate::session::Model;
use crate::system;

/// How it was left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    Closed,
    Killed,
}

/// Where its files are.
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
            child::be_killed(kind, &directory, model);
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
