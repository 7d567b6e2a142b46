//! What a request changed in its session. They are changes and not a copy of the whole session, so that a commit can
//! apply them again to what another request has stored meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::data::Data;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::handle::Handle;
use crate::model::lifetime::Lifetime;
use crate::model::owner::Owner;
use crate::model::record::{CookieKind, Record};
use crate::model::time::Timestamp;
use crate::model::value;
use crate::session::entry::is_reserved;

/// Makes an entry's new encoded value out of its old one. May run any number of times.
pub(crate) type Modify = Box<dyn Fn(Option<&[u8]>) -> Result<Option<Vec<u8>>> + Send + Sync>;

/// All changes of one request.
#[derive(Default)]
pub(crate) struct Changes {
    /// All stored entries were removed, before the changes in `entries`.
    cleared: bool,
    entries: BTreeMap<Arc<str>, EntryChange>,
    /// Entries of the stored record that were read.
    reads: BTreeSet<Box<str>>,
    login: Option<Login>,
    reauthentication: Option<Reauthentication>,
    lifetime: Option<LifetimeChange>,
    cookie: Option<CookieKind>,
    rotate: bool,
}

/// What happened to one entry: first the base, then the modifications of it, in order.
struct EntryChange {
    base: Base,
    modify: Vec<Modify>,
    /// The value after all modifications, as this request sees it.
    value: Option<Arc<[u8]>>,
}

enum Base {
    /// The value that the store has.
    Stored,
    /// This value. If it is guarded, only where the store still has the value that this request has read.
    Set { value: Arc<[u8]>, guarded: bool },
    /// No value. If it is guarded, only where the store still has the value that this request has taken.
    Removed { guarded: bool },
}

/// A login: the user, the time, and the handle of a session that was not theirs before.
pub(crate) struct Login {
    pub(crate) owner: Owner,
    pub(crate) at: Timestamp,
    pub(crate) handle: Handle,
}

/// A reauthentication: the time, and the site's lifetime, which begins anew where the session has none of its own.
struct Reauthentication {
    at: Timestamp,
    lifetime: Lifetime,
}

struct LifetimeChange {
    lifetime: Lifetime,
    own: bool,
    since: Timestamp,
}

