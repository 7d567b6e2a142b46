//! The commit: a session's changes go to the store, and its cookie to the visitor.

use crate::cookie::SetCookie;
use crate::model::error::Result;
use crate::model::id::SessionId;
use crate::model::key::SessionKey;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::session::{Access, Changes, Session, State};
use crate::sessions::committed::{Committed, Outcome};
use crate::sessions::grace;
use crate::sessions::handle::Sessions;
use crate::sessions::swap::Swap;
use crate::store::Store;

/// What becomes of a request's changes. A logout is carried out in any case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Kept,
    /// Those that need a cookie are dropped with all others, since no response can carry one.
    KeptWithoutCookie,
    Dropped,
}

impl<S: Store> Sessions<S> {
    /// Stores what the request changed. Call it before the response leaves, so that the visitor's next request finds
    /// the changes.
    ///
    /// An unchanged session costs at most a touch, which is best effort: where nothing can be written, the response goes
    /// out all the same, and [`Committed::touch_error`] tells of it. A changed session costs one call of the store, a compare-and-swap,
    /// if no other request has changed it meanwhile. Otherwise the commit applies the changes again, to what the other
    /// request has stored: requests that change different entries both succeed. If the session is gone, nothing is
    /// written and no cookie is set or removed, because another request may have logged the visitor in and given them a
    /// new cookie.
    ///
    /// The handle and all its clones are used up, also by a commit that fails. A future that is dropped leaves the
    /// commit whole or not begun.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// let session = sessions.open([""; 0]).await?;
    /// session.modify("visits", |visits: Option<u64>| Some(visits.unwrap_or(0) + 1))?;
    /// let committed = sessions.commit(session).await?;
    /// if let Some(cookie) = committed.set_cookie() {
    ///     println!("Set-Cookie: {cookie}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if another request has changed an entry that this one has
    ///   read and set; see [`Session::insert`].
    /// - [`ErrorKind::Contention`](crate::ErrorKind::Contention) after 256 conflicts.
    /// - [`ErrorKind::Entry`](crate::ErrorKind::Entry) from a [`Session::modify`] that ran again.
    /// - [`ErrorKind::Committed`](crate::ErrorKind::Committed) if the session was committed before.
    /// - The store's errors, its limits included.
    ///
    /// Nothing is stored then, as far as the store can tell.
    pub async fn commit(&self, session: Session) -> Result<Committed> {
        self.finish(session, Fate::Kept).await
    }

    /// Commits after the request failed (a status of 500 to 599, a panic): the changes are dropped, but a
    /// [`destroy`](Session::destroy) is carried out, and the visitor counts as seen. [`settle`](Sessions::settle)
    /// decides by the status which of the two commits it is.
    ///
    /// With [`keep_changes_on_error`](crate::SessionsBuilder::keep_changes_on_error) it is
    /// [`commit`](Sessions::commit).
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Outcome, Sessions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// # let session = sessions.open([""; 0]).await?;
    /// session.insert("half an order", "hat")?;
    /// // ... and then the handler fails.
    /// let committed = sessions.commit_after_error(session).await?;
    /// assert_eq!(committed.outcome(), Outcome::Unchanged);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`commit`](Sessions::commit).
    pub async fn commit_after_error(&self, session: Session) -> Result<Committed> {
        self.finish(session, self.after_error(Fate::Kept)).await
    }

    pub(super) fn after_error(&self, kept: Fate) -> Fate {
        if self.policy().keep_changes_on_error { kept } else { Fate::Dropped }
    }

    pub(super) async fn finish(&self, session: Session, fate: Fate) -> Result<Committed> {
        // Read first: what a task does with its clone from now on is not part of the response.
        let looked_at = session.was_looked_at();
        // Boxed, so that the future of a request that has nothing to commit is small.
        let begun = self.take(&session, fate)?.map(|taken| Box::pin(self.carry_out(&session, taken)));
        let committed = match begun {
            Some(carried_out) => carried_out.await?,
            None => Committed::new(Outcome::Unchanged, None),
        };
        Ok(Committed { looked_at, ..committed })
    }

    /// What there is to commit, if anything. The handle is used up.
    fn take(&self, session: &Session, fate: Fate) -> Result<Option<State>> {
        let mut state = session.unseen_state();
        if let Some(damage) = state.damage.take_if(|damage| !damage.ends) {
            state.access = Access::Committed;
            // A response that was made without the session does not depend on it.
            let is_error = session.was_looked_at() && fate == Fate::Kept;
            return if is_error { Err(damage.error) } else { Ok(None) };
        }
        state.check_open()?;
        let needs_cookie = !state.is_stored || state.changes.rotates() || state.changes.concern_cookie();
        if fate == Fate::Dropped || fate == Fate::KeptWithoutCookie && needs_cookie {
            state.changes = Changes::default();
        }
        let is_idle = state.access == Access::ReadOnly
            || state.ended.is_none()
                && state.changes.is_empty()
                && !state.visitor.leaves
                && (!state.is_stored || state.seen_before.is_none() && self.is_quiet(&state.record, state.arrived));
        if is_idle {
            state.access = Access::Committed;
            return Ok(None);
        }
        Ok(Some(state.take()))
    }

    /// Whether an unchanged session needs neither a touch nor a cookie. Most requests end here, so the only cost is a
    /// look at the clock.
    fn is_quiet(&self, record: &Record, arrived: Timestamp) -> bool {
        let policy = self.policy();
        !policy.rolling && !policy.touch_is_due(record, arrived) && !policy.is_over(record, policy.now())
    }

