//! The layout of sessions in contenders that know only keys and values. The value of a session is its end and its
//! record. An index of ends stands beside the sessions, so that a sweep reads only entries of expired sessions.

use cloakroom::{SessionKey, Timestamp};

use crate::session::{IDLE, Session};

const END: usize = 8;

pub(super) type Key = [u8; 16];

/// An entry of the index: the end of a session, then its key.
pub(super) type Due = [u8; 24];

/// A session's value.
pub(super) fn value(ends: Timestamp, session: &Session) -> Vec<u8> {
    with_end(ends, &session.record.to_bytes())
}

/// The same value with another end.
pub(super) fn moved(value: &[u8], ends: Timestamp) -> Vec<u8> {
    with_end(ends, &value[END..])
}

fn with_end(ends: Timestamp, bytes: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(END + bytes.len());
    value.extend_from_slice(&ends.as_millis().to_be_bytes());
    value.extend_from_slice(bytes);
    value
}

/// The end of a session.
pub(super) fn ends(value: &[u8]) -> Timestamp {
    let (end, _) = value.split_first_chunk().expect("a value begins with its end");
    Timestamp::from_millis(u64::from_be_bytes(*end))
}

/// The encoded record, if the session has not expired.
pub(super) fn live(value: &[u8], now: Timestamp) -> Option<Vec<u8>> {
    (ends(value) > now).then(|| value[END..].to_vec())
}

/// The end of a session that is seen now.
pub(super) fn end_of_seen(now: Timestamp) -> Timestamp {
    now.plus(IDLE)
}

pub(super) fn due(ends: Timestamp, key: &Key) -> Due {
    let mut due = [0; 24];
    due[..8].copy_from_slice(&ends.as_millis().to_be_bytes());
    due[8..].copy_from_slice(key);
    due
}

/// The bound between the entries that are due and those that are not.
pub(super) fn not_due(now: Timestamp) -> Due {
    due(now.plus(std::time::Duration::from_millis(1)), &[0; 16])
}

/// The key of the session that an entry belongs to.
pub(super) fn key_of(due: &[u8]) -> Key {
    let (_, key) = due.split_last_chunk().expect("an entry ends with its key");
    *key
}

pub(super) fn bytes(key: &SessionKey) -> &[u8] {
    key.as_bytes()
}
