//! Loading.

use std::hint::black_box;

use crate::contender::Contender;
use crate::numbers::Numbers;
use crate::session::{self, Model};
use crate::workers::Workers;

/// Any session.
pub(crate) fn hit(contender: &dyn Contender, model: Model) -> Workers<'_> {
    let mut numbers = Numbers(1);
    let load = move || {
        let loaded = contender.load(&model.any(&mut numbers), model.now)?;
        drop(black_box(loaded.expect("every session is there")));
        Some(())
    };
    Workers::new(vec![Box::new(load)])
}

/// An id that no session has.
pub(crate) fn miss(contender: &dyn Contender, model: Model) -> Workers<'_> {
    let mut numbers = Numbers(1);
    let load = move || {
        let loaded = contender.load(&session::unknown_key(numbers.next()), model.now)?;
        assert!(black_box(loaded).is_none(), "no session has this id");
        Some(())
    };
    Workers::new(vec![Box::new(load)])
}
