//! From a session back to the store, and to the visitor's cookie.

use crate::cookie::SetCookie;
use crate::error::Result;
use crate::id::SessionId;
use crate::key::SessionKey;
use crate::record::{Record, Revision};
use crate::session::{Access, Changes, Session, State};
use crate::sessions::committed::{Committed, Outcome};
use crate::sessions::grace;
use crate::sessions::handle::Sessions;
use crate::sessions::swap::Swap;
use crate::store::Store;
use crate::time::Timestamp;

impl<S: Store> Sessions<S> {
    /// Stores what the request changed, before its response leaves.
    ///
    /// An unchanged session costs at most a touch. A changed one costs one call of the store if no other request
    /// interfered; otherwise its changes are applied again to what the other made of it, so that requests which change
    /// different entries both succeed. If the session is gone, nothing is written, and no cookie set or removed:
    /// another request may have logged the visitor in meanwhile, and given them a new one.
    ///
    /// The handle and all its clones are used up, whether this succeeds or not. A future that is dropped leaves
    /// the commit whole or not begun.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) as [`Session::insert`] says;
    /// [`ErrorKind::Contention`](crate::ErrorKind::Contention) after 256 conflicts;
    /// [`ErrorKind::Entry`](crate::ErrorKind::Entry) from a [`Session::modify`] that ran again;
    /// [`ErrorKind::Committed`](crate::ErrorKind::Committed); whatever the store fails with, its limits included.
    /// Nothing was stored then, as far as the store can tell.
    pub async fn commit(&self, session: Session) -> Result<Committed> {
        let taken = self.take(&session, false)?;
        self.carry_out(&session, taken).await
    }

    /// Commits after the request failed (a response of 500 and above, a panic): changes are dropped, but a
    /// [`destroy`](Session::destroy) is carried out, and the visitor counts as seen.
    ///
    /// With [`keep_changes_on_error`](crate::SessionsBuilder::keep_changes_on_error) it is [`commit`](Sessions::commit).
    ///
    /// # Errors
    ///
    /// As [`commit`](Sessions::commit).
    pub async fn commit_after_error(&self, session: Session) -> Result<Committed> {
        let taken = self.take(&session, !self.policy().keep_changes_on_error)?;
        self.carry_out(&session, taken).await
    }

    /// What there is to commit, if anything; the handle is used up.
    fn take(&self, session: &Session, drop_changes: bool) -> Result<Option<State>> {
        let mut state = session.unseen_state();
        state.check_open()?;
        if drop_changes {
            state.changes = Changes::default();
        }
        let is_idle = state.access == Access::ReadOnly
            || state.ended.is_none() && state.changes.is_empty() && (!state.is_stored || self.is_quiet(&state.record));
        if is_idle {
            state.access = Access::Committed;
            return Ok(None);
        }
        Ok(Some(state.take()))
    }

    /// Whether nothing is to be done about a session that was not changed. Most requests end here, so this costs
    /// nothing but a look at the clock.
    fn is_quiet(&self, record: &Record) -> bool {
        let (policy, now) = (self.policy(), self.policy().now());
        !policy.rolling && !policy.is_over(record, now) && !policy.touch_is_due(record, now)
    }

    async fn carry_out(&self, session: &Session, taken: Option<State>) -> Result<Committed> {
        let Some(taken) = taken else { return Ok(Committed::new(Outcome::Unchanged, None)) };
        let State { id, record: seen, is_stored, ended, changes, .. } = taken;
        let committing = Committing { sessions: self, session, id, seen, changes };
        match ended {
            Some(ended) => committing.end(*ended).await,
            None if !is_stored => committing.create().await,
            None if committing.changes.is_empty() => committing.keep_alive().await,
            None => committing.store().await,
        }
    }
}

struct Committing<'a, S> {
    sessions: &'a Sessions<S>,
    session: &'a Session,
    /// The id by which the visitor came.
    id: Option<SessionId>,
    seen: Record,
    changes: Changes,
}

