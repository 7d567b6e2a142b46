//! Touching.

use std::time::Duration;

use crate::contender::Contender;
use crate::numbers::Numbers;
use crate::session::Model;
use crate::workers::Workers;

/// Any session, each time a little later, so that every touch puts off its session's end.
pub(crate) fn any(contender: &dyn Contender, model: Model) -> Workers<'_> {
    let (mut now, mut numbers) = (model.now, Numbers(2));
    let touch = move || {
        now = now.plus(Duration::from_millis(1));
        assert!(contender.touch(&model.any(&mut numbers), now)?, "every session is there");
        Some(())
    };
    Workers::new(vec![Box::new(touch)])
}
