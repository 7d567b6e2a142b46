//! Changes to sessions from outside of their requests: spawned tasks, all sessions of a user, tests of handlers.

use std::sync::{Arc, Mutex, PoisonError};

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::owner::Owner;
use crate::model::record::Record;
use crate::session::{Policy, Session, State};
use crate::sessions::handle::Sessions;
use crate::sessions::swap::{ATTEMPTS, Swapped, contention};
use crate::store::Store;

impl<S: Store> Sessions<S> {
    /// Changes a session from outside of its requests, for example in a task that goes on after the response and keeps a
    /// clone of `session` for this, committed or not. Gives what `f` gives, or `None` if the session is gone. If a user's
    /// session has a new id meanwhile, it is found by its owner and its [handle](crate::Handle).
    ///
    /// If a request changes the session meanwhile, `f` runs again on what that request has stored. So neither loses a
    /// change. The visitor does not count as seen, and no response can carry a new id to them.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// # let cookie = sessions.test_cookie(|session| session.login("user 42")).await?;
    /// # let session = sessions.open([&cookie]).await?;
    /// let _ = sessions.commit(session.clone()).await?; // the response is sent
    /// let edited = sessions.edit(&session, |session| session.insert("report", "ready")).await?;
    /// assert!(edited.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - The error of `f`; nothing is stored then.
    /// - [`ErrorKind::NoVisitor`] for a login or a rotation, and if `f` puts something in after
    ///   [`destroy`](Session::destroy).
    /// - [`ErrorKind::Contention`] after 256 conflicts.
    /// - The store's errors.
    pub async fn edit<T>(&self, session: &Session, f: impl Fn(&Session) -> Result<T>) -> Result<Option<T>> {
        let Some(seen) = session.unseen_state().stored() else { return Ok(None) };
        let mut found = self.whereabouts(&seen).await?;
        for attempt in 0..ATTEMPTS {
            let Some(record) = found else { return Ok(None) };
            let (wish, value) = run(&self.0.policy, &record, &f)?;
            let key = record.key();
            let changed = match wish {
                Wish::Nothing => return Ok(Some(value)),
                Wish::End => {
                    self.0.store.destroy(key, None).await?;
                    return Ok(Some(value));
                }
                Wish::Store(changed) => changed,
            };
            match self.try_swap(key, record.revision(), changed, attempt).await? {
                Swapped::Stored(_) => return Ok(Some(value)),
                Swapped::Gone => found = self.whereabouts(&seen).await?,
                Swapped::Conflict(current) => found = Some(current),
            }
        }
        Err(contention(seen.key()))
    }

    /// The session that was seen so, under whatever key it is now.
    async fn whereabouts(&self, seen: &Record) -> Result<Option<Record>> {
        let now = self.policy().now();
        if let Some(record) = self.load(seen.key(), now).await? {
            return Ok(Some(record));
        }
        let Some(owner) = seen.owner() else { return Ok(None) };
        Ok(self.family(owner, seen.handle()).await?.into_iter().find(|record| self.is_live(record, now)))
    }

    /// Changes all live sessions of a user, so that a new role for instance reaches each of them. Says how many were
    /// changed.
    ///
    /// Each session is changed as [`edit`](Sessions::edit) does it; where the store supports it, all in one step.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// # sessions.test_cookie(|session| session.login("user 42")).await?;
    /// let changed = sessions.update_owned_by("user 42", |session| session.insert("role", "editor")).await?;
    /// assert_eq!(changed, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`edit`](Sessions::edit). Some of the sessions may be changed then.
    pub async fn update_owned_by(
        &self,
        owner: impl Into<Owner>,
        f: impl Fn(&Session) -> Result<()> + Send + Sync,
    ) -> Result<u64> {
        let (owner, now) = (owner.into(), self.policy().now());
        let ended = Mutex::new(Vec::new());
        let change = |record: &mut Record| {
            if !self.is_live(record, now) {
                return Ok(false);
            }
            match run(&self.0.policy, record, &f)?.0 {
                Wish::Nothing => return Ok(false),
                Wish::Store(changed) => *record = changed,
                Wish::End => {
                    ended.lock().unwrap_or_else(PoisonError::into_inner).push(*record.key());
                    return Ok(false);
                }
            }
            Ok(true)
        };
        let mut changed = self.0.store.update_owned_by(&owner, change, now).await?;
        for key in ended.into_inner().unwrap_or_else(PoisonError::into_inner) {
            self.0.store.destroy(&key, None).await?;
            changed += 1;
        }
        Ok(changed)
    }

    /// For tests of handlers: stores a session into which `f` has put something, such as a login, and gives the value
    /// of the `Cookie` header that opens it.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// let cookie = sessions.test_cookie(|session| session.login("user 42")).await?;
    /// let session = sessions.open([cookie]).await?;
    /// assert_eq!(session.owner()?, Some("user 42".into()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The error of `f`; the store's errors; [`ErrorKind::Config`] if `f` puts nothing in, so that there is no session.
    pub async fn test_cookie(&self, f: impl FnOnce(&Session) -> Result<()>) -> Result<String> {
        let session = self.blank();
        f(&session)?;
        let committed = self.commit(session).await?;
        match committed.set_cookie().and_then(|cookie| cookie.as_str().split(';').next()) {
            Some(pair) => Ok(pair.to_owned()),
            None => Err(Error::new(ErrorKind::Config, "making a cookie for a test").because("nothing was put in")),
        }
    }
}

/// What an edit does to its session.
enum Wish {
    Nothing,
    Store(Record),
    End,
}

fn run<T>(policy: &Arc<Policy>, record: &Record, f: impl Fn(&Session) -> Result<T>) -> Result<(Wish, T)> {
    let session = Session::without_visitor(Arc::clone(policy), record.clone());
    let value = f(&session)?;
    let State { record, ended, changes, .. } = {
        let mut state = session.unseen_state();
        state.check_open()?;
        state.take()
    };
    let changed = changes.onto_seen(&record);
    let wish = match ended {
        None if changed == record => Wish::Nothing,
        None => Wish::Store(changed),
        Some(_) if changes.is_empty() => Wish::End,
        Some(_) => return Err(Error::new(ErrorKind::NoVisitor, "beginning a session in place of another")),
    };
    Ok((wish, value))
}
