//! Frames are applied to an index; the tests check what it holds then.

use std::time::Duration;

use super::*;
use crate::model::lifetime::{Expiry, Lifetime};
use crate::model::record::{Record, Revision};
use crate::store::file::format::effect::Effect;
use crate::store::file::format::frame::{Frame, Frames, HEAD, Head, Kind, NO_KEY};
use crate::store::file::format::meta::RecordMeta;

const SALT: u64 = 1;
const START: Position = segment::start(1);

fn key(byte: u8) -> SessionKey {
    SessionKey::from_bytes([byte; 16])
}

fn wide_key(n: u32) -> SessionKey {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&n.to_le_bytes());
    SessionKey::from_bytes(bytes)
}

/// What a put says of a session that ends so many seconds after it was last seen.
fn meta(seconds: u64, seen: u64, owner: Option<&str>) -> RecordMeta {
    let expiry = Expiry::from_parts(Timestamp::from_secs(seen), Some(Duration::from_secs(seconds)), None);
    RecordMeta {
        at: START,
        bytes: 40,
        revision: Revision::from_u64(1),
        expiry,
        owner: owner.map(Owner::from),
        is_trace: false,
    }
}

fn record(byte: u8, seconds: u64, owner: Option<&str>) -> Record {
    let mut record = Record::new(key(byte), Lifetime::idle(Duration::from_secs(seconds)), Timestamp::EPOCH);
    record.set_owner(owner.map(Owner::from), None);
    record
}

fn index(fill: impl FnOnce(&mut Frames)) -> Index {
    let mut frames = Frames::at(START, START, SALT);
    fill(&mut frames);
    let mut index = Index::new(1);
    let (mut rest, mut at) = (frames.bytes(), START);
    while let Some(frame) = Frame::parse(rest, at, SALT) {
        apply(&mut index, &frame);
        rest = &rest[frame.head.frame_bytes()..];
        at = at.plus(frame.head.frame_bytes());
        index.applied = at;
    }
    assert!(rest.is_empty());
    index
}

fn apply(index: &mut Index, frame: &Frame<'_>) {
    Effect::each_of(frame, SALT, &mut |effect| index.apply(effect));
}

fn put(frames: &mut Frames, record: &Record) -> Position {
    frames.push(Kind::Put, record.key(), &[&record.to_bytes()])
}

#[test]
fn the_last_put_counts_and_a_destroy_ends_it() {
    let index = index(|frames| {
        put(frames, &record(1, 10, Some("ada")));
        put(frames, &record(1, 20, None));
        put(frames, &record(2, 30, Some("ada")));
        frames.push(Kind::Destroy, &key(2), &[]);
    });
    assert_eq!(index.len(), 1);
    assert_eq!(index.get(&key(1)).unwrap().expiry().ends_at(), Timestamp::from_secs(20));
    assert_eq!(index.owned_by(&"ada".into()).count(), 0);
    assert!(index.live_bytes() < 2 * u64::from(index.get(&key(1)).unwrap().bytes()));
}

#[test]
fn a_touch_moves_the_deadline_and_not_the_revision() {
    let index = index(|frames| {
        put(frames, &record(1, 100, None));
        frames.push(Kind::Touch, &key(1), &[&50_000u64.to_le_bytes()]);
        frames.push(Kind::Touch, &key(1), &[&20_000u64.to_le_bytes()]);
        frames.push(Kind::Touch, &key(9), &[&50_000u64.to_le_bytes()]);
    });
    let meta = index.get(&key(1)).unwrap();
    assert_eq!(meta.expiry().ends_at(), Timestamp::from_secs(150));
    assert_eq!(meta.revision().as_u64(), START.as_u64());
    assert_eq!(index.len(), 1, "a touch makes no session");
    assert_eq!(index.ended_at(Timestamp::from_secs(149)).count(), 0);
    assert_eq!(index.ended_at(Timestamp::from_secs(150)).count(), 1);
}

#[test]
fn a_sweep_ends_what_stood_before_it_and_ended_by_its_time() {
    let index = index(|frames| {
        (1..=5).for_each(|n| {
            put(frames, &record(n, u64::from(n), None));
        });
        frames.push(Kind::Sweep, &key(2), &[&2_000u64.to_le_bytes()]);
        put(frames, &record(6, 1, None));
    });
    let mut left: Vec<_> = index.iter().map(|meta| *meta.key()).collect();
    left.sort();
    assert_eq!(left, [key(3), key(4), key(5), key(6)]);
}

