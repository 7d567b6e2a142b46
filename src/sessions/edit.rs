//! Sessions without their visitor: spawned tasks, changes that reach all sessions of a user, tests of handlers.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, ErrorKind, Result};
use crate::key::SessionKey;
use crate::owner::Owner;
use crate::record::Record;
use crate::session::{Policy, Session, State};
use crate::sessions::handle::Sessions;
use crate::sessions::swap::{ATTEMPTS, Swapped, contention};
use crate::store::Store;

impl<S: Store> Sessions<S> {
    /// Changes a session from outside of its requests, in a task for instance that goes on when the response was sent.
    /// `None` if it is gone.
    ///
    /// `f` runs again if a request changed the session meanwhile, on what that made of it; so neither loses anything,
    /// whatever was read. The visitor does not count as seen, and gets no cookie: a new id is refused.
    ///
    /// # Errors
    ///
    /// Whatever `f` fails with, and then nothing is stored; [`ErrorKind::NoVisitor`] for a login, a rotation, and for
    /// what is put in after [`destroy`](Session::destroy); [`ErrorKind::Contention`] after 256 conflicts; whatever the
    /// store fails with.
    pub async fn edit<T>(&self, key: &SessionKey, f: impl Fn(&Session) -> Result<T>) -> Result<Option<T>> {
        let Some(mut record) = self.load(key, self.policy().now()).await? else { return Ok(None) };
        for attempt in 0..ATTEMPTS {
            let (wish, value) = run(&self.0.policy, &record, &f)?;
            let changed = match wish {
                Wish::Nothing => return Ok(Some(value)),
                Wish::End => {
                    self.0.store.destroy(key).await?;
                    return Ok(Some(value));
                }
                Wish::Store(changed) => changed,
            };
            match self.try_swap(key, record.revision(), changed, attempt).await? {
                Swapped::Stored(_) => return Ok(Some(value)),
                Swapped::Gone => return Ok(None),
                Swapped::Conflict(current) => record = current,
            }
        }
        Err(contention(key))
    }

    /// Changes all live sessions of a user: a changed role reaches them all. Says how many were changed.
    ///
    /// Each session is changed as [`edit`](Sessions::edit) does it, in one step with the others where the store can.
    ///
    /// # Errors
    ///
    /// As [`edit`](Sessions::edit); sessions before the one that failed may be changed already.
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
            self.0.store.destroy(&key).await?;
            changed += 1;
        }
        Ok(changed)
    }

    /// For tests of handlers: stores a session into which `f` put something, a login for instance, and gives the
    /// value of the `Cookie` header that opens it.
    ///
    /// # Errors
    ///
    /// Whatever `f` or the store fails with; [`ErrorKind::Config`] if nothing was put in, so that there is no session.
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

/// What an edit wants of a session.
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
    let wish = match ended {
        None if changes.is_empty() => Wish::Nothing,
        None => Wish::Store(changes.onto_seen(&record)),
        Some(_) if changes.is_empty() => Wish::End,
        Some(_) => return Err(Error::new(ErrorKind::NoVisitor, "beginning a session in place of another")),
    };
    Ok((wish, value))
}
