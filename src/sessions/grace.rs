//! The grace window after a rotation: for a short time the old id still opens the session, read-only.
//!
//! The store holds a trace under the old key: a small record without an owner, whose one entry names the new key. No
//! caller ever gets a trace as a session. A trace ends at its own absolute deadline, and it opens nothing after the
//! session that it names is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::data::Data;
use crate::model::key::SessionKey;
use crate::model::lifetime::Lifetime;
use crate::model::record::Record;
use crate::model::time::Timestamp;
use crate::model::value;

/// The entry with the new key, in text. Applications cannot set it, because the name is reserved.
const SUCCESSOR: &str = "cloakroom.successor";

/// The trace to store under `old`.
pub(super) fn trace(old: SessionKey, new: &SessionKey, grace: Duration, now: Timestamp) -> Record {
    let lifetime = Lifetime::absolute(grace);
    let mut record = Record::new(old, lifetime, now);
    record.set_lifetime(lifetime, true, now);
    let handle = value::encode(&new.to_string()).expect("a string can be encoded");
    record.set_data(Data::from_entries(&BTreeMap::from([(SUCCESSOR.into(), handle)])));
    record
}

/// The key that a trace names; `None` for the record of a session.
pub(super) fn successor(record: &Record) -> Option<SessionKey> {
    // A trace has one entry, so the first one tells.
    let (name, handle) = record.data().iter().next()?;
    if name != SUCCESSOR {
        return None;
    }
    value::decode::<String>(handle).ok()?.parse().ok()
}
