//! What stands under the ids of a request: the session that it opens, and what came beside that.

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::id::SessionId;
use crate::model::key::SessionKey;
use crate::model::record::Record;
use crate::model::time::Timestamp;
use crate::session::{Barred, Came, Policy, Stood};
use crate::sessions::handle::Sessions;
use crate::sessions::presented::Presented;
use crate::store::{Found, Store};

/// What the ids of a request lead to.
#[derive(Default)]
pub(super) struct LookedUp {
    pub(super) opened: Option<(SessionId, Record)>,
    pub(super) barred: Option<Box<Barred>>,
    /// All that came but what is opened, in order.
    pub(super) beside: Vec<Came>,
}

impl<S: Store> Sessions<S> {
    /// Looks up all ids in one call: of one owner (anonymous visitors count as one) the first session wins; of different
    /// owners none does, for nobody can say whose request it is.
    pub(super) async fn look_up(&self, presented: &Presented, now: Timestamp) -> Result<LookedUp> {
        let mut looked_up = LookedUp::default();
        match &presented.ids {
            [None, ..] => {}
            [Some(id), None, ..] => {
                let key = SessionKey::of(id);
                looked_up.add(id, key, self.0.store.find(&key, now).await, self.policy(), now)?;
            }
            ids => {
                let keys: Vec<_> = ids.iter().flatten().map(SessionKey::of).collect();
                let found = self.0.store.find_all(&keys, now).await;
                for ((id, key), found) in ids.iter().flatten().zip(keys).zip(found) {
                    looked_up.add(id, key, found, self.policy(), now)?;
                }
            }
        }
        Ok(looked_up)
    }
}

impl LookedUp {
    fn add(
        &mut self,
        id: &SessionId,
        key: SessionKey,
        found: Result<Found>,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<()> {
        let stood = match found {
            Ok(Found::Live(record)) if policy.is_over(&record, now) => Stood::Unusable,
            Ok(Found::Live(record)) if self.opened.is_none() && self.barred.is_none() => {
                self.opened = Some((id.clone(), record));
                return Ok(());
            }
            Ok(Found::Live(record)) => {
                self.lock_unless_of(&record);
                Stood::Live(Box::new(record))
            }
            Ok(Found::Trace(trace)) => Stood::Trace(trace),
            Ok(Found::Nothing) => Stood::Nothing,
            Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NewerFormat) => {
                if self.opened.is_none() && self.barred.is_none() {
                    self.barred = Some(Box::new(Barred { error, ends: false }));
                }
                Stood::Unusable
            }
            Err(error) => return Err(error),
        };
        self.beside.push(Came { key, stood });
        Ok(())
    }

    /// Puts what was opened back among the others if this session is another owner's.
    fn lock_unless_of(&mut self, other: &Record) {
        if let Some((_, first)) = self.opened.take_if(|(_, first)| first.owner() != other.owner()) {
            let error = Error::new(ErrorKind::Locked, "opening a session");
            self.barred = Some(Box::new(Barred { error, ends: false }));
            self.beside.insert(0, Came { key: *first.key(), stood: Stood::Live(Box::new(first)) });
        }
    }
}
