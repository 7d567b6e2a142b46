//! The list of damaged places that a process has met. It judges nothing; replay and loads decide what is damage.

use std::sync::PoisonError;

use crate::model::key::SessionKey;
use crate::store::file::threads::Mutex;

/// A place in a file whose bytes are not those that were written there. The file may be missing, if the log was durable once
/// beyond where it ends.
/// [`FileStore::damage`](crate::FileStore::damage) has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The file, relative to the store's directory.
    pub file: String,
    /// Where it begins, in bytes.
    pub from: u64,
    /// Where it ends.
    pub to: u64,
    /// The session whose record stood there, if that is known.
    pub key: Option<SessionKey>,
}

/// The places met since the store was opened, each once.
#[derive(Default)]
pub(crate) struct Damages(Mutex<Vec<Damage>>);

/// How many places are remembered. Further ones are passed over like the others, and not listed.
const DAMAGE_KEPT: usize = 1000;

impl Damages {
    pub(crate) fn list(&self) -> Vec<Damage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn add(&self, damage: Damage) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < DAMAGE_KEPT && !known.contains(&damage) {
            known.push(damage);
        }
    }
}