    async fn carry_out(&self, session: &Session, taken: State) -> Result<Committed> {
        let State { arrived, seen_before, visitor, id, record: seen, is_stored, ended, damage, changes, .. } = taken;
        let mut nothing = Committed::new(Outcome::Unchanged, visitor.leaves.then(|| self.cookie().remove()));
        let over = visitor.over.filter(|_| visitor.leaves);
        if let Some(key) = damage.map(|damage| damage.key).or(over) {
            self.0.store.destroy(&key).await?;
            nothing.outcome = Outcome::Destroyed;
        }
        let committing = Committing { sessions: self, session, arrived, seen_before, id, seen, changes };
        let mut committed = match ended {
            Some(ended) => committing.end(*ended).await?,
            None if !is_stored => committing.create().await?.unwrap_or(nothing),
            None if committing.changes.is_empty() => committing.keep_alive().await?,
            None => committing.store().await?,
        };
        if committed.set_cookie.is_some()
            && let Some(at) = visitor.hidden_at
        {
            committed.removals = self.cookie().remove_others(&at.0, &at.1);
        }
        Ok(committed)
    }
}

struct Committing<'a, S> {
    sessions: &'a Sessions<S>,
    session: &'a Session,
    arrived: Timestamp,
    seen_before: Option<Timestamp>,
    /// The id by which the visitor came.
    id: Option<SessionId>,
    seen: Record,
    changes: Changes,
}

impl<S: Store> Committing<'_, S> {
    /// Commits a session that is not stored yet, if anything was put into it.
    async fn create(self) -> Result<Option<Committed>> {
        let Some((id, mut record)) = self.first_record()? else { return Ok(None) };
        let now = self.now();
        let revision = match self.sessions.0.store.create(&record, now).await {
            Ok(revision) => revision,
            Err(error) => {
                self.sessions.make_room(error, record.owner()).await?;
                self.sessions.0.store.create(&record, now).await?
            }
        };
        record.set_revision(revision);
        Ok(Some(self.stored(Outcome::Created, record, Some(&id))))
    }

    /// A new id, and the blank session's record with what the handler put into it; `None` if it put in nothing.
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

    /// Commits a stored session that is unchanged. Whatever fails here, the handler's response is as true as before, and
    /// the visitor's next request tries the touch again.
    async fn keep_alive(self) -> Result<Committed> {
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
        // A cookie may go out only for a session that is still there under this id. The touch does not tell: after a
        // rotation, it may have met the trace.
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
    async fn store(mut self) -> Result<Committed> {
        let rotated = if self.changes.rotates() { Some(SessionId::generate()?) } else { None };
        let key = rotated.as_ref().map_or(*self.seen.key(), SessionKey::of);
        let under_key = |mut record: Record| {
            record.set_key(key);
            record
        };
        let changed = under_key(self.changes.onto_seen(&self.seen));
        if changed == self.seen {
            return self.keep_alive().await;
        }
        let swap = Swap {
            seen: &self.seen,
            arrived: self.arrived,
            changed,
            change: |current: &Record| self.changes.onto_current(&self.seen, current).map(under_key),
        };
        let Some(record) = self.sessions.swap(swap).await? else { return Ok(self.lost()) };
        let Some(id) = rotated else {
            let id = self.id.take().filter(|_| self.cookie_changes());
            let is_renewal = !self.changes.concern_cookie();
            return Ok(Committed { is_renewal, ..self.stored(Outcome::Stored, record, id.as_ref()) });
        };
        self.leave_trace(record.key()).await;
        Ok(self.stored(Outcome::Rotated, record, Some(&id)))
    }

    fn cookie_changes(&self) -> bool {
        let policy = self.sessions.policy();
        policy.rolling || self.changes.concern_cookie() || self.renews_cookie()
    }

    fn renews_cookie(&self) -> bool {
        let before = self.seen_before.unwrap_or(self.seen.last_seen());
        self.sessions.policy().renews_cookie(&self.seen, before, self.arrived)
    }

    /// Opens the grace window, if the site has one.
    async fn leave_trace(&self, new: &SessionKey) {
        // Never after a change of the owner: an attacker may have planted the old id.
        if let Some(grace) = self.sessions.policy().rotation_grace
            && !self.changes.log_in()
        {
            let now = self.now();
            let trace = grace::trace(*self.seen.key(), new, grace, now);
            // The rotation is done, and the visitor must get the new id. Without the trace, a request with the old id
            // begins with a blank session, which is no more than the site without a grace window.
            let _ = self.sessions.0.store.create(&trace, now).await;
        }
    }

    /// Commits a session that was destroyed. What the handler put in after that begins a new session.
    async fn end(self, ended: Record) -> Result<Committed> {
        let Some((id, record)) = self.first_record()? else {
            return self.destroy(ended).await;
        };
        // The store does it as a rotation, in one step, so that there is no moment with both sessions or with neither.
        let change = |_: &Record| Ok(record.clone());
        let swap = Swap { seen: &ended, arrived: self.arrived, changed: record.clone(), change };
        match self.sessions.swap(swap).await? {
            Some(record) => Ok(self.stored(Outcome::Created, record, Some(&id))),
            None => Ok(self.lost()),
        }
    }

    async fn destroy(self, ended: Record) -> Result<Committed> {
        // The second of two logouts must not remove the cookie: it may be that of a login in between.
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
        Committed { lost: self.changes.names_set(), ..Committed::new(Outcome::Lost, None) }
    }

    fn cookie(&self, record: &Record, id: Option<&SessionId>, now: Timestamp) -> Option<SetCookie> {
        id.map(|id| self.sessions.policy().set_cookie(id, record, now))
    }

    fn now(&self) -> Timestamp {
        self.sessions.policy().now()
    }
}
