//! Saving.

use crate::contender::Contender;
use crate::numbers::Numbers;
use crate::session::{Known, Model, Session};
use crate::workers::{Worker, Workers};

/// How many sessions the savers of a contender have between them.
const SAVED: u64 = 5_000;

/// Saves sessions that were loaded before, as a server does, each time with another value.
pub(crate) struct Saver<'a> {
    contender: &'a dyn Contender,
    model: Model,
    /// Each session as it is, and as it will be after the next request.
    sessions: Vec<[Session; 2]>,
    numbers: Numbers,
}

impl<'a> Saver<'a> {
    /// A saver of every `of`th session, beginning with the `first`. Savers with different firsts share no session.
    pub(crate) fn new(contender: &'a dyn Contender, model: Model, first: u64, of: u64) -> Self {
        let mine = (first..model.sessions).step_by(of as usize).take((SAVED / of) as usize);
        let met = mine.map(|n| {
            let mut session = [model.session(n), model.changed(n)];
            session.iter_mut().for_each(|session| contender.meet(session, model.now));
            session
        });
        Self { contender, model, sessions: met.collect(), numbers: Numbers(first) }
    }

    pub(crate) fn save(&mut self) -> Option<()> {
        let next = self.numbers.below(self.sessions.len() as u64) as usize;
        let session = &mut self.sessions[next];
        session.reverse();
        let [session, before] = session;
        if let Known::Revision(revision) = before.known {
            session.known = Known::Revision(revision);
        }
        self.contender.save(session, self.model.now)
    }
}

/// So many threads, each with sessions of its own.
pub(crate) fn by(contender: &dyn Contender, model: Model, threads: u64) -> Workers<'_> {
    let worker = |nth| -> Worker<'_> {
        let mut saver = Saver::new(contender, model, nth, threads);
        Box::new(move || saver.save())
    };
    Workers::new((0..threads).map(worker).collect())
}