/// What a request sees of an entry.
pub(crate) enum Seen {
    /// The record's value: the request has not changed the entry.
    Stored,
    /// The value that the request itself has given it.
    Local(Option<Arc<[u8]>>),
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        !self.cleared
            && self.entries.is_empty()
            && self.login.is_none()
            && self.lifetime.is_none()
            && self.cookie.is_none()
            && !self.rotate
    }

    pub(crate) fn seen(&self, name: &str) -> Seen {
        match self.entries.get(name) {
            Some(change) => Seen::Local(change.value.clone()),
            None if self.cleared => Seen::Local(None),
            None => Seen::Stored,
        }
    }

    /// Notes that this request knows what the store has under this name. A value that the request itself has set says
    /// nothing about the store.
    pub(crate) fn note_read(&mut self, name: &str) {
        let depends_on_store = match self.entries.get(name) {
            Some(change) => matches!(change.base, Base::Stored) && !self.cleared,
            None => !self.cleared,
        };
        if depends_on_store && !self.reads.contains(name) {
            self.reads.insert(name.into());
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: Vec<u8>, overwrite: bool) {
        let value: Arc<[u8]> = value.into();
        let guarded = !overwrite && self.reads.contains(name);
        let base = Base::Set { value: Arc::clone(&value), guarded };
        self.entries.insert(name.into(), EntryChange { base, modify: Vec::new(), value: Some(value) });
    }

    pub(crate) fn remove(&mut self, name: &str, taken: bool) {
        let base = Base::Removed { guarded: taken && self.reads.contains(name) };
        self.entries.insert(name.into(), EntryChange { base, modify: Vec::new(), value: None });
    }

    /// Adds a modification, and the value that it made of what this request sees.
    pub(crate) fn modify(&mut self, name: &str, modify: Modify, value: Option<Vec<u8>>) {
        let change = self.entries.entry(name.into()).or_insert_with(|| EntryChange {
            base: Base::Stored,
            modify: Vec::new(),
            value: None,
        });
        change.modify.push(modify);
        change.value = value.map(Into::into);
    }

    pub(crate) fn clear(&mut self) {
        self.cleared = true;
        self.entries.clear();
    }

    /// Leaves what is stored behind, and keeps what this request puts in.
    pub(crate) fn disown(&mut self) {
        self.cleared = true;
    }

    pub(crate) fn rotate(&mut self) {
        self.rotate = true;
    }

    pub(crate) fn login(&mut self, login: Login) {
        self.login = Some(login);
        self.reauthentication = None;
        self.rotate = true;
    }

    /// A login is a reauthentication, too, and stays one.
    pub(crate) fn reauthenticate(&mut self, lifetime: Lifetime, at: Timestamp) {
        if self.login.is_none() {
            self.reauthentication = Some(Reauthentication { at, lifetime });
            self.rotate = true;
        }
    }

    pub(crate) fn set_lifetime(&mut self, lifetime: Lifetime, own: bool, since: Timestamp) {
        self.lifetime = Some(LifetimeChange { lifetime, own, since });
    }

    pub(crate) fn set_cookie(&mut self, kind: CookieKind) {
        self.cookie = Some(kind);
    }

    pub(crate) fn rotates(&self) -> bool {
        self.rotate
    }

    pub(crate) fn reauthenticates(&self) -> bool {
        self.reauthentication.is_some()
    }

    pub(crate) fn new_owner(&self) -> Option<&Owner> {
        self.login.as_ref().map(|login| &login.owner)
    }

    /// Whether the visitor's cookie has to be sent again, because its age changes.
    pub(crate) fn concern_cookie(&self) -> bool {
        self.cookie.is_some() || self.lifetime.is_some()
    }

    /// The application's entries that were set or modified. Where the session is gone, what was removed from it is so,
    /// too.
    pub(crate) fn names_set(&self) -> Vec<String> {
        let is_set = |change: &EntryChange| !matches!(change.base, Base::Removed { .. }) || !change.modify.is_empty();
        let set = self.entries.iter().filter(|(name, change)| is_set(change) && !is_reserved(name));
        set.map(|(name, _)| name.to_string()).collect()
    }

    /// The record as this request sees it: the changes applied to the record that it opened.
    pub(crate) fn onto_seen(&self, seen: &Record) -> Record {
        let values = self.entries.iter().map(|(name, change)| (&**name, change.value.as_deref()));
        self.onto(seen, values)
    }

    /// The changes applied to `current`, which other requests have made of `seen` meanwhile.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] for an entry that this request read and set or took, and that has another value now, but
    /// for the one that it set; the error of a modification.
    pub(crate) fn onto_current(&self, seen: &Record, current: &Record) -> Result<Record> {
        for (name, change) in &self.entries {
            let stored = current.data().get(name);
            let was_seen = || is_same(stored, seen.data().get(name));
            let is_conflict = match &change.base {
                Base::Set { value, guarded: true } => !was_seen() && !is_same(stored, Some(value)),
                Base::Removed { guarded: true } => !was_seen(),
                _ => false,
            };
            if is_conflict {
                let kind = ErrorKind::Conflict { entry: name.to_string() };
                return Err(Error::new(kind, format!("committing session {}", current.key())));
            }
        }
        self.onto_base(current)
    }

    /// The changes applied to `base`, whatever this request has read before.
    ///
    /// # Errors
    ///
    /// The error of a modification.
    pub(crate) fn onto_base(&self, base: &Record) -> Result<Record> {
        let mut values = Vec::with_capacity(self.entries.len());
        for (name, change) in &self.entries {
            let stored = base.data().get(name).filter(|_| !self.clears(base));
            values.push((&**name, change.value_over(stored)?));
        }
        Ok(self.onto(base, values.iter().map(|(name, value)| (*name, value.as_deref()))))
    }

    /// The changes of entries applied to the session that `seen` has moved to, as far as that still has what this request
    /// saw. All other changes are not for a session whose id nobody here knows. `None` if the value of an entry that was set
    /// cannot be kept.
    ///
    /// # Errors
    ///
    /// The error of a modification.
    pub(crate) fn onto_successor(&self, seen: &Record, successor: &Record) -> Result<Option<Record>> {
        let is_as_seen = |name: &str| is_same(successor.data().get(name), seen.data().get(name));
        let mut values: BTreeMap<&str, Option<Vec<u8>>> = BTreeMap::new();
        let cleared = seen.data().iter().filter(|(name, _)| self.cleared && is_as_seen(name));
        values.extend(cleared.map(|(name, _)| (name, None)));
        for (name, change) in &self.entries {
            let stored = successor.data().get(name);
            let is_modified = !change.modify.is_empty();
            let depends_on_stored = matches!(change.base, Base::Stored) && !self.cleared;
            let value = change.value_over(stored.filter(|_| depends_on_stored))?;
            if depends_on_stored || is_as_seen(name) || is_same(stored, value.as_deref()) {
                values.insert(name, value);
            } else if is_modified || !matches!(change.base, Base::Removed { .. }) {
                return Ok(None);
            }
        }
        let mut changed = successor.clone();
        let values = values.iter().map(|(name, value)| (*name, value.as_deref()));
        changed.set_data(merged(successor.data(), true, values));
        Ok(Some(changed))
    }

    fn onto<'a>(&self, record: &'a Record, values: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>) -> Record {
        let mut changed = record.clone();
        let clears = self.clears(record);
        self.apply_head(&mut changed);
        if clears || !self.entries.is_empty() {
            changed.set_data(merged(record.data(), !clears, values));
        }
        changed
    }

    /// Whether nothing that is stored stays: it was cleared, or it is another user's than the one who logs in.
    fn clears(&self, record: &Record) -> bool {
        self.cleared || self.new_owner().is_some_and(|new| record.owner().is_some_and(|owner| owner != new))
    }

    /// All changes but those of the entries.
    pub(crate) fn apply_head(&self, record: &mut Record) {
        if let Some(Login { owner, at, handle }) = &self.login {
            if record.owner() != Some(owner) {
                record.set_handle(*handle);
            }
            record.set_owner(Some(owner.clone()), Some(*at));
        }
        if let Some(Reauthentication { at, lifetime }) = self.reauthentication {
            record.set_owner(record.owner().cloned(), Some(at));
            if !record.has_own_lifetime() {
                record.set_lifetime(lifetime, false, at);
            }
        }
        if let Some(LifetimeChange { lifetime, own, since }) = self.lifetime {
            record.set_lifetime(lifetime, own, since);
        }
        if let Some(kind) = self.cookie {
            record.set_cookie(kind);
        }
    }
}

