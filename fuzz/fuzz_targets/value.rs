//! Values: any bytes are a value or a typed error, and a value reads back as what it was.

#![no_main]

use cloakroom::value::{self, ValueError};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    match value::to_json(bytes) {
        Ok(json) => {
            let again = value::encode(&json).expect("what was read can be written");
            assert!(again.len() <= bytes.len(), "and takes no more room");
            assert_eq!(value::decode::<Value>(&again).unwrap(), json);
        }
        Err(error) => assert!(matches!(error, ValueError::Damaged | ValueError::TooDeep), "{error}"),
    }
    // Bytes that are JSON are a value to store, unless it is too deep.
    if let Ok(json) = serde_json::from_slice::<Value>(bytes)
        && let Ok(stored) = value::encode(&json)
    {
        assert_eq!(value::to_json(&stored).unwrap(), json);
    }
});
