//! Hints: any bytes are a hint or none, and what is one reads back as what it was.

#![no_main]

use cloakroom::fuzzing::{hint, rewritten};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // As they are, nobody made a checksum for them.
    assert_eq!(rewritten(bytes), None);
    // How many effects there are said to be, then the effects.
    let Some((count, effects)) = bytes.split_first_chunk() else { return };
    let forged = hint(u32::from_le_bytes(*count), effects);
    if let Some(again) = rewritten(&forged) {
        // Written as a writer writes it: numbers take no more bytes than they need.
        assert!(again.len() <= forged.len());
        assert_eq!(rewritten(&again).as_ref(), Some(&again), "the same effects");
    }
});
