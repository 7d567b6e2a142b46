//! The commit: a session's changes go to the store, and its cookie to the visitor.

use crate::model::error::Result;
use crate::model::record::Record;
use crate::model::time::Timestamp;
use crate::session::{Access, Changes, Committed, Outcome, Session, State};
use crate::sessions::committing::Committing;
use crate::sessions::handle::Sessions;
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
    /// request has stored: requests that change different entries both succeed.
    ///
    /// If the session has got a new id meanwhile, the changes follow it. If it is gone, the changes are
    /// [lost](Committed::lost), and no cookie is set: another request may have logged the visitor in. A login is never lost: it
    /// begins a session. A logout ends all sessions of this user and [handle](crate::Handle), whatever id they have now.
    ///
    /// A handler behind an adapter may commit a clone early, before side effects that cannot be taken back: the response
    /// carries the cookie all the same ([`settle`](Sessions::settle)).
    ///
    /// The `Session` and all its clones are used up, also by a commit that fails. A future that is dropped leaves the
    /// commit whole or not begun, but for a login or a logout that ends several sessions: some of them may be left.
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
    /// Nothing is stored then, as far as the store can tell; a login or a logout may have ended other sessions that came.
    #[doc(alias = "save")]
    pub async fn commit(&self, session: Session) -> Result<Committed> {
        self.finish_early(session, Fate::Kept).await
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
        self.finish_early(session, self.after_error(Fate::Kept)).await
    }

    /// A commit of the application's own, which may come before the end of the request.
    async fn finish_early(&self, session: Session, fate: Fate) -> Result<Committed> {
        let is_first = session.begin_early();
        let committed = self.finish(&session, fate).await;
        if is_first {
            session.end_early(committed.as_ref().ok());
        }
        committed
    }

    pub(super) fn after_error(&self, kept: Fate) -> Fate {
        if self.policy().keep_changes_on_error { kept } else { Fate::Dropped }
    }

    pub(super) async fn finish(&self, session: &Session, fate: Fate) -> Result<Committed> {
        // Read first: what a task does with its clone from now on is not part of the response.
        let looked_at = session.was_looked_at();
        // Boxed, so that the future of a request that has nothing to commit is small.
        let begun = self.take(session, fate)?.map(|taken| Box::pin(self.carry_out(session, taken)));
        let committed = match begun {
            Some(carried_out) => carried_out.await?,
            None => Committed::new(Outcome::Unchanged, None),
        };
        Ok(Committed { looked_at, ..committed })
    }

    /// What there is to commit, if anything. The `Session` is used up.
    fn take(&self, session: &Session, fate: Fate) -> Result<Option<State>> {
        let mut state = session.unseen_state();
        if let Some(barred) = state.barred.take_if(|barred| !barred.ends) {
            state.access = Access::Committed;
            // A response that was made without the session does not depend on it.
            let is_error = session.was_looked_at() && fate == Fate::Kept;
            return if is_error { Err(barred.error) } else { Ok(None) };
        }
        state.check_open()?;
        let needs_cookie = !state.is_stored || state.changes.rotates() || state.changes.concern_cookie();
        if fate == Fate::Dropped || fate == Fate::KeptWithoutCookie && needs_cookie {
            state.changes = Changes::default();
        }
        // Of what is barred, only a login or a logout makes anything.
        let is_quiet = !state.is_stored
            || state.barred.is_some()
            || state.seen_before.is_none() && self.is_quiet(&state.record, state.arrived);
        if state.ended.is_none() && state.changes.is_empty() && !state.visitor.leaves && is_quiet {
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

    async fn carry_out(&self, session: &Session, mut taken: State) -> Result<Committed> {
        let hidden_at = taken.visitor.hidden_at.take();
        let mut committed = Committing::new(self, session, taken)?.run().await?;
        if committed.set_cookie.is_some()
            && let Some(at) = hidden_at
        {
            committed.removals = self.cookie().remove_others(&at.0, &at.1);
        }
        Ok(committed)
    }
}
