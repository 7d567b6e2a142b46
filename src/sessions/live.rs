//! What a commit does to a session that lives: a touch, changes, a new id, another session in its place. Each gives `None` where
//! the session is gone.

use crate::model::error::Result;
use crate::model::record::Record;
use crate::model::trace::Trace;
use crate::session::{Committed, Outcome};
use crate::sessions::committing::Committing;
use crate::sessions::swap::Swap;
use crate::store::Store;

impl<S: Store> Committing<'_, S> {
    /// Commits a stored session that is unchanged. Whatever fails here, the handler's response is as true as before, and
    /// the visitor's next request tries the touch again.
    pub(super) async fn keep_alive(&self) -> Result<Committed> {
        let now = self.now();
        let (policy, key) = (self.sessions.policy(), self.seen.key());
        if policy.is_over(&self.seen, now) {
            return Ok(self.lost());
        }
        let touch = self.seen_before.is_none() && policy.touch_is_due(&self.seen, self.arrived);
        if touch {
            match self.sessions.0.store.touch(key, self.arrived).await {
                Ok(true) => {}
                Ok(false) => return Ok(self.lost()),
                Err(error) => return Ok(Committed::untouched(Outcome::Unchanged, error)),
            }
        }
        let is_noted = touch || self.seen_before.is_some();
        let outcome = if is_noted { Outcome::Touched } else { Outcome::Unchanged };
        let renew = policy.rolling || (is_noted && self.renews_cookie());
        if !renew {
            return Ok(Committed::new(outcome, None));
        }
        // A cookie may go out only for a session that is still there under this id.
        match self.sessions.load(key, now).await {
            Ok(Some(record)) => {
                let cookie = self.cookie(&record, self.id.as_ref(), now);
                Ok(Committed { is_renewal: true, ..Committed::new(outcome, cookie) })
            }
            Ok(None) => Ok(self.lost()),
            Err(error) => Ok(Committed::untouched(outcome, error)),
        }
    }

    /// Commits a stored session that is changed, and may get a new id.
    pub(super) async fn store(&mut self) -> Result<Option<Committed>> {
        let rotates = self.changes.rotates();
        let new = self.new.as_ref().filter(|_| rotates);
        let under_key = |mut record: Record| {
            if let Some((_, key)) = new {
                record.set_key(*key);
            }
            record
        };
        let change = |current: &Record| self.changes.onto_current(&self.seen, current).map(under_key);
        let (seen, changed) = match &self.target {
            Some(target) => (target, change(target)?),
            None => (&self.seen, under_key(self.changes.onto_seen(&self.seen))),
        };
        if changed == self.seen {
            return self.keep_alive().await.map(Some);
        }
        let trace = |current: &Record| {
            new.map(|_| self.leaves(self.changes.new_owner().is_none_or(|owner| current.owner() == Some(owner))))
        };
        let swap = Swap { seen, arrived: self.arrived, changed, change, trace };
        let Some(record) = self.sessions.swap(swap).await? else { return Ok(None) };
        if let Some((id, _)) = new {
            return Ok(Some(self.stored(Outcome::Rotated, record, Some(id))));
        }
        let id = self.id.as_ref().filter(|_| self.cookie_changes());
        let is_renewal = !self.changes.concern_cookie();
        Ok(Some(Committed { is_renewal, ..self.stored(Outcome::Stored, record, id) }))
    }

    fn cookie_changes(&self) -> bool {
        let policy = self.sessions.policy();
        policy.rolling || self.changes.concern_cookie() || self.renews_cookie()
    }

    fn renews_cookie(&self) -> bool {
        let before = self.seen_before.unwrap_or(self.seen.last_seen());
        self.sessions.policy().renews_cookie(&self.seen, before, self.arrived)
    }

    /// Ends the session, and begins another with what the handler put in after that. The store does it as a rotation, in one
    /// step, so that there is no moment with both sessions or with neither.
    pub(super) async fn exchange(&mut self) -> Result<Option<Committed>> {
        let Some(ended) = &self.ended else { return Ok(None) };
        let record = self.first_record(&self.changes.onto_seen(&self.seen))?;
        let change = |_: &Record| Ok(record.clone());
        let trace = |_: &Record| -> Option<Trace> { Some(self.leaves(false)) };
        let swap = Swap { seen: ended, arrived: self.arrived, changed: record.clone(), change, trace };
        let Some(record) = self.sessions.swap(swap).await? else { return Ok(None) };
        self.end_rest().await?;
        let id = self.new.as_ref().map(|(id, _)| id);
        Ok(Some(self.stored(Outcome::Created, record, id)))
    }
}
