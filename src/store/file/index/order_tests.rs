//! The order of ends, and doubt, where sessions are many: compared with a model that looks at all of them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::lifetime::Expiry;
use crate::store::file::format::effect::Effect;
use crate::store::file::format::meta::RecordMeta;
use crate::store::file::threads::steps;

const START: Position = segment::start(1);

/// Keys as hashes are: anywhere.
fn key(n: u64) -> SessionKey {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    SessionKey::from_bytes(bytes)
}

fn meta(at: Position, expiry: Expiry) -> RecordMeta {
    RecordMeta { at, bytes: 60, revision: Revision::from_u64(1), expiry, owner: None, is_trace: false }
}

fn until(end: u64) -> Expiry {
    Expiry::from_parts(Timestamp::EPOCH, None, Some(Timestamp::from_millis(end)))
}

fn sort(index: &mut Index, until: &Place, mut wanted: usize) {
    let mut from = Some(Bucket::FIRST);
    while let Some(next) = from {
        from = index.sort_deadlines(next, until, &mut wanted);
    }
}

/// Small random numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// The expiries of all sessions.
type Model = BTreeMap<SessionKey, Expiry>;

fn in_order(model: &Model, now: Timestamp) -> Vec<Place> {
    let places = model.iter().map(|(key, expiry)| (expiry.ends_at(), *key));
    let mut ended: Vec<Place> = places.filter(|(end, _)| *end <= now).collect();
    ended.sort_unstable();
    ended
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Some thousand sessions that end within one millisecond, a second, a window or a few of them, so that buckets are
    /// split at every level, while deadlines move both ways.
    #[test]
    fn each_sweep_ends_what_stands_at_or_before_its_place_and_nothing_else(seed in any::<u64>()) {
        let random = &mut Random(seed);
        let spread = [1, 300, 1_000, 16_384, 100_000][random.below(5) as usize];
        let mut index = Index::new(1);
        let mut model = Model::new();
        for round in 0..12u64 {
            for _ in 0..random.below(1_500) {
                let key = key(random.below(6_000));
                let end = Timestamp::from_millis(1 << 20 | random.below(spread));
                match random.below(8) {
                    0 => {
                        index.apply(Effect::Destroy(key));
                        model.remove(&key);
                    }
                    1 => {
                        let seen = Timestamp::from_millis(random.below(spread));
                        index.apply(Effect::Touch(key, seen));
                        model.entry(key).and_modify(|expiry| { expiry.touch(seen); });
                    }
                    n => {
                        let idle = (n == 2).then(|| std::time::Duration::from_millis(1 << 20));
                        let seen = Timestamp::from_millis(random.below(spread) / 2);
                        let expiry = Expiry::from_parts(seen, idle, Some(end));
                        index.apply(Effect::Put(key, meta(START.plus(round as usize), expiry)));
                        model.insert(key, expiry);
                    }
                }
            }
            let now = Timestamp::from_millis(1 << 20 | random.below(spread));
            let budget = 1 + random.below(700) as usize;
            let ended = in_order(&model, now);
            sort(&mut index, &end_of(now), budget + 1);
            let first = ended.iter().take(budget).next_back();
            let expected = first.map(|place| (*place, ended.len().min(budget), ended.len() > budget));
            prop_assert_eq!(index.first_ended(now, budget), expected);
            prop_assert_eq!(index.ended_at(now).count(), ended.len());
            // Some sweeps come from a process that has another clock, without any look.
            let chosen = if random.below(2) == 0 { first.copied() } else { Some((now, key(random.below(6_000)))) };
            if let Some((end, key)) = chosen {
                index.apply(Effect::Sweep(end, key));
                model.retain(|other, expiry| (expiry.ends_at(), *other) > (end, key));
            }
            let mut keys: Vec<SessionKey> = index.iter().map(|meta| *meta.key()).collect();
            keys.sort_unstable();
            prop_assert_eq!(keys, model.keys().copied().collect::<Vec<_>>());
        }
        index.apply(Effect::Sweep(Timestamp::NEVER, SessionKey::from_bytes([u8::MAX; 16])));
        prop_assert_eq!((index.len(), index.arena.parts()), (0, 0), "what was split leaves nothing");
    }

    #[test]
    fn doubt_is_what_a_look_at_every_session_says(steps in prop::collection::vec((0u8..6, 0u64..8), 0..80)) {
        let mut index = Index::new(1);
        // Which sessions there are, and whether each of them is in doubt.
        let mut model = BTreeMap::new();
        let mut at = START;
        for (what, n) in steps {
            let key = key(n);
            at = at.plus(60);
            match what {
                0 => {
                    index.doubt(at);
                    model.values_mut().for_each(|is_doubtful| *is_doubtful = true);
                }
                1 => {
                    index.apply(Effect::Put(key, meta(at, until(100))));
                    model.insert(key, false);
                }
                2 => {
                    index.apply(Effect::Touch(key, Timestamp::EPOCH));
                    model.entry(key).and_modify(|is_doubtful| *is_doubtful = false);
                }
                // No writer moves a session that is not there.
                3 if model.contains_key(&key) => index.apply(Effect::Move(key, meta(at, until(100)))),
                4 => {
                    index.apply(Effect::Destroy(key));
                    model.remove(&key);
                }
                _ => {
                    index.apply(Effect::Sweep(Timestamp::from_millis(100), key));
                    model.retain(|other, _| *other > key);
                }
            }
            let mut doubtful: Vec<SessionKey> = index.doubtful().copied().collect();
            doubtful.sort_unstable();
            let expected: Vec<SessionKey> = model.iter().filter(|(_, doubt)| **doubt).map(|(key, _)| *key).collect();
            prop_assert_eq!(doubtful, expected);
            prop_assert!(index.doubts().all(|doubt| doubt.noted() <= model.len()));
        }
    }
}

