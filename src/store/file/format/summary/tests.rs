//! Random logs, applied frame by frame, and with a summary in the place of the last segment.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;
use crate::model::lifetime::Lifetime;
use crate::model::owner::Owner;
use crate::model::record::Record;
use crate::model::trace::Trace;
use crate::store::file::format::frame::{Frame, Frames, Kind, NO_KEY};
use crate::store::file::format::hint::{self, Hint};
use crate::store::file::format::segment;
use crate::store::file::index::Index;
use crate::store::file::index::deadlines::{Bucket, end_of};

const SALT: u64 = 0x5eed;
/// The segment that is summarized; the two before it hold what stands before.
const SEGMENT: u32 = 3;
/// Few keys, owners and times, so that many frames concern the same sessions.
const KEYS: u8 = 6;
/// One of them is no text.
const OWNERS: [&[u8]; 2] = [b"ada", &[0x80, 0xff]];
const TIMES: u64 = 30;

#[derive(Clone, Debug)]
enum Op {
    Put(New),
    Move(New, u64),
    /// Under a key, of so many successors, until a time. It is moved where it has a revision.
    Trace(u8, usize, u64, Option<u64>),
    Touch(u8, u64),
    Destroy(u8),
    Sweep(u64, u8),
    EndOwned(usize, Option<u8>),
    Trim(u32),
    Clear,
    Mark,
    Batch(Vec<Op>),
    /// A body that no writer writes.
    Odd(u8, u8, Vec<u8>),
}

#[derive(Clone, Debug)]
struct New {
    key: u8,
    seen: u64,
    idle: Option<u64>,
    absolute: Option<u64>,
    owner: Option<usize>,
}

fn key(n: u8) -> SessionKey {
    SessionKey::from_bytes([n; 16])
}

fn new() -> impl Strategy<Value = New> {
    let idle = prop::option::of(0..10u64);
    let absolute = prop::option::of(0..20u64);
    (0..KEYS, 0..TIMES, idle, absolute, prop::option::of(0..OWNERS.len()))
        .prop_map(|(key, seen, idle, absolute, owner)| New { key, seen, idle, absolute, owner })
}

fn op() -> impl Strategy<Value = Op> {
    let single = prop_oneof![
        6 => new().prop_map(Op::Put),
        2 => (new(), any::<u64>()).prop_map(|(new, revision)| Op::Move(new, revision)),
        4 => (0..KEYS, 0..3usize, 0..2 * TIMES, prop::option::of(any::<u64>()))
            .prop_map(|(key, count, ends, moved)| Op::Trace(key, count, ends, moved)),
        6 => (0..KEYS, 0..2 * TIMES).prop_map(|(key, time)| Op::Touch(key, time)),
        3 => (0..KEYS).prop_map(Op::Destroy),
        4 => (0..2 * TIMES, 0..KEYS).prop_map(|(time, key)| Op::Sweep(time, key)),
        2 => (0..OWNERS.len(), prop::option::of(0..KEYS)).prop_map(|(owner, but)| Op::EndOwned(owner, but)),
        1 => (0..6u32).prop_map(Op::Trim),
        1 => Just(Op::Mark),
        1 => (1..12u8, 0..KEYS, prop::collection::vec(any::<u8>(), 0..12))
            .prop_map(|(kind, key, body)| if [4, 8].contains(&kind) { Op::Mark } else { Op::Odd(kind, key, body) }),
    ];
    prop_oneof![30 => single.boxed(), 1 => Just(Op::Clear)]
        .prop_recursive(1, 8, 4, |inner| prop::collection::vec(inner, 0..4).prop_map(Op::Batch))
}

fn record(new: &New) -> Vec<u8> {
    let millis = Duration::from_millis;
    let lifetime = Lifetime::idle(millis(new.idle.unwrap_or(u64::MAX)));
    let lifetime = new.absolute.map_or(lifetime, |absolute| lifetime.with_absolute(millis(absolute)));
    let mut record = Record::new(key(new.key), lifetime, Timestamp::from_millis(new.seen / 2));
    record.touch(Timestamp::from_millis(new.seen));
    record.set_owner(new.owner.map(|owner| OWNERS[owner].into()), None);
    record.to_bytes()
}

