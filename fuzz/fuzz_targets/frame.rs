//! Frames: what was written reads back, and nothing else reads as a frame with another body.

#![no_main]

use cloakroom::fuzzing::Frame;
use cloakroom_fuzz::forged::Forged;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

const HEAD: usize = 37;

#[derive(Arbitrary, Debug)]
struct Input {
    segment: u32,
    offset: u32,
    durable: Option<u32>,
    frame: Forged,
    /// Places in the body and what they become.
    changes: Vec<(u16, u8)>,
    behind: Vec<u8>,
    arbitrary: Vec<u8>,
}

fuzz_target!(|input: Input| {
    let Input { segment, changes, behind, arbitrary, .. } = input;
    let offset = input.offset % (1 << 31);
    let frame = input.frame.frame();
    if let Some(later) = input.durable.filter(|durable| *durable > offset) {
        let bytes = frame.write(segment, offset, Some(later));
        assert_eq!(Frame::read(&bytes, segment, offset), None, "it knows what comes after it");
    }
    let durable = input.durable.filter(|durable| *durable <= offset);
    let mut bytes = frame.write(segment, offset, durable);
    let length = bytes.len();
    bytes.extend(&behind);
    let read = Frame::read(&bytes, segment, offset).expect("what was written reads back");
    if !has_odd_batch(&frame) {
        assert_eq!(read, frame);
    }
    assert_eq!(Frame::read(&bytes[..length - 1], segment, offset), None, "a cut frame");

    let before = bytes.clone();
    for (at, value) in changes {
        if length > HEAD {
            bytes[HEAD + usize::from(at) % (length - HEAD)] = value;
        }
    }
    if bytes != before {
        assert_eq!(Frame::read(&bytes, segment, offset), None, "a body that was not written");
    }

    // Whatever the bytes are: no panic, and what reads as a frame lies within them.
    for bytes in [&arbitrary, &[&before[..HEAD], &arbitrary].concat()] {
        if let Some(frame) = Frame::read(bytes, segment, offset) {
            assert!(frame.write(segment, offset, durable).len() <= bytes.len());
        }
    }
});

/// A batch whose body is not frames, or holds a batch, reads as one of fewer frames.
fn has_odd_batch(frame: &Frame) -> bool {
    let is_batch = |frame: &Frame| matches!(frame, Frame::Batch(_) | Frame::Plain { kind: 4, .. });
    match frame {
        Frame::Plain { .. } => is_batch(frame),
        Frame::Batch(inner) => inner.iter().any(is_batch),
    }
}