#[test]
fn the_first_ended_are_those_that_ended_first() {
    let index = index(|frames| {
        for n in [4, 2, 5, 1, 3] {
            put(frames, &record(n, u64::from(n), None));
        }
        put(frames, &record(9, 2, None));
    });
    let at = Timestamp::from_secs;
    assert_eq!(index.first_ended(at(0), 9), None);
    assert_eq!(index.first_ended(at(5), 2), Some(((at(2), key(2)), 2, true)));
    assert_eq!(index.first_ended(at(5), 3), Some(((at(2), key(9)), 3, true)));
    assert_eq!(index.first_ended(at(4), 100), Some(((at(4), key(4)), 5, false)));
}

#[test]
fn a_move_keeps_the_revision_and_a_trim_forgets_what_it_leaves_behind() {
    let mut index = index(|frames| {
        let old = put(frames, &record(1, 10, None));
        frames.push(Kind::Move, &key(1), &[&old.as_u64().to_le_bytes(), &record(1, 10, None).to_bytes()]);
        put(frames, &record(2, 10, None));
    });
    assert_eq!(index.get(&key(1)).unwrap().revision().as_u64(), START.as_u64());
    let next = segment::start(2);
    let mut frames = Frames::at(next, next, SALT);
    put(&mut frames, &record(3, 10, None));
    let trim = frames.push(Kind::Trim, &NO_KEY, &[&2u32.to_le_bytes()]);
    index.go_on(2, 1000);
    apply(&mut index, &Frame::parse(frames.bytes(), next, SALT).unwrap());
    let rest = &frames.bytes()[(trim.offset() - next.offset()) as usize..];
    apply(&mut index, &Frame::parse(rest, trim, SALT).unwrap());
    assert_eq!(index.oldest, 2);
    assert_eq!(index.iter().map(|meta| *meta.key()).collect::<Vec<_>>(), [key(3)], "the others stood in segment 1");
}

#[test]
fn a_trim_of_segments_that_are_still_to_come_says_nothing() {
    let index = index(|frames| {
        put(frames, &record(1, 10, None));
        frames.push(Kind::Trim, &NO_KEY, &[&u32::MAX.to_le_bytes()]);
    });
    assert_eq!((index.oldest, index.segments(), index.len()), (1, 1, 1));
}

#[test]
fn what_is_kept_of_deadlines_shrinks_with_the_sessions_that_have_them() {
    let keys: Vec<SessionKey> = (0..10_000).map(wide_key).collect();
    let index = index(|frames| {
        for key in &keys {
            let record = Record::new(*key, Lifetime::idle(Duration::from_secs(9)), Timestamp::EPOCH);
            put(frames, &record);
        }
        // One session stays in the bucket.
        for key in &keys[1..] {
            frames.push(Kind::Destroy, key, &[]);
        }
    });
    assert_eq!(index.arena.ending_together(), [1]);
}

#[test]
fn a_budget_holds_across_deadlines_far_from_each_other() {
    let index = index(|frames| {
        for (byte, seconds) in [(1, 100), (2, 100), (3, 1_000), (4, 1_000), (5, 10_000)] {
            put(frames, &record(byte, seconds, None));
        }
    });
    let ended = |seconds, budget| {
        let ended = index.first_ended(Timestamp::from_secs(seconds), budget);
        ended.map(|((end, last), count, more)| (end.as_millis() / 1_000, last, count, more))
    };
    assert_eq!(ended(99, 9), None);
    assert_eq!(ended(20_000, 1), Some((100, key(1), 1, true)));
    assert_eq!(ended(20_000, 2), Some((100, key(2), 2, true)));
    assert_eq!(ended(20_000, 3), Some((1_000, key(3), 3, true)));
    assert_eq!(ended(20_000, 4), Some((1_000, key(4), 4, true)));
    assert_eq!(ended(20_000, 9), Some((10_000, key(5), 5, false)));
    assert_eq!(ended(5_000, 9), Some((1_000, key(4), 4, false)));
}

#[test]
fn a_trimmed_segment_puts_no_session_in_doubt_and_a_missing_one_does() {
    for (oldest, is_doubtful) in [(2, true), (3, false), (4, false)] {
        let record = record(1, 10, None);
        let mut index = index(|frames| {
            put(frames, &record);
        });
        // Segment 2 is missing.
        index.doubt_missing(3);
        index.go_on(3, 500);
        index.go_on(4, 500);
        let mut frames = Frames::at(segment::start(4), START, SALT);
        frames.push(Kind::Move, record.key(), &[&64u64.to_le_bytes(), &record.to_bytes()]);
        let trim = frames.push(Kind::Trim, &NO_KEY, &[&u32::to_le_bytes(oldest)]);
        apply(&mut index, &Frame::parse(frames.bytes(), segment::start(4), SALT).unwrap());
        assert_eq!(index.doubtful().count(), 1, "until the trim is read");
        let rest = &frames.bytes()[(trim.offset() - segment::start(4).offset()) as usize..];
        apply(&mut index, &Frame::parse(rest, trim, SALT).unwrap());
        assert_eq!(index.doubtful().count(), usize::from(is_doubtful), "the log begins with {oldest}");
    }
}