fn push(frames: &mut Frames, op: &Op) {
    match op {
        Op::Put(new) => frames.push(Kind::Put, &key(new.key), &[&record(new)]),
        Op::Move(new, revision) => frames.push(Kind::Move, &key(new.key), &[&revision.to_le_bytes(), &record(new)]),
        Op::Trace(n, count, ends, moved) => {
            let ends = Timestamp::from_millis(*ends);
            let moved_to = (1..=*count as u8).map(|to| Trace::moved(key(to), ends));
            let trace = moved_to.reduce(|older, newer| older.join(&newer)).unwrap_or(Trace::ended(ends)).to_bytes();
            match moved {
                Some(revision) => frames.push(Kind::Move, &key(*n), &[&revision.to_le_bytes(), &trace]),
                None => frames.push(Kind::Put, &key(*n), &[&trace]),
            }
        }
        Op::Touch(n, time) => frames.push(Kind::Touch, &key(*n), &[&time.to_le_bytes()]),
        Op::Destroy(n) => frames.push(Kind::Destroy, &key(*n), &[]),
        Op::Sweep(time, n) => frames.push(Kind::Sweep, &key(*n), &[&time.to_le_bytes()]),
        Op::EndOwned(owner, but) => {
            let body = [&[u8::from(but.is_some())], OWNERS[*owner]];
            frames.push(Kind::EndOwned, &key(but.unwrap_or(0)), &body)
        }
        Op::Trim(oldest) => frames.push(Kind::Trim, &NO_KEY, &[&oldest.to_le_bytes()]),
        Op::Clear => frames.push(Kind::Clear, &NO_KEY, &[]),
        Op::Mark => frames.push(Kind::Mark, &NO_KEY, &[]),
        Op::Odd(kind, n, body) => frames.push(Kind::from_byte(*kind).unwrap(), &key(*n), &[body]),
        Op::Batch(inner) => {
            let start = frames.end();
            frames.batch(|frames| inner.iter().for_each(|op| push(frames, op)));
            start
        }
    };
}

/// The segment's bytes after its header.
fn segment(number: u32, ops: &[Op]) -> Vec<u8> {
    let start = segment::start(number);
    let mut frames = Frames::at(start, start, SALT);
    ops.iter().for_each(|op| push(&mut frames, op));
    frames.push(Kind::Seal, &NO_KEY, &[]);
    frames.bytes().to_vec()
}

