//! Session ids and handles: each has one spelling, and nothing else is one.

#![no_main]

use cloakroom::{InvalidId, SessionId, SessionKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let in_alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match SessionId::parse(bytes) {
        Ok(id) => {
            assert_eq!(id.expose().as_bytes(), bytes);
            let again = SessionId::parse(id.expose()).unwrap();
            assert!(again == id && SessionKey::of(&again) == SessionKey::of(&id));
            assert_eq!(format!("{id:?}"), "SessionId(..)");
        }
        Err(InvalidId::Length(length)) => assert!(length == bytes.len() && length != 32),
        Err(InvalidId::Alphabet) => assert!(bytes.len() == 32 && !bytes.iter().all(in_alphabet)),
        Err(other) => panic!("{other}"),
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let is_handle = bytes.len() == 32 && bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        match text.parse::<SessionKey>() {
            Ok(key) => assert_eq!(key.to_string(), text),
            Err(_) => assert!(!is_handle),
        }
        assert_eq!(text.parse::<SessionKey>().is_ok(), is_handle);
    }
});
