//! Sweeping: one of a hundred sessions has expired, and the others live.

use std::time::Instant;

use crate::contender::Contender;
use crate::race::nanos;
use crate::session::Model;

/// The time for each session that is removed. Before each round, expired sessions are stored anew, untimed.
pub(crate) fn one_percent(contender: &dyn Contender, model: Model) -> impl FnMut() -> Option<f64> {
    let over = (model.sessions / 100).clamp(10, 100_000);
    move || {
        // Nothing has expired yet. A contender that cannot sweep says so here, before it is filled in vain.
        contender.sweep(model.now)?;
        let sessions = model.sessions..model.sessions + over;
        contender.fill(&mut sessions.map(|n| model.over(n)), model.earlier());
        let begun = Instant::now();
        let swept = contender.sweep(model.now)?;
        let took = begun.elapsed();
        assert!(swept.is_none_or(|swept| swept == over), "of {over} that are over, {swept:?} were swept");
        Some(nanos(took) / over as f64)
    }
}
