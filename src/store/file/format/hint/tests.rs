//! A hint reads back, and nothing else does.

use std::time::Duration;

use super::effects::{DESTROY, END_OTHERS, END_OWNED, SWEEP, TOUCH, TRIM};
use super::*;
use crate::model::key::SessionKey;
use crate::model::lifetime::Expiry;
use crate::model::record::Revision;
use crate::model::time::Timestamp;
use crate::store::file::format::frame::{Frames, NO_KEY};
use crate::store::file::format::meta::{RecordMeta, trace_expiry};
use crate::store::file::format::segment;

const SALT: u64 = 0x5eed;
const SEGMENT: u32 = 7;
const LENGTH: u32 = 4096;

fn key(n: u8) -> SessionKey {
    SessionKey::from_bytes([n; 16])
}

fn seal() -> Seal {
    let at = Position::new(SEGMENT, LENGTH - HEAD as u32);
    let mut frames = Frames::at(at, at, SALT);
    frames.push(Kind::Seal, &NO_KEY, &[]);
    *frames.bytes().first_chunk().unwrap()
}

fn put(n: u8, offset: u32, seen: u64, idle: Option<u64>, deadline: Option<u64>, owner: Option<&str>) -> Effect {
    let at = Position::new(SEGMENT, offset);
    let idle = idle.map(Duration::from_millis);
    let expiry = Expiry::from_parts(Timestamp::from_millis(seen), idle, deadline.map(Timestamp::from_millis));
    let revision = Revision::from_u64(if n.is_multiple_of(2) { at.as_u64() } else { 0x0000_0003_0000_0040 });
    Effect::Put(key(n), RecordMeta { at, bytes: 100, revision, expiry, owner: owner.map(Into::into), is_trace: false })
}

fn trace(n: u8, offset: u32, ends: u64) -> Effect {
    match put(n, offset, 0, None, None, None) {
        Effect::Put(key, meta) => {
            let expiry = trace_expiry(Timestamp::from_millis(ends));
            Effect::Put(key, RecordMeta { expiry, is_trace: true, ..meta })
        }
        other => other,
    }
}

fn effects() -> Vec<Effect> {
    vec![
        Effect::Clear,
        Effect::Touch(key(1), Timestamp::from_millis(1_000)),
        Effect::Sweep(Timestamp::from_millis(70_000), key(2)),
        Effect::Touch(key(3), Timestamp::from_millis(900)),
        Effect::Destroy(key(4)),
        Effect::EndOwned("ada".into(), None),
        Effect::EndOwned("ada".into(), Some(key(5))),
        put(6, 64, 1_000, Some(500), Some(9_000), Some("ada")),
        put(8, 164, 1_100, Some(500), Some(9_100), None),
        put(9, 1_000, 1_050, None, None, None),
        put(10, 1_100, 1_050, None, None, None),
        trace(12, 1_200, 2_000),
        trace(13, 1_300, 2_000),
        // It says of its lifetime what the session before the traces did.
        put(14, 1_400, 2_000, None, None, None),
        Effect::Trim(5),
    ]
}

fn bytes() -> Vec<u8> {
    of_effects(&effects(), SEGMENT, LENGTH, &seal(), SALT)
}

fn parse(bytes: &[u8]) -> Option<Hint> {
    Hint::parse(bytes, SEGMENT, LENGTH, &seal(), SALT)
}

fn said(effects: impl Iterator<Item = Effect>) -> Vec<String> {
    let meta = |meta: &RecordMeta| {
        let RecordMeta { at, bytes, revision, expiry, owner, is_trace } = meta;
        format!("{at:?} {bytes} {revision:?} {expiry:?} {owner:?} {is_trace}")
    };
    effects
        .map(|effect| match effect {
            Effect::Put(key, it) => format!("put {key} {}", meta(&it)),
            Effect::Move(key, it) => format!("move {key} {}", meta(&it)),
            Effect::Touch(key, seen) => format!("touch {key} {seen:?}"),
            Effect::Sweep(end, key) => format!("sweep {end:?} {key}"),
            Effect::Destroy(key) => format!("destroy {key}"),
            Effect::EndOwned(owner, but) => format!("end owned {owner} {but:?}"),
            Effect::Trim(oldest) => format!("trim {oldest}"),
            Effect::Clear => "clear".into(),
            Effect::Seal => "seal".into(),
        })
        .collect()
}

/// Gives changed bytes a right checksum.
fn corrected(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - CHECKSUM);
    checked(bytes, SALT)
}

#[test]
fn a_hint_reads_back() {
    let bytes = bytes();
    assert_eq!(said(parse(&bytes).unwrap().effects.into_iter()), said(effects().into_iter()));
}

