//! Records: any bytes are a record or a typed error, and a record reads back as what it was.

#![no_main]

use cloakroom::{ErrorKind, Record, Revision, SessionKey};
use libfuzzer_sys::fuzz_target;

const KEY: SessionKey = SessionKey::from_bytes([7; 16]);
const REVISION: Revision = Revision::from_u64(1);

fuzz_target!(|bytes: &[u8]| {
    match Record::from_bytes(KEY, REVISION, bytes) {
        Ok(record) => {
            let again = record.to_bytes();
            assert_eq!(Record::from_bytes(KEY, REVISION, &again).unwrap(), record);
            assert!(record.data().iter().all(|(name, value)| record.data().get(name) == Some(value)));
            let _ = format!("{record:?}");
        }
        Err(error) => assert!(matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NewerFormat), "{error}"),
    }
});
