//! Loading while another thread keeps the store busy: how long does a request wait that only reads?

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::load;
use super::save::Saver;
use crate::contender::Contender;
use crate::race::Entrant;
use crate::session::Model;
use crate::workers::Workers;

/// How many sessions have expired at each sweep.
const OVER: u64 = 1_000;

/// From the end of a sweep to the next.
const PAUSE: Duration = Duration::from_millis(25);

/// A thread that loads, which is measured, and a thread that saves and sweeps, which is not.
pub(crate) struct LoadsWhileBusy<'a> {
    contender: &'a dyn Contender,
    model: Model,
    loads: Workers<'a>,
    saver: Saver<'a>,
    sweeps: bool,
}

impl<'a> LoadsWhileBusy<'a> {
    /// The contender should be churned before: then it has something to compact, and the saves make it compact.
    pub(crate) fn new(contender: &'a dyn Contender, model: Model, sweeps: bool) -> Self {
        let (loads, saver) = (load::hit(contender, model), Saver::new(contender, model, 0, 1));
        Self { contender, model, loads, saver, sweeps }
    }
}

impl Entrant for LoadsWhileBusy<'_> {
    fn round(&mut self, slice: Duration, samples: &mut Vec<f64>) -> Option<f64> {
        let Self { contender, model, loads, saver, sweeps } = self;
        let ends = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                *sweeps = *sweeps && contender.sweep(model.now).is_some();
                let mut swept = Instant::now();
                while !ends.load(Ordering::Relaxed) {
                    saver.save().expect("every contender can save");
                    if *sweeps && swept.elapsed() > PAUSE {
                        let over = (model.sessions..model.sessions + OVER).map(|n| model.over(n));
                        contender.fill(&mut { over }, model.earlier());
                        contender.sweep(model.now);
                        swept = Instant::now();
                    }
                }
            });
            let figure = loads.round(slice, samples);
            ends.store(true, Ordering::Relaxed);
            figure
        })
    }
}