#[test]
fn bytes_count_as_long_as_they_are_needed() {
    let (one, two) = (record(1, 10, Some("ada")), record(2, 10, None));
    let bytes = |record: &Record| (HEAD + record.to_bytes().len()) as u64;
    let mut index = index(|frames| {
        put(frames, &one);
        put(frames, &two);
        put(frames, &one);
    });
    assert_eq!(index.live_bytes(), bytes(&one) + bytes(&two));
    assert_eq!(index.live_bytes_in(1), index.live_bytes());
    assert_eq!(index.log_bytes(), u64::from(index.applied.offset()));
    let end = index.applied.offset();
    index.go_on(2, end);
    let mut frames = Frames::at(segment::start(2), START, SALT);
    frames.push(Kind::Destroy, one.key(), &[]);
    apply(&mut index, &Frame::parse(frames.bytes(), segment::start(2), SALT).unwrap());
    assert_eq!((index.live_bytes(), index.live_bytes_in(1), index.live_bytes_in(2)), (bytes(&two), bytes(&two), 0));
    assert_eq!(index.log_bytes(), u64::from(end + index.applied.offset()));
    assert_eq!(index.owned_by(&"ada".into()).count(), 0);
}

#[test]
fn a_damaged_batch_may_have_ended_any_session_and_a_damaged_touch_none() {
    for (kind, is_doubtful) in [(Kind::Batch, true), (Kind::Touch, false), (Kind::Destroy, false)] {
        let mut index = index(|frames| {
            put(frames, &record(1, 10, None));
        });
        let at = Position::new(1, 500);
        let mut frames = Frames::at(at, START, SALT);
        frames.push(kind, &NO_KEY, &[&[0; 8]]);
        index.apply_damaged(at, &Head::parse(frames.bytes(), at, SALT).unwrap());
        assert_eq!(index.doubtful().count(), usize::from(is_doubtful), "{kind:?}");
    }
}

#[test]
fn sessions_that_end_at_different_times_are_looked_for_in_different_places() {
    let index = index(|frames| {
        put(frames, &record(1, 10, None));
        put(frames, &record(2, 10, None));
        put(frames, &record(3, 1000, None));
    });
    assert_eq!(index.arena.ending_together(), [2, 1]);
}

#[test]
fn room_is_made_for_what_a_log_may_hold_and_given_back_where_little_of_it_was_needed() {
    for (bytes, before) in [
        (60_000_000, 100_000..200_000),
        // The room is used.
        (1_200_000, 2_600..3_600),
        // What a sparse file claims.
        (u64::MAX, 1 << 22..1 << 24),
    ] {
        let mut index = Index::new(1);
        index.expect_bytes(bytes);
        assert!(before.contains(&index.arena.room()), "{bytes}: {}", index.arena.room());
        (0..2_000).for_each(|n| index.apply(Effect::Put(wide_key(n), meta(10, 0, None))));
        index.shrink_to_fit();
        assert!((2_600..4_500).contains(&index.arena.room()), "{bytes}: {} left", index.arena.room());
    }
}

#[test]
fn a_damaged_put_hides_the_version_before_it() {
    let mut index = index(|frames| {
        put(frames, &record(1, 10, None));
    });
    let mut frames = Frames::at(Position::new(1, 500), START, SALT);
    put(&mut frames, &record(1, 10, None));
    let head = Head::parse(frames.bytes(), Position::new(1, 500), SALT).unwrap();
    index.apply_damaged(Position::new(1, 500), &head);
    assert_eq!(index.get(&key(1)).unwrap().at(), Position::new(1, 500));
    // It does not have that version's deadline either: an index that is rebuilt after a trim could not know it.
    assert!(index.live_at(&key(1), Timestamp::from_secs(20)).is_some());
}

#[test]
fn a_put_lived_when_it_was_written_and_a_move_says_nothing_of_that_whether_they_can_be_read_or_not() {
    for (kind, is_damaged, is_doubtful) in
        [(Kind::Put, false, false), (Kind::Put, true, false), (Kind::Move, false, true), (Kind::Move, true, true)]
    {
        let record = record(1, 10, None);
        let mut index = index(|frames| {
            put(frames, &record);
        });
        index.doubt(Position::new(1, 500));
        assert_eq!(index.doubtful().count(), 1);
        let at = Position::new(1, 500);
        let mut frames = Frames::at(at, START, SALT);
        let revision = 64u64.to_le_bytes();
        let revision: &[u8] = if kind == Kind::Move { &revision } else { &[] };
        frames.push(kind, record.key(), &[revision, &record.to_bytes()]);
        match is_damaged {
            true => index.apply_damaged(at, &Head::parse(frames.bytes(), at, SALT).unwrap()),
            false => apply(&mut index, &Frame::parse(frames.bytes(), at, SALT).unwrap()),
        }
        assert_eq!(index.get(&key(1)).unwrap().at(), at);
        assert_eq!(index.doubtful().count(), usize::from(is_doubtful), "{kind:?}, damaged: {is_damaged}");
    }
}

