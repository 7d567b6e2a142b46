//! What the fuzz targets share.

pub mod content;
pub mod forged;
pub mod log;

use std::collections::BTreeMap;
use std::sync::Arc;

use cloakroom::{Data, SessionKey, Timestamp};
use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};

/// As many as the input yields. (A `Vec` ends at the first zero bit, so that long ones would never come up.)
#[derive(Debug)]
pub struct Many<T>(pub Vec<T>);

impl<'a, T: Arbitrary<'a>> Arbitrary<'a> for Many<T> {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let mut many = Vec::new();
        while !input.is_empty() {
            many.push(input.arbitrary()?);
        }
        Ok(Self(many))
    }
}

/// When everything begins.
pub const NOW: Timestamp = Timestamp::from_secs(1_000_000);

/// One of few keys, so that operations meet each other. Not the keys of the tests: the first is all zeros, as in frames that
/// are about no session, and the corpora were found with these bytes.
pub fn key_of_byte(n: u8) -> SessionKey {
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