#[test]
fn the_layout_is_the_documented_one() {
    let mut expected = b"cloakht\0\x01\0\0\0\x07\0\0\0\0\x10\0\0\x0f\0\0\0".to_vec();
    expected.extend(seal());
    expected.extend([0; 3]);
    let touched = |n: u8, rest: &[u8]| [&[TOUCH][..], &[n; 16], rest].concat();
    expected.push(1);
    // 1,000 does not fit one byte, and zigzag doubles it.
    expected.extend(touched(1, &[251, 0xd0, 7]));
    expected.extend([&[SWEEP][..], &[2; 16], &[252, 0x70, 0x11, 1, 0]].concat());
    expected.extend(touched(3, &[199]));
    expected.extend([&[DESTROY][..], &[4; 16]].concat());
    expected.extend([&[END_OWNED][..], &[3], b"ada"].concat());
    expected.extend([&[END_OTHERS][..], &[5; 16], &[3], b"ada"].concat());
    // 100 longer, 100 later; idle for 500, then a deadline after 8,000.
    expected.extend([&[128 + 4 + 16][..], &[6; 16], &[200, 200, 251, 0xf5, 1, 251, 0x80, 0x3e, 3], b"ada"].concat());
    expected.extend([&[128][..], &[8; 16], &[0, 200]].concat());
    // 736 bytes further on, 50 earlier, put in segment 3 and moved since, never ending.
    let revision = [253, 0x80, 0, 0, 0, 6, 0, 0, 0];
    expected.extend([&[128 + 1 + 2 + 4 + 8][..], &[9; 16], &[251, 0xe0, 2, 0, 99], &revision, &[0]].concat());
    expected.extend([&[128][..], &[10; 16], &[0, 0]].concat());
    // Two traces, the first of which ends 950 later; the second was put in segment 3, too.
    expected.extend([&[128 + 32][..], &[12; 16], &[0, 251, 0x6c, 7]].concat());
    expected.extend([&[128 + 2 + 32][..], &[13; 16], &[0, 0, 0]].concat());
    expected.extend([&[128][..], &[14; 16], &[0, 0]].concat());
    expected.extend([TRIM, 5]);
    expected.extend(xxh3_64_with_seed(&expected, SALT).to_le_bytes());
    assert_eq!(bytes(), expected);
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let bytes = bytes();
    for at in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        assert!(parse(&flipped).is_none(), "bit {at}");
    }
    for cut in 0..bytes.len() {
        assert!(parse(&bytes[..cut]).is_none(), "cut at {cut}");
    }
    assert!(parse(&[&bytes[..], &[0]].concat()).is_none());
}

#[test]
fn a_hint_is_of_one_segment_of_one_length_with_one_seal_in_one_store() {
    let bytes = bytes();
    let mut other = seal();
    assert!(Hint::parse(&bytes, SEGMENT + 1, LENGTH, &seal(), SALT).is_none());
    assert!(Hint::parse(&bytes, SEGMENT, LENGTH + 1, &seal(), SALT).is_none());
    assert!(Hint::parse(&bytes, SEGMENT, LENGTH, &seal(), SALT + 1).is_none());
    other[4] ^= 1;
    assert!(Hint::parse(&bytes, SEGMENT, LENGTH, &other, SALT).is_none());
    // A frame that is no valid seal is refused, even where the hint has the same bytes.
    let planted = of_effects(&effects(), SEGMENT, LENGTH, &other, SALT);
    assert!(Hint::parse(&planted, SEGMENT, LENGTH, &other, SALT).is_none());
}

#[test]
fn a_newer_format_is_no_hint() {
    let mut newer = bytes();
    newer[8] = 2;
    assert!(parse(&corrected(newer)).is_none());
}

#[test]
fn a_hint_whose_checks_are_right_and_whose_effects_are_not_is_none() {
    let whole = bytes();
    assert!(parse(&corrected(whole.clone())).is_some());
    for at in HEADER..whole.len() - CHECKSUM {
        for value in [0, 6, 127, 128, 160, 255] {
            let mut changed = whole.clone();
            changed[at] = value;
            // If it still parses, it names positions of this segment only.
            for effect in parse(&corrected(changed)).into_iter().flat_map(|hint| hint.effects) {
                if let Effect::Put(_, meta) = effect {
                    assert_eq!(meta.at.segment(), SEGMENT);
                    assert!(
                        meta.at.offset() >= segment::HEADER && meta.at.offset() + meta.bytes <= LENGTH - HEAD as u32
                    );
                }
            }
        }
    }
    let mut fewer = whole.clone();
    fewer[20] -= 1;
    assert!(parse(&corrected(fewer)).is_none(), "bytes are left over");
    let mut more = whole;
    more[20..24].fill(255);
    assert!(parse(&corrected(more)).is_none(), "bytes are missing");
}

#[test]
fn most_sessions_take_no_more_than_24_bytes() {
    let mut random = 1u64;
    let effects: Vec<Effect> = (0..1000u32)
        .scan((64, 1_700_000_000_000), |(offset, seen), _| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (bytes, at) = (500 + (random >> 40) as u32 % 200, Position::new(SEGMENT, *offset));
            *seen += (random >> 50) % 30_000;
            let expiry = Expiry::from_parts(
                Timestamp::from_millis(*seen),
                Some(Duration::from_secs(1800)),
                Some(Timestamp::from_millis(*seen + 43_200_000)),
            );
            *offset += bytes;
            Some(Effect::Put(
                key(1),
                RecordMeta {
                    at,
                    bytes,
                    revision: Revision::from_u64(at.as_u64()),
                    expiry,
                    owner: None,
                    is_trace: false,
                },
            ))
        })
        .collect();
    let bytes = of_effects(&effects, SEGMENT, 1 << 20, &seal(), SALT);
    assert!(bytes.len() < 24 * 1000, "{} bytes", bytes.len());
}
