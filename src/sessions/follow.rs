//! Changes that come after a rotation: they follow the session to its new id. A reauthentication does not follow, for what it
//! proves is not of the session that stands there: it is done where another one was faster, or lost.

use crate::model::error::Result;
use crate::model::record::Record;
use crate::model::trace::TraceKind;
use crate::session::{Committed, Outcome};
use crate::sessions::committing::Committing;
use crate::sessions::swap::{ATTEMPTS, Swapped, contention};
use crate::sessions::traced::HOPS;
use crate::store::Store;

impl<S: Store> Committing<'_, S> {
    /// Applies the changes to what the opened session has moved to, if that has the owner and the time of authentication that this
    /// request saw. No cookie goes out, for nobody here knows the new id; a rotation counts as done. So does a
    /// reauthentication if the owner was authenticated anew meanwhile, and its changes if they are what is stored there.
    pub(super) async fn follow(&self) -> Result<Committed> {
        let Some(trace) = &self.trace else { return Ok(self.lost()) };
        for attempt in 0..ATTEMPTS {
            let lead = self.sessions.follow(trace, HOPS).await?;
            let reauthenticates = self.changes.reauthenticates();
            let is_meant = |record: &Record| {
                let is_anew = record.authenticated_at() != self.seen.authenticated_at();
                record.owner() == self.seen.owner()
                    && is_anew == reauthenticates
                    && self.sessions.is_live(record, self.now())
            };
            let successor = lead.alive.into_iter().find(is_meant).filter(|_| lead.kind == TraceKind::Moved);
            let Some(successor) = successor else { return Ok(self.lost()) };
            // Here a reauthentication is done, and only what came with it can be lost.
            let lost = || Committed { is_unproved: false, ..self.lost() };
            let Some(mut changed) = self.changes.onto_successor(&self.seen, &successor)? else { return Ok(lost()) };
            if changed == successor && !self.changes.concern_cookie() {
                return Ok(self.nothing());
            }
            if changed == successor || reauthenticates {
                return Ok(lost());
            }
            changed.touch(self.arrived);
            let key = successor.key();
            let swapped = self.sessions.try_swap(key, successor.revision(), changed, None, attempt).await?;
            if let Swapped::Stored(record) = swapped {
                return Ok(self.stored(Outcome::Stored, record, None));
            }
        }
        Err(contention(self.seen.key()))
    }
}
