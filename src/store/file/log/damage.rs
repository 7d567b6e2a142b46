//! Places in the files that are not what was written there.

use std::sync::PoisonError;

use crate::model::key::SessionKey;
use crate::store::file::threads::Mutex;

/// A place in a file that is not what was written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file, relative to the store's directory.
    pub file: String,
    /// Where it begins, in bytes.
    pub from: u64,
    /// Where it ends.
    pub to: u64,
    /// The session whose record it was, if that can be told.
    pub key: Option<SessionKey>,
}

/// The places met since the store was opened.
#[derive(Default)]
pub(crate) struct Damages(Mutex<Vec<Damage>>);

/// How many of them are remembered; beyond it they are only passed over.
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