fn each_frame(number: u32, bytes: &[u8], mut take: impl FnMut(&Frame<'_>)) {
    let (mut rest, mut at) = (bytes, segment::start(number));
    while let Some(frame) = Frame::parse(rest, at, SALT) {
        take(&frame);
        rest = &rest[frame.head.frame_bytes()..];
        at = at.plus(frame.head.frame_bytes());
    }
    assert!(rest.is_empty());
}

fn apply(index: &mut Index, frame: &Frame<'_>) {
    Effect::each_of(frame, SALT, &mut |effect| index.apply(effect));
}

fn prior(before: &[Vec<Op>; 2]) -> Index {
    let mut index = Index::new(1);
    for (number, ops) in (1..).zip(before) {
        let bytes = segment(number, ops);
        each_frame(number, &bytes, |frame| apply(&mut index, frame));
        index.go_on(number + 1, segment::HEADER + bytes.len() as u32);
    }
    index
}

/// All that can be seen of an index.
fn seen(index: &mut Index) -> String {
    index.let_go(usize::MAX);
    let mut from = Some(Bucket::FIRST);
    while let Some(next) = from {
        from = index.sort_deadlines(next, &end_of(Timestamp::NEVER), &mut { usize::MAX });
    }
    let mut metas: Vec<_> = index
        .iter()
        .map(|meta| {
            let owner = meta.owner().cloned();
            (*meta.key(), meta.at(), meta.bytes(), meta.revision(), *meta.expiry(), owner, meta.is_trace())
        })
        .collect();
    metas.sort_unstable_by_key(|meta| meta.0);
    let traces = (index.len(), index.traces().bytes(), index.traces().keys().copied().collect::<Vec<_>>());
    let owned = OWNERS.map(|owner| {
        let mut keys: Vec<_> = index.owned_by(&Owner::from(owner)).map(|meta| *meta.key()).collect();
        keys.sort_unstable();
        keys
    });
    let ended = [0, 10, 20, 30, u64::MAX].map(|time| {
        let mut keys: Vec<_> = index.ended_at(Timestamp::from_millis(time)).map(|meta| *meta.key()).collect();
        keys.sort_unstable();
        (keys, index.first_ended(Timestamp::from_millis(time), 2))
    });
    let live = (1..=SEGMENT).map(|segment| index.live_bytes_in(segment)).collect::<Vec<_>>();
    let log = (index.oldest, index.trimmed(), index.log_bytes(), index.live_bytes(), index.sealed());
    format!(
        "{metas:#?}\n{traces:?}\n{owned:?}\n{ended:?}\n{live:?}\n{log:?}\n{:?}",
        index.doubtful().collect::<Vec<_>>()
    )
}

fn summary(bytes: &[u8]) -> Vec<Effect> {
    let mut summary = Summary::of_segment(SEGMENT);
    each_frame(SEGMENT, bytes, |frame| Effect::each_of(frame, SALT, &mut |effect| summary.add(effect)));
    let mut effects = Vec::new();
    summary.begin(&mut |effect| effects.push(effect));
    each_frame(SEGMENT, bytes, |frame| {
        Effect::each_of(frame, SALT, &mut |effect| effects.extend(summary.record(effect)));
    });
    effects.extend(summary.end());
    effects
}

proptest! {
    #![proptest_config(Config { cases: 1_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_segment_in_short_does_what_its_frames_do_to_any_index(
        before in prop::collection::vec(op(), 0..12).prop_flat_map(|one| prop::collection::vec(op(), 0..12).prop_map(move |two| [one.clone(), two])),
        ops in prop::collection::vec(op(), 0..24),
    ) {
        let bytes = segment(SEGMENT, &ops);
        let mut by_frames = prior(&before);
        each_frame(SEGMENT, &bytes, |frame| apply(&mut by_frames, frame));

        let mut in_short = prior(&before);
        let effects = summary(&bytes);
        let length = segment::HEADER + bytes.len() as u32;
        let seal = bytes.last_chunk().unwrap();
        let hint = hint::of_effects(&effects, SEGMENT, length, seal, SALT);
        effects.into_iter().chain([Effect::Seal]).for_each(|effect| in_short.apply(effect));
        prop_assert_eq!(seen(&mut in_short), seen(&mut by_frames));

        // The hint that is read back does the same.
        let mut read = prior(&before);
        let parsed = Hint::parse(&hint, SEGMENT, length, seal, SALT).expect("what was written reads back");
        parsed.effects.into_iter().chain([Effect::Seal]).for_each(|effect| read.apply(effect));
        prop_assert_eq!(seen(&mut read), seen(&mut by_frames));
    }
}

#[test]
fn the_same_segment_has_always_the_same_summary() {
    let mut ops: Vec<Op> = (0..100).map(|n| Op::Touch(n, u64::from(n % 7))).collect();
    ops.extend((100..200).map(Op::Destroy));
    let bytes = segment(SEGMENT, &ops);
    let seal = bytes.last_chunk().unwrap();
    let hint = || hint::of_effects(&summary(&bytes), SEGMENT, 9_000, seal, SALT);
    assert_eq!(hint(), hint());
}

#[test]
fn thousands_of_sweeps_and_sessions_take_no_more_time_than_their_frames() {
    let mut sweeps = Sweeps::default();
    for n in 0..100_000u64 {
        sweeps.push((Timestamp::from_millis(1_000_000 - n), NO_KEY));
    }
    assert_eq!(sweeps.reach_since(0).unwrap().0, Timestamp::from_millis(1_000_000));
    assert_eq!(sweeps.reach_since(99_999).unwrap().0, Timestamp::from_millis(900_001));
    assert_eq!(sweeps.reach_since(100_000), None);
}

#[test]
fn what_ended_here_is_said_though_nothing_of_it_stood_here() {
    let bytes = segment(SEGMENT, &[Op::Touch(1, 5), Op::Sweep(9, 0), Op::Sweep(7, 0), Op::Touch(1, 6), Op::Destroy(2)]);
    let effects = summary(&bytes);
    assert!(matches!(
        effects[..],
        [Effect::Touch(one, _), Effect::Sweep(end, _), Effect::Touch(again, _), Effect::Destroy(two)]
            if one == key(1) && again == key(1) && two == key(2) && end == Timestamp::from_millis(9)
    ));
}
