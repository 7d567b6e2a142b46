//! The mix of a busy site: 80 % load, 15 % touch, 5 % save.

use std::hint::black_box;
use std::time::Duration;

use super::save::Saver;
use crate::contender::Contender;
use crate::numbers::Numbers;
use crate::session::Model;
use crate::workers::{Worker, Workers};

/// The mix begins later than the touches that were measured before it, since an earlier touch changes nothing.
const LATER: Duration = Duration::from_secs(60 * 60);

/// The `nth` of so many threads or processes. Each loads and touches any session, and saves only its own.
pub(crate) fn worker(contender: &dyn Contender, model: Model, nth: u64, of: u64) -> Worker<'_> {
    let mut saver = Saver::new(contender, model, nth, of);
    let mut numbers = Numbers(100 + nth);
    let mut now = model.now.plus(LATER);
    Box::new(move || {
        now = now.plus(Duration::from_millis(1));
        match numbers.below(100) {
            0..80 => {
                let loaded = contender.load(&model.any(&mut numbers), now)?;
                drop(black_box(loaded.expect("every session is there")));
            }
            80..95 => assert!(contender.touch(&model.any(&mut numbers), now)?, "every session is there"),
            _ => saver.save()?,
        }
        Some(())
    })
}

/// So many threads.
pub(crate) fn by(contender: &dyn Contender, model: Model, threads: u64) -> Workers<'_> {
    Workers::new((0..threads).map(|nth| worker(contender, model, nth, threads)).collect())
}
