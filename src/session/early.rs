//! A commit before the end of the request, and what the response has to carry for it.

use std::mem;
use std::sync::Arc;

use crate::model::error::{Error, ErrorKind, Result};
use crate::session::committed::{Committed, Outcome};
use crate::session::handle::Session;
use crate::session::state::{Access, Early};

impl Session {
    /// The application commits the session. Says whether the end of the request will want to know what came of it: not where
    /// no adapter has a clone, and not where the session is used up.
    pub(crate) fn begin_early(&self) -> bool {
        let is_shared = Arc::strong_count(&self.0) > 1;
        let mut state = self.unseen_state();
        let is_first = is_shared && state.access != Access::Committed;
        if is_first {
            state.early = Early::Begun;
        }
        is_first
    }

    pub(crate) fn end_early(&self, committed: Option<&Committed>) {
        self.unseen_state().early = committed.map_or(Early::None, |committed| Early::Done(Box::new(committed.clone())));
    }

    /// What a commit of the application's own has done, if there was one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Committed`] if that is not known.
    pub(crate) fn committed_early(&self) -> Result<Option<Committed>> {
        let mut state = self.unseen_state();
        match (state.access, mem::take(&mut state.early)) {
            (Access::Committed, Early::None) => Ok(Some(Committed::new(Outcome::Unchanged, None))),
            (_, Early::None) => Ok(None),
            (_, Early::Done(committed)) => Ok(Some(*committed)),
            (_, Early::Begun) => Err(Error::new(ErrorKind::Committed, "ending a request")
                .because("the application's own commit has not come to its end")),
        }
    }
}