impl<S: Store> Committing<'_, S> {
    /// Nobody knows the session yet.
    async fn create(self) -> Result<Committed> {
        let Some((id, mut record)) = self.first_record()? else {
            return Ok(Committed::new(Outcome::Unchanged, None));
        };
        let now = self.now();
        record.touch(now);
        let revision = self.sessions.0.store.create(&record, now).await?;
        record.set_revision(revision);
        Ok(self.stored(Outcome::Created, record, Some(&id)))
    }

    /// The blank session with what was put into it, if anything was, and the id that it will have.
    fn first_record(&self) -> Result<Option<(SessionId, Record)>> {
        let mut record = self.changes.onto_seen(&self.seen);
        if record.data().is_empty() && record.owner().is_none() {
            return Ok(None);
        }
        let id = SessionId::generate()?;
        record.set_key(SessionKey::of(&id));
        record.set_revision(Revision::fresh());
        Ok(Some((id, record)))
    }

    /// Unchanged.
    async fn keep_alive(self) -> Result<Committed> {
        let now = self.now();
        let (policy, key) = (self.sessions.policy(), self.seen.key());
        if policy.is_over(&self.seen, now) {
            return Ok(self.lost());
        }
        let touch = policy.touch_is_due(&self.seen, now);
        if touch && !self.sessions.0.store.touch(key, now).await? {
            return Ok(self.lost());
        }
        let outcome = if touch { Outcome::Touched } else { Outcome::Unchanged };
        let renew = policy.rolling || (touch && policy.renews_cookie(&self.seen));
        if !renew {
            return Ok(Committed::new(outcome, None));
        }
        // A cookie may only go out for a session that is still there under this id, and the touch does not tell: after
        // a rotation it may have met the trace of it.
        match self.sessions.load(key, now).await? {
            Some(record) => Ok(Committed::new(outcome, self.cookie(&record, self.id.as_ref(), now))),
            None => Ok(self.lost()),
        }
    }

    /// Changed, perhaps with a new id.
    async fn store(mut self) -> Result<Committed> {
        let rotated = if self.changes.rotates() { Some(SessionId::generate()?) } else { None };
        let key = rotated.as_ref().map_or(*self.seen.key(), SessionKey::of);
        let under_key = |mut record: Record| {
            record.set_key(key);
            record
        };
        let swap = Swap {
            seen: &self.seen,
            changed: under_key(self.changes.onto_seen(&self.seen)),
            change: |current: &Record| self.changes.onto_current(&self.seen, current).map(under_key),
        };
        let Some(record) = self.sessions.swap(swap).await? else { return Ok(self.lost()) };
        let Some(id) = rotated else {
            let id = self.id.take().filter(|_| self.cookie_changes());
            return Ok(self.stored(Outcome::Stored, record, id.as_ref()));
        };
        self.leave_trace(record.key()).await;
        Ok(self.stored(Outcome::Rotated, record, Some(&id)))
    }

    fn cookie_changes(&self) -> bool {
        let policy = self.sessions.policy();
        policy.rolling || self.changes.concern_cookie() || policy.renews_cookie(&self.seen)
    }

    /// Opens the grace window, if there is to be one.
    async fn leave_trace(&self, new: &SessionKey) {
        // Never after a change of the owner: the old id may be known to whoever planted it.
        if let Some(grace) = self.sessions.policy().rotation_grace
            && !self.changes.sets_owner()
        {
            let now = self.now();
            let trace = grace::trace(*self.seen.key(), new, grace, now);
            // The rotation is done, and the visitor must get the new id: a trace that fails is only a request more
            // that begins without a session.
            let _ = self.sessions.0.store.create(&trace, now).await;
        }
    }

    /// Destroyed; what was put in after that begins a new session.
    async fn end(self, ended: Record) -> Result<Committed> {
        let Some((id, record)) = self.first_record()? else {
            return self.destroy(ended).await;
        };
        // As a rotation, because that is one step: old and new never live both, or neither.
        let swap = Swap { seen: &ended, changed: record.clone(), change: |_: &Record| Ok(record.clone()) };
        match self.sessions.swap(swap).await? {
            Some(record) => Ok(self.stored(Outcome::Created, record, Some(&id))),
            None => Ok(self.lost()),
        }
    }

    async fn destroy(self, ended: Record) -> Result<Committed> {
        // Whoever comes second must not remove the cookie: by now it may be that of a login.
        let was_there = self.sessions.load(ended.key(), self.now()).await?.is_some();
        if !was_there {
            return Ok(self.lost());
        }
        self.sessions.0.store.destroy(ended.key()).await?;
        let removal = self.id.as_ref().map(|_| self.sessions.cookie().remove());
        Ok(Committed::new(Outcome::Destroyed, removal))
    }

    fn stored(&self, outcome: Outcome, record: Record, id: Option<&SessionId>) -> Committed {
        let cookie = self.cookie(&record, id, self.now());
        let mut state = self.session.unseen_state();
        state.record = record;
        state.is_stored = true;
        drop(state);
        Committed::new(outcome, cookie)
    }

    fn lost(&self) -> Committed {
        Committed { outcome: Outcome::Lost, set_cookie: None, lost: self.changes.names() }
    }

    fn cookie(&self, record: &Record, id: Option<&SessionId>, now: Timestamp) -> Option<SetCookie> {
        id.map(|id| self.sessions.policy().set_cookie(id, record, now))
    }

    fn now(&self) -> Timestamp {
        self.sessions.policy().now()
    }
}
