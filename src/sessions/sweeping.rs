//! Sweeping and counting by today's policy.
//!
//! A store knows the deadlines that its sessions were stored with, and no policy. So after a deploy that shortens the policy,
//! stored deadlines that are later than it are brought down to it, once: from then on the store's own limits, counts and sweeps
//! know the policy, and no store needs a formula with the policy in it. Nothing here ends a session by itself, so a session that
//! another process has just seen lives on.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::Poll;

use crate::model::error::{ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::record::Record;
use crate::model::time::Clock;
use crate::sessions::handle::Sessions;
use crate::sessions::swap::{ATTEMPTS, Swapped, contention};
use crate::store::sweeper::SweeperBuilder;
use crate::store::sweeper::beside_creates::{BEHIND, over_by};
use crate::store::{Store, Swept};

/// How many sessions are brought down side by side, so that they share the store's waits for its disk.
const AT_ONCE: usize = 64;

impl<S: Store> Sessions<S> {
    /// Counts the sessions that live by today's policy. [`Store::count`] counts by the deadlines that are stored, at much less
    /// cost: this looks at each session.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// # sessions.test_cookie(|session| session.login("user 42")).await?;
    /// assert_eq!(sessions.count().await?, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The store's errors, one for a session that cannot be read included.
    pub async fn count(&self) -> Result<u64> {
        let (now, mut live) = (self.policy().now(), 0);
        let mut visit = |record: Record| {
            live += u64::from(self.is_live(&record, now));
            ControlFlow::Continue(())
        };
        self.0.store.scan(now, &mut visit).await?;
        Ok(live)
    }

    /// Removes sessions that have been over by today's policy for five minutes, for clocks may differ by that: at most `budget`
    /// of them. Says whether there are more. A [`sweeper`](Sessions::sweeper) makes these calls in the background.
    ///
    /// [`Store::sweep`] removes what is over by the deadlines that it was stored with. After a deploy that shortened the
    /// policy, sessions have later ones. So the first call of a process looks at each stored session, and it and the next ones
    /// write today's deadlines into those that have later ones, into `budget` of them a call. From then on the store
    /// itself removes them in time, and neither its limits nor its [`count`](Store::count) count them longer; a policy that is
    /// made longer again does not lengthen them. Where there were some, a call looks again an hour later, for another process
    /// may have stored more under the earlier policy. Sessions with a lifetime of their own stay as they are, and those that a
    /// clock stored that was ahead.
    ///
    /// The look is one call of [`Store::scan`]. On a `FileStore` it gives an async executor no turn, so it is for a thread of
    /// its own, such as the sweeper's.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> cloakroom::Result<()> {
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// while sessions.sweep(1000).await?.more {}
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The store's errors. One for a session that cannot be read keeps none of the others from being swept.
    pub async fn sweep(&self, budget: usize) -> Result<Swept> {
        let lowered = self.lower(budget).await;
        let swept = self.0.store.sweep(over_by(self.policy().now(), BEHIND), budget).await?;
        Ok(Swept { more: lowered? || swept.more, ..swept })
    }

    /// The settings of a sweeper for this store and this clock, which sweeps by this policy as [`sweep`](Sessions::sweep) does.
    ///
    /// A site may do without one: in a `MemoryStore` and a `FileStore`, expired sessions leave with later ones that are created,
    /// two with each. A sweeper removes all of them, also while no session is created, and those that a shorter policy ends.
    ///
    /// ```
    /// # use cloakroom::{MemoryStore, Sessions};
    /// # let sessions = Sessions::builder(MemoryStore::new()).build()?;
    /// let sweeper = sessions.sweeper().spawn()?; // sweeps until it is dropped
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    #[doc(alias("continuously_delete_expired", "purge"))]
    pub fn sweeper(&self) -> SweeperBuilder<Arc<S>, Arc<dyn Clock>> {
        let sessions = self.clone();
        let lower = move |budget| {
            let sessions = sessions.clone();
            Box::pin(async move { sessions.lower(budget).await }) as _
        };
        SweeperBuilder::new(Arc::clone(&self.0.store), Arc::clone(self.clock())).prepared_by(Box::new(lower))
    }

    /// Brings the deadlines of so many sessions down to the policy. Says whether there are more.
    async fn lower(&self, budget: usize) -> Result<bool> {
        let looked = self.look_for_later_deadlines().await;
        let lowering = &self.0.lowering;
        let keys = lowering.take(budget);
        for (at, chunk) in keys.chunks(AT_ONCE).enumerate() {
            if let Err(error) = self.lower_these(chunk).await {
                lowering.put_back(&keys[at * AT_ONCE..]);
                return Err(error);
            }
        }
        looked.map(|()| !lowering.is_done())
    }

    async fn look_for_later_deadlines(&self) -> Result<()> {
        let now = self.policy().now();
        if !self.0.lowering.begins(now) {
            return Ok(());
        }
        let mut found = Vec::new();
        let mut visit = |record: Record| {
            found.extend(self.policy().lowered(&record, now).map(|_| *record.key()));
            ControlFlow::Continue(())
        };
        // A session that cannot be read makes the scan fail, and hides none of the others.
        let scanned = self.0.store.scan(now, &mut visit).await;
        self.0.lowering.found(found, scanned.is_ok());
        scanned
    }

    async fn lower_these(&self, keys: &[SessionKey]) -> Result<()> {
        let found = self.0.store.find_all(keys, self.policy().now()).await;
        let mut lowering = Vec::with_capacity(keys.len());
        for found in found {
            match found {
                Ok(found) => lowering.extend(found.live().map(|record| self.lower_one(record))),
                Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NewerFormat) => {}
                Err(error) => return Err(error),
            }
        }
        side_by_side(lowering).await.into_iter().collect()
    }

    async fn lower_one(&self, mut record: Record) -> Result<()> {
        for attempt in 0..ATTEMPTS {
            let now = self.policy().now();
            let Some(lowered) = self.policy().lowered(&record, now) else { return Ok(()) };
            match self.try_swap(record.key(), record.revision(), lowered, None, attempt).await {
                Ok(Swapped::Conflict(current)) => record = current,
                Ok(Swapped::Stored(_) | Swapped::Gone) => return Ok(()),
                // Where no save has room any more, an end has, and gives some back.
                Err(error) if *error.kind() == ErrorKind::Full && self.policy().is_over(&record, now) => {
                    return self.0.store.destroy(record.key(), None).await.map(drop);
                }
                Err(error) => return Err(error),
            }
        }
        Err(contention(record.key()))
    }
}

async fn side_by_side<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    poll_fn(move |context| {
        for (future, done) in running.iter_mut().filter(|(_, done)| done.is_none()) {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                *done = Some(output);
            }
        }
        match running.iter().all(|(_, done)| done.is_some()) {
            true => Poll::Ready(running.drain(..).filter_map(|(_, done)| done).collect()),
            false => Poll::Pending,
        }
    })
    .await
}
