//! The grace window after a rotation: for a moment the old id still opens the session, read-only.
//!
//! Under the old key stands a small record without owner, whose one entry names the new key. It is no session, and is
//! shown as none. It ends by its own absolute deadline, and opens nothing once the session it names is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::data::Data;
use crate::key::SessionKey;
use crate::lifetime::Lifetime;
use crate::record::Record;
use crate::time::Timestamp;
use crate::value;

/// The entry with the new key, as its handle. Applications cannot set it: the name is reserved.
const SUCCESSOR: &str = "cloakroom.successor";

/// The record to leave under `old`.
pub(super) fn trace(old: SessionKey, new: &SessionKey, grace: Duration, now: Timestamp) -> Record {
    let lifetime = Lifetime::absolute(grace);
    let mut record = Record::new(old, lifetime, now);
    record.set_lifetime(lifetime, true, now);
    let handle = value::encode(&new.to_string()).expect("a string can be encoded");
    record.set_data(Data::from_entries(&BTreeMap::from([(SUCCESSOR.into(), handle)])));
    record
}

/// The key of the session that took this one's place; `None` for a session.
pub(super) fn successor(record: &Record) -> Option<SessionKey> {
    // A trace has one entry, so only the first needs a look.
    let (name, handle) = record.data().iter().next()?;
    if name != SUCCESSOR {
        return None;
    }
    value::decode::<String>(handle).ok()?.parse().ok()
}
