//! What the fuzz targets share.

pub mod forged;

use std::collections::BTreeMap;
use std::sync::Arc;

use cloakroom::{Data, SessionKey, Timestamp};

/// When everything begins.
pub const NOW: Timestamp = Timestamp::from_secs(1_000_000);

/// One of few keys, so that operations meet each other.
pub fn key(n: u8) -> SessionKey {
    SessionKey::from_bytes([n; 16])
}

/// An entry whose value is these bytes.
pub fn data(value: &[u8]) -> Data {
    let name: Arc<str> = "v".into();
    Data::from_entries(&BTreeMap::from([(name, value)]))
}

/// One of few owners, or none.
pub fn owner(n: u8) -> Option<&'static str> {
    [None, Some("ada"), Some("Ada"), Some("grace")][usize::from(n % 4)]
}
