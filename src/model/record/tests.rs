use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::model::error::ErrorKind;

const KEY: SessionKey = SessionKey::from_bytes([7; 16]);

fn full() -> Record {
    let mut record = Record::new(KEY, Lifetime::AAL2, Timestamp::from_millis(1_700_000_000_000));
    record.set_owner(Some("user 42".into()), Some(Timestamp::from_millis(1_700_000_000_500)));
    record.set_cookie(CookieKind::Permanent);
    record.touch(Timestamp::from_millis(1_700_000_060_000));
    let cart: Arc<str> = "cart".into();
    record.set_data(Data::from_entries(&BTreeMap::from([(cart, b"\x03")])));
    record
}

fn with_handle() -> Record {
    let mut record = full();
    record.set_handle(Handle::from_bytes([9; 16]));
    record
}

#[test]
fn a_record_reads_back() {
    for record in [full(), with_handle(), Record::new(KEY, Lifetime::idle(Duration::from_millis(1)), Timestamp::EPOCH)]
    {
        assert_eq!(Record::from_bytes(KEY, record.revision(), &record.to_bytes()).unwrap(), record);
    }
}

#[test]
fn what_is_kept_in_memory_is_what_was_stored() {
    let mut early = full();
    early.set_owner(Some("ada".into()), Some(Timestamp::EPOCH));
    let late = Record::new(KEY, Lifetime::idle(Duration::from_millis(1)), Timestamp::from_millis(u64::MAX - 5));
    let without = Record::new(KEY, Lifetime::AAL1, Timestamp::from_secs(1));
    for record in [full(), with_handle(), early, late, without] {
        let (revision, mut expiry) = (Revision::from_u64(7), record.expiry);
        expiry.touch(Timestamp::from_secs(1_700_000_099));
        let kept = record.to_kept(&expiry, vec![1; 999]);
        let (stored, again) = Record::from_stored(KEY, revision, &kept[Note::BYTES..]).unwrap();
        let owner = record.owner.clone();
        assert_eq!(Record::from_kept(KEY, revision, stored.expiry, owner, kept[..].into()), stored);
        assert_eq!(again[..], kept[..]);
    }
}

#[test]
fn the_layout_is_frozen() {
    let hex = |record: Record| record.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(
        hex(with_handle()),
        "026f0068e5cf8b0109090909090909090909090909090909fb60eafc80ee3600fc005c2605fbf401077573657220343204636172740103"
    );
    assert_eq!(hex(full()), "012f0068e5cf8b01fb60eafc80ee3600fc005c2605fbf401077573657220343204636172740103");
}

#[test]
fn a_record_keeps_its_handle_under_another_key_whatever_the_format_that_it_was_read_from() {
    let old = full().to_bytes();
    assert_eq!(old[0], 1, "without a handle of its own, earlier versions read it");
    let mut record = Record::from_bytes(KEY, Revision::from_u64(0), &old).unwrap();
    assert_eq!(record.handle().as_bytes(), KEY.as_bytes());
    record.set_key(SessionKey::from_bytes([8; 16]));
    let again = Record::from_bytes(*record.key(), record.revision(), &record.to_bytes()).unwrap();
    assert_eq!(again.handle().as_bytes(), KEY.as_bytes());
}

#[test]
fn any_cut_and_any_flip_is_a_record_or_a_typed_error() {
    let bytes = with_handle().to_bytes();
    for cut in 0..bytes.len() {
        let _ = Record::from_bytes(KEY, Revision::from_u64(0), &bytes[..cut]).map_err(|error| {
            assert_eq!(error.kind(), &ErrorKind::Damaged, "cut at {cut}");
        });
    }
    for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << bit;
        let _ = Record::from_bytes(KEY, Revision::from_u64(0), &flipped)
            .map_err(|error| assert!(matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NewerFormat)));
    }
}

#[test]
fn a_newer_format_is_told_apart_from_damage() {
    let mut bytes = full().to_bytes();
    bytes[0] = 3;
    let error = Record::from_bytes(KEY, Revision::from_u64(0), &bytes).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NewerFormat);
}

#[test]
fn fresh_revisions_differ() {
    let revisions: std::collections::HashSet<_> = (0..10_000).map(|_| Revision::fresh()).collect();
    assert_eq!(revisions.len(), 10_000);
}