#[test]
fn sessions_that_come_and_go_after_damage_leave_nothing() {
    let mut index = Index::new(1);
    let mut at = START;
    let mut put = |index: &mut Index, n: u64, is_move: bool| {
        at = at.plus(60);
        let meta = meta(at, until(100));
        index.apply(if is_move { Effect::Move(key(n), meta) } else { Effect::Put(key(n), meta) });
        at
    };
    let noted = |index: &mut Index| index.doubts().map(|doubt| doubt.noted()).sum::<usize>();
    for n in 0..100 {
        put(&mut index, n, false);
    }
    let place = put(&mut index, 0, false).plus(1);
    index.doubt(place);
    // Those before the place are touched, moved, put anew or ended.
    for n in 0..100 {
        index.apply(Effect::Touch(key(n), Timestamp::EPOCH));
        if n % 2 == 0 {
            put(&mut index, n, true);
        }
    }
    assert_eq!(noted(&mut index), 50, "those that were touched and stand before the place");
    for n in 0..100 {
        match n % 4 {
            0 | 1 => {
                put(&mut index, n, false);
            }
            _ => index.apply(Effect::Destroy(key(n))),
        }
    }
    assert_eq!(noted(&mut index), 0);
    for n in 1_000..2_000 {
        put(&mut index, n, false);
        index.apply(Effect::Touch(key(n), Timestamp::EPOCH));
        put(&mut index, n, true);
        index.apply(Effect::Touch(key(n), Timestamp::EPOCH));
        assert_eq!(noted(&mut index), 0, "it stands beyond the place");
        index.apply(Effect::Destroy(key(n)));
    }
    assert_eq!(noted(&mut index), 0);
}

#[test]
fn sweeps_of_one_large_bucket_take_steps_in_proportion_to_its_sessions() {
    // All in one millisecond, in one second, in one window.
    for spread in [1, 1_000, 1 << 14] {
        for count in [20_000, 100_000] {
            let mut index = Index::new(1);
            for n in 0..count {
                index.apply(Effect::Put(key(n), meta(START, until((1 << 20) + n % spread))));
            }
            let mut model: Vec<Place> =
                (0..count).map(|n| (Timestamp::from_millis((1 << 20) + n % spread), key(n))).collect();
            model.sort_unstable();
            steps::longest();
            let hold = steps::Hold::begin();
            for (end, key) in model.chunks(100).map(|chunk| chunk[chunk.len() - 1]) {
                index.apply(Effect::Sweep(end, key));
            }
            drop(hold);
            let each = steps::longest() / count;
            assert_eq!(index.len(), 0);
            assert!(each <= 25, "{each} steps for each of {count} sessions within {spread} ms");
        }
    }
}

#[test]
fn a_look_at_what_has_ended_takes_few_steps_and_comes_to_the_end_of_those_that_were_put_off() {
    const PUT_OFF: u64 = 1_000;
    let mut index = Index::new(1);
    let mut put = |n: u64, end: u64| {
        index.apply(Effect::Put(key(n), meta(START, until(end * 1_000))));
    };
    // Those that stand first in the order end last, and the three that have ended stand behind them.
    (0..PUT_OFF).for_each(|n| put(n, 10));
    (0..3).for_each(|n| put(PUT_OFF + n, 100 + n));
    (0..PUT_OFF).for_each(|n| put(n, 10_000));
    let by = Timestamp::from_secs(200);
    let mut looks = 0;
    let found = loop {
        let hold = steps::Hold::begin();
        let found = index.some_ended(by, 16);
        drop(hold);
        assert!(steps::longest() <= 16);
        looks += 1;
        if found.len() == 3 {
            break found;
        }
        assert!(looks < PUT_OFF, "it comes to no end");
    };
    assert!(found.is_sorted() && found.iter().all(|(end, _)| *end <= by));
    assert!(index.may_have_ended(by) && !index.may_have_ended(Timestamp::from_secs(50)));
}
