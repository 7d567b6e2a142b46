//! The sessions that the checks store.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::model::data::Data;
use crate::model::handle::Handle;
use crate::model::key::SessionKey;
use crate::model::lifetime::Lifetime;
use crate::model::owner::Owner;
use crate::model::record::{CookieKind, Record, Revision};
use crate::model::time::{Clock, SystemClock, Timestamp};
use crate::model::value;

pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// An hour, in the minutes of [`at`].
pub(super) const HOUR: i64 = 60;

/// The idle timeout of a [`session`], in the minutes of [`at`].
pub(super) const IDLE: i64 = 30;

static START: LazyLock<Timestamp> = LazyLock::new(|| SystemClock.now().plus(Duration::from_secs(24 * 60 * 60)));

/// The moment so many minutes after the suite's beginning.
pub(super) fn at(minutes: i64) -> Timestamp {
    Timestamp::from_millis(START.as_millis().saturating_add_signed(minutes * 60_000))
}

/// The moment one millisecond earlier.
pub(super) fn just_before(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.as_millis().saturating_sub(1))
}

/// The key of a session's number. Keys have the order of their numbers.
pub(super) fn key(number: u32) -> SessionKey {
    let [a, b, c, d] = number.to_be_bytes();
    SessionKey::from_bytes([a, b, c, d, 0xc1, 0x0a, 0x4b, 0x00, 0x4f, 0x0a, 0x0d, 0xff, 0x27, 0x22, 0x5c, 0x20])
}

/// A session that begins at minute 0, with the idle timeout [`IDLE`] and an absolute timeout of twelve hours.
pub(super) fn session(number: u32) -> Record {
    lasting(number, Lifetime::new(IDLE as u32 * MINUTE, 12 * 60 * MINUTE))
}

/// A session with another lifetime.
pub(super) fn lasting(number: u32, lifetime: Lifetime) -> Record {
    let mut record = Record::new(key(number), lifetime, at(0));
    record.set_revision(Revision::fresh());
    put(&mut record, "n", number.into());
    record
}

/// A session with an owner.
pub(super) fn owned(number: u32, owner: impl Into<Owner>) -> Record {
    let mut record = session(number);
    record.set_owner(Some(owner.into()), Some(at(0)));
    record
}

/// A session with an owner that was last seen at this minute.
pub(super) fn seen(number: u32, owner: &Owner, minute: i64) -> Record {
    let mut record = owned(number, owner);
    record.touch(at(minute));
    record
}

/// The same session with another number, under a new token, for the next write.
pub(super) fn changed(record: &Record, number: u64) -> Record {
    let mut record = record.clone();
    record.set_revision(Revision::fresh());
    put(&mut record, "n", number);
    record
}

/// The same session under another key.
pub(super) fn moved(record: &Record, number: u32) -> Record {
    let mut record = record.clone();
    record.set_revision(Revision::fresh());
    record.set_key(key(number));
    record
}

/// Sets a number among a session's entries.
pub(super) fn put(record: &mut Record, name: &str, number: u64) {
    let bytes = value::encode(&number).expect("a number can be encoded");
    let mut entries: BTreeMap<Arc<str>, &[u8]> =
        record.data().iter().map(|(name, value)| (name.into(), value)).collect();
    entries.insert(name.into(), &bytes);
    let data = Data::from_entries(&entries);
    record.set_data(data);
}

/// A number among a session's entries, or zero if it is not there.
pub(super) fn number(record: &Record, name: &str) -> u64 {
    record.data().get(name).and_then(|bytes| value::decode(bytes).ok()).unwrap_or(0)
}

pub(super) fn increment(record: &mut Record, name: &str) {
    put(record, name, number(record, name) + 1);
}

/// Records that together use every field of a record.
pub(super) fn all_kinds() -> Vec<Record> {
    let plain = lasting(1, Lifetime::idle(45 * MINUTE));
    let mut bare = lasting(2, Lifetime::absolute(90 * MINUTE));
    bare.set_data(Data::empty());
    let mut full = owned(3, "user 42");
    full.set_owner(Some("user 42".into()), Some(at(7)));
    full.set_cookie(CookieKind::Permanent);
    full.set_lifetime(Lifetime::new(50 * MINUTE, 100 * MINUTE), true, at(5));
    full.touch(at(9));
    put(&mut full, "another", u64::MAX);
    let mut anonymous = session(4);
    anonymous.set_owner(None, Some(at(1)));
    let mut all = vec![plain, bare, full, anonymous];
    for (number, record) in (1..).zip(&mut all) {
        // As after a rotation: no key of any session here.
        record.set_handle(Handle::from_bytes([number; 16]));
    }
    all
}