impl EntryChange {
    /// The entry's value where this one is stored.
    fn value_over(&self, stored: Option<&[u8]>) -> Result<Option<Vec<u8>>> {
        let value = match &self.base {
            Base::Set { value, .. } => Some(&**value),
            Base::Stored => stored,
            Base::Removed { .. } => None,
        };
        match self.modify.split_first() {
            None => Ok(value.map(<[u8]>::to_vec)),
            Some((first, rest)) => rest.iter().try_fold(first(value)?, |value, modify| modify(value.as_deref())),
        }
    }
}

/// The stored entries, if they stay, with these values in their places.
fn merged<'a>(stored: &'a Data, stay: bool, values: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>) -> Data {
    let mut entries: BTreeMap<&str, &[u8]> = stored.iter().filter(|_| stay).collect();
    for (name, value) in values {
        match value {
            // An equal value stays as it is stored, so that its bytes tell whether anything changed.
            Some(value) => match stored.get(name).filter(|stored| value::is_same(stored, value)) {
                Some(stored) => entries.insert(name, stored),
                None => entries.insert(name, value),
            },
            None => entries.remove(name),
        };
    }
    Data::from_sorted(entries.iter().map(|(name, value)| (*name, *value)))
}

/// Whether two entries are equal, absent ones included.
fn is_same(one: Option<&[u8]>, other: Option<&[u8]>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => value::is_same(one, other),
        (one, other) => one == other,
    }
}
