//! Changes to sessions from outside of their requests: spawned tasks, all sessions of a user, tests of handlers.

use std::sync::Arc;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::KeyMap;
use crate::model::owner::Owner;
use crate::model::record::Record;
use crate::model::trace::{Trace, TraceKind};
use crate::session::{Policy, Session, State};
use crate::sessions::handle::Sessions;
use crate::sessions::swap::{ATTEMPTS, Swapped, contention};
use crate::sessions::traced::HOPS;
use crate::store::{Found, Store};

impl<S: Store> Sessions<S> {
    /// Changes a session from outside of its requests, for example in a task that goes on after the response and keeps a
    /// clone of `session` for this, committed or not. Gives what `f` gives, or `None` if the session is gone. If a user's
    /// session has a new id meanwhile, it is found by its owner and its [handle](crate::Handle); an anonymous visitor's as long as
    /// the [trace](crate::SessionsBuilder::traces_last) of the rotation stands.
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
        for attempt in 0..ATTEMPTS {
            let Some(record) = self.whereabouts(&seen).await? else { return Ok(None) };
            if let Edited::Done(_, value) = self.try_edit(record, &f, attempt).await? {
                return Ok(Some(value));
            }
        }
        Err(contention(seen.key()))
    }

    /// Whether a session goes on, under this id or, after a rotation or a login of the same user, under another. A WebSocket
    /// that was opened before can tell by this whether the session was rotated or has ended. A session without an owner is
    /// found under another id as long as the [trace](crate::SessionsBuilder::traces_last) of the rotation stands.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// # let cookie = sessions.test_cookie(|session| session.login("user 42")).await?;
    /// let kept = sessions.open([&cookie]).await?; // by the WebSocket
    /// let session = sessions.open([&cookie]).await?; // by a later request
    /// session.rotate()?;
    /// sessions.commit(session).await?;
    /// assert!(sessions.still_lives(&kept).await?);
    /// sessions.end_all("user 42").await?;
    /// assert!(!sessions.still_lives(&kept).await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The store's errors.
    pub async fn still_lives(&self, session: &Session) -> Result<bool> {
        let Some(seen) = session.unseen_state().stored() else { return Ok(false) };
        Ok(self.whereabouts(&seen).await?.is_some())
    }

    /// The session that was seen so, under whatever key it is now.
    async fn whereabouts(&self, seen: &Record) -> Result<Option<Record>> {
        let now = self.policy().now();
        let is_it = |record: &Record| {
            (record.owner(), record.handle()) == (seen.owner(), seen.handle()) && self.is_live(record, now)
        };
        let trace = match self.0.store.find(seen.key(), now).await? {
            Found::Live(record) => return Ok(Some(record).filter(|record| self.is_live(record, now))),
            Found::Trace(trace) => Some(trace),
            Found::Nothing => None,
        };
        match (seen.owner(), trace) {
            (Some(owner), _) => Ok(self.family(owner, seen.handle()).await?.into_iter().find(is_it)),
            (None, Some(trace)) => Ok(self.follow(&trace, HOPS).await?.alive.into_iter().find(is_it)),
            (None, None) => Ok(None),
        }
    }

    /// One attempt to change a session.
    async fn try_edit<T>(&self, record: Record, f: impl Fn(&Session) -> Result<T>, attempt: u32) -> Result<Edited<T>> {
        let (key, revision) = (*record.key(), record.revision());
        let (wish, value) = run(&self.0.policy, record, &f)?;
        match wish {
            Wish::Nothing => Ok(Edited::Done(false, value)),
            Wish::End => {
                let was_there = self.0.store.destroy(&key, Some(&Trace::ended(self.trace_ends()))).await?;
                Ok(if was_there { Edited::Done(true, value) } else { Edited::Missed })
            }
            Wish::Store(changed) => match self.try_swap(&key, revision, changed, None, attempt).await? {
                Swapped::Stored(_) => Ok(Edited::Done(true, value)),
                Swapped::Conflict(_) | Swapped::Gone => Ok(Edited::Missed),
            },
        }
    }

    /// Changes all live sessions of a user, so that a new role for instance reaches each of them. Says how many were
    /// changed.
    ///
    /// Each session is changed as [`edit`](Sessions::edit) does it, once, until a listing has none that is new: a session that
    /// gets a new id meanwhile is changed as well, and so is one that begins.
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
        let owner = owner.into();
        // By its handle: a login leaves the same trace where a session ends that came beside the one it takes over.
        let (mut done, mut changed) = (KeyMap::default(), 0);
        for attempt in 0..ATTEMPTS {
            let now = self.policy().now();
            // What a session that was changed has been rotated to since has the change. What has replaced it may not.
            if attempt > 0 {
                let known: Vec<_> = done.iter().map(|(key, handle)| (*key, *handle)).collect();
                let keys: Vec<_> = known.iter().map(|(key, _)| *key).collect();
                for (found, (_, handle)) in self.0.store.find_all(&keys, now).await.into_iter().zip(known) {
                    let found = found?;
                    let moved = found.trace().filter(|trace| trace.kind() == TraceKind::Moved);
                    for successor in moved.iter().flat_map(|trace| trace.successors()) {
                        done.entry(*successor).or_insert(handle);
                    }
                }
            }
            let mut records = self.0.store.owned_by(&owner, now).await?;
            records.retain(|record| done.get(record.key()) != Some(record.handle()) && self.is_live(record, now));
            if records.is_empty() {
                return Ok(changed);
            }
            for record in records {
                let (key, handle) = (*record.key(), *record.handle());
                // What was missed is in the next listing, if it is there at all.
                if let Edited::Done(is_changed, ()) = self.try_edit(record, &f, attempt).await? {
                    done.insert(key, handle);
                    changed += u64::from(is_changed);
                }
            }
        }
        Err(Error::new(ErrorKind::Contention, "changing a user's sessions"))
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

/// What an attempt came to.
enum Edited<T> {
    /// It is done; whether the session was changed; what the closure gave.
    Done(bool, T),
    /// Another request changed the session or gave it another id.
    Missed,
}

/// What an edit does to its session.
enum Wish {
    Nothing,
    Store(Record),
    End,
}

fn run<T>(policy: &Arc<Policy>, record: Record, f: impl Fn(&Session) -> Result<T>) -> Result<(Wish, T)> {
    let session = Session::without_visitor(Arc::clone(policy), record);
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
