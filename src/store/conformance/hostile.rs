//! Extreme data and extreme times, as an attacker would store them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::bench::{Bench, Checked, ensure, promises};
use super::fixture::{at, just_before, key, lasting, session};
use crate::model::data::Data;
use crate::model::lifetime::Lifetime;
use crate::model::time::Timestamp;
use crate::store::{Limits, Store};

promises! {
    "data of any size, depth and name is kept byte for byte" => keeps_any_data,
    "the ends of time do no harm" => knows_the_ends_of_time,
}

fn keeps_any_data<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    // Byte 7 begins a list: these are a hundred thousand lists inside each other, without their ends.
    let deep = vec![7; 100_000];
    let noise: Vec<u8> = (0..=255).collect();
    let odd_names = ["\0", " ", "'; DROP TABLE sessions; --", "$where", "a.b", "é", "e\u{301}", "\u{202e}", "{}"];
    let many = (0..3000).map(|number| (Arc::from(format!("name {number}")), number.to_string().into_bytes()));
    let large = Limits::default().record_bytes - 100;
    let all: [BTreeMap<Arc<str>, Vec<u8>>; 5] = [
        BTreeMap::from([("deep".into(), deep), ("noise".into(), noise), ("empty".into(), Vec::new())]),
        odd_names.iter().map(|name| (Arc::from(*name), b"value".to_vec())).collect(),
        many.collect(),
        BTreeMap::from([("large".into(), vec![0xff; large])]),
        BTreeMap::from([("zeros".into(), vec![0; large])]),
    ];
    for (number, entries) in (1..).zip(&all) {
        let mut record = session(number);
        record.set_data(Data::from_entries(entries));
        let revision = store.create(&record, at(0))?;
        let loaded = store.loaded(&key(number), at(0))?;
        ensure!(
            loaded.data() == record.data(),
            "the data with names {:?} was created and not loaded",
            entries.keys().next()
        );
        store.updated(&record, revision, at(0))?;
        let loaded = store.loaded(&key(number), at(0))?;
        ensure!(
            loaded.data() == record.data(),
            "the data with names {:?} was updated and not loaded",
            entries.keys().next()
        );
    }
    Ok(())
}

fn knows_the_ends_of_time<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    let lifetimes = [
        Lifetime::new(Duration::MAX, Duration::MAX),
        Lifetime::idle(Duration::MAX),
        Lifetime::absolute(Duration::MAX),
        Lifetime::idle(Duration::from_millis(u64::MAX - 1)),
    ];
    let last = just_before(Timestamp::NEVER);
    for (number, lifetime) in (1..).zip(lifetimes) {
        let record = lasting(number, lifetime);
        store.create(&record, at(0))?;
        for now in [at(0), last] {
            ensure!(store.is_there(&key(number), now)?, "a session without an end is missing at {now}");
        }
        store.touch(&key(number), last)?;
        ensure!(store.is_there(&key(number), last)?, "a session without an end is missing after a touch at {last}");
    }
    store.sweep(last, 100)?;
    for number in 1..=4 {
        ensure!(store.is_there(&key(number), last)?, "a session without an end was swept");
    }
    Ok(())
}