#[test]
fn sessions_whose_end_was_put_off_are_told_in_order_and_swept_at_their_own_time() {
    let seconds = |n: u64| Timestamp::from_secs(n);
    let mut index = index(|frames| {
        (1..=4).for_each(|n| {
            put(frames, &record(n, 100, None));
        });
        // The first is put off far, the second stays in its bucket, and the third is put off far and comes back.
        frames.push(Kind::Touch, &key(1), &[&400_000u64.to_le_bytes()]);
        frames.push(Kind::Touch, &key(2), &[&1_000u64.to_le_bytes()]);
        frames.push(Kind::Touch, &key(3), &[&400_000u64.to_le_bytes()]);
        put(frames, &record(3, 50, None));
    });
    assert_eq!(index.arena.ending_together(), [1, 3], "a touch leaves them where they are");
    let ended = |index: &Index, at| {
        let mut ended: Vec<_> = index.ended_at(at).map(|meta| *meta.key()).collect();
        ended.sort();
        ended
    };
    assert_eq!(ended(&index, seconds(100)), [key(3), key(4)]);
    assert_eq!(index.sort_deadlines(Bucket::FIRST, &end_of(seconds(101)), &mut { usize::MAX }), None);
    assert_eq!(index.arena.ending_together(), [1, 2, 1]);
    assert_eq!(index.first_ended(seconds(101), 2), Some(((seconds(100), key(4)), 2, true)));
    assert_eq!(index.first_ended(seconds(101), 9), Some(((seconds(101), key(2)), 3, false)));
    let sweep = |index: &mut Index, end: u64| {
        let mut frames = Frames::at(index.applied, START, SALT);
        frames.push(Kind::Sweep, &key(4), &[&(end * 1_000).to_le_bytes()]);
        apply(index, &Frame::parse(frames.bytes(), index.applied, SALT).unwrap());
    };
    sweep(&mut index, 100);
    assert_eq!((index.len(), ended(&index, seconds(499))), (2, vec![key(2)]));
    sweep(&mut index, 499);
    assert_eq!((index.len(), ended(&index, seconds(500))), (1, vec![key(1)]));
    sweep(&mut index, 501);
    assert_eq!((index.len(), index.arena.ending_together()), (0, vec![]));
}

#[test]
fn what_never_ends_or_ends_in_a_thousand_years_is_the_last_in_order() {
    let mut index = Index::new(1);
    for (n, end) in [(1, Timestamp::NEVER), (2, Timestamp::from_millis(1 << 45)), (3, Timestamp::from_secs(5))] {
        let expiry = Expiry::from_parts(Timestamp::EPOCH, None, Some(end));
        let meta =
            RecordMeta { at: START, bytes: 40, revision: Revision::from_u64(1), expiry, owner: None, is_trace: false };
        index.apply(Effect::Put(key(n), meta));
    }
    assert_eq!(index.arena.ending_together(), [1, 2]);
    assert_eq!(index.ended_at(Timestamp::from_millis(1 << 45)).count(), 2);
    assert_eq!(
        index.first_ended(Timestamp::from_millis(1 << 45), 9).map(|((_, key), count, _)| (key, count)),
        Some((key(2), 2))
    );
}

#[test]
fn a_move_leaves_the_cached_record_where_it_is_and_a_damaged_one_does_not() {
    for is_damaged in [false, true] {
        let record = record(1, 10, None);
        let mut index = index(|frames| {
            put(frames, &record);
        });
        let revision = Revision::from_u64(START.as_u64());
        let kept = record.to_kept(record.expiry(), Vec::new());
        assert!(index.cache(record.key(), revision, kept[..].into(), 1 << 20).is_some());
        let at = Position::new(1, 500);
        let mut frames = Frames::at(at, START, SALT);
        frames.push(Kind::Move, record.key(), &[&START.as_u64().to_le_bytes(), &record.to_bytes()]);
        match is_damaged {
            true => index.apply_damaged(at, &Head::parse(frames.bytes(), at, SALT).unwrap()),
            false => apply(&mut index, &Frame::parse(frames.bytes(), at, SALT).unwrap()),
        }
        assert_eq!(index.get(record.key()).unwrap().is_cached(), !is_damaged);
        assert_eq!(index.cached_bytes() > 0, !is_damaged);
    }
}
