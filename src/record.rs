//! One session as a store keeps it, and the layout of its bytes.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use crate::bytes::Bytes;
use crate::codec::{CodecError, Reader, Writer};
use crate::data::Data;
use crate::error::{Error, ErrorKind, Result};
use crate::key::SessionKey;
use crate::lifetime::{Expiry, Lifetime};
use crate::owner::Owner;
use crate::time::Timestamp;

/// Which write of a session this is. Opaque: equal or not equal, and nothing else.
///
/// A store either keeps the token that the caller proposed in the record (so that a retry after a lost answer
/// recognises its own write), or gives the record a revision of its own choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Revision(u64);

impl Revision {
    /// A token that no other write has, of this or of another process.
    pub fn fresh() -> Self {
        // The standard library's keyed hash: each RandomState differs, from a seed of the operating system's.
        Self(RandomState::new().build_hasher().finish())
    }

    /// A revision from what a store kept.
    pub const fn from_u64(revision: u64) -> Self {
        Self(revision)
    }

    /// For a store to keep.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// What the browser does with the session's cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CookieKind {
    /// The cookie goes when the browser is closed.
    #[default]
    BrowserSession,
    /// The cookie stays until its Max-Age is over ("remember me").
    Permanent,
}

/// A session as stores keep it: what cloakroom must know of it, and the application's [`Data`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    key: SessionKey,
    revision: Revision,
    created: Timestamp,
    expiry: Expiry,
    own_lifetime: bool,
    authenticated_at: Option<Timestamp>,
    owner: Option<Owner>,
    cookie: CookieKind,
    data: Data,
}

impl Record {
    /// A new record without owner and data, seen now.
    pub fn new(key: SessionKey, lifetime: Lifetime, now: Timestamp) -> Self {
        Self {
            key,
            revision: Revision(0),
            created: now,
            expiry: Expiry::starting(lifetime, now),
            own_lifetime: false,
            authenticated_at: None,
            owner: None,
            cookie: CookieKind::default(),
            data: Data::empty(),
        }
    }

    /// The session's key.
    pub const fn key(&self) -> &SessionKey {
        &self.key
    }

    /// Which write this is; in a record that is handed to a store, the token proposed for the write.
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// When the session began.
    pub const fn created(&self) -> Timestamp {
        self.created
    }

    /// When the session ends, and what decides it.
    pub const fn expiry(&self) -> &Expiry {
        &self.expiry
    }

    /// When the session was last seen (activity closer together than the touch throttle is not noted).
    pub const fn last_seen(&self) -> Timestamp {
        self.expiry.last_seen()
    }

    /// Whether the session is over at this time.
    pub fn is_expired_at(&self, now: Timestamp) -> bool {
        self.expiry.is_expired_at(now)
    }

    /// Whether the lifetime was chosen for this session, so that the site's policy does not apply to it.
    pub const fn has_own_lifetime(&self) -> bool {
        self.own_lifetime
    }

    /// When its owner logged in.
    pub const fn authenticated_at(&self) -> Option<Timestamp> {
        self.authenticated_at
    }

    /// Whose session it is.
    pub const fn owner(&self) -> Option<&Owner> {
        self.owner.as_ref()
    }

    /// Which kind of cookie the visitor has.
    pub const fn cookie(&self) -> CookieKind {
        self.cookie
    }

    /// What the session holds.
    pub const fn data(&self) -> &Data {
        &self.data
    }

    /// The same session under another key.
    pub fn set_key(&mut self, key: SessionKey) {
        self.key = key;
    }

    /// Sets the revision: stores do on load, callers to propose a token.
    pub fn set_revision(&mut self, revision: Revision) {
        self.revision = revision;
    }

    /// The session is seen; see [`Expiry::touch`].
    pub fn touch(&mut self, now: Timestamp) -> bool {
        self.expiry.touch(now)
    }

    /// Both deadlines begin anew; `own` says whether the lifetime was chosen for this session.
    pub fn set_lifetime(&mut self, lifetime: Lifetime, own: bool, now: Timestamp) {
        self.expiry = Expiry::starting(lifetime, now);
        self.own_lifetime = own;
    }

    /// Replaces what decides the session's end, as a store kept it.
    pub fn set_expiry(&mut self, expiry: Expiry) {
        self.expiry = expiry;
    }

    /// Sets or removes the owner, and when they logged in.
    pub fn set_owner(&mut self, owner: Option<Owner>, authenticated_at: Option<Timestamp>) {
        self.owner = owner;
        self.authenticated_at = authenticated_at;
    }

    /// Sets the kind of cookie.
    pub fn set_cookie(&mut self, cookie: CookieKind) {
        self.cookie = cookie;
    }

    /// Replaces what the session holds.
    pub fn set_data(&mut self, data: Data) {
        self.data = data;
    }

    /// The record's bytes but for its key and revision, which stores keep beside them.
    ///
    /// | bytes | what |
    /// |---|---|
    /// | 1 | format version, 1 |
    /// | 1 | flags: 1 idle timeout, 2 absolute deadline, 4 authenticated at, 8 owner, 16 own lifetime, 32 permanent cookie |
    /// | 6 | created: milliseconds since the Unix epoch, little-endian |
    /// | number | last seen: milliseconds after created |
    /// | number, if flag 1 | idle timeout in milliseconds |
    /// | number, if flag 2 | absolute deadline: milliseconds after created |
    /// | number, if flag 4 | authenticated at: milliseconds after created |
    /// | string, if flag 8 | owner |
    /// | the rest | the [`Data`] block |
    ///
    /// Numbers and strings are laid out as `src/codec.rs` says.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode(&self.expiry, Vec::with_capacity(64 + self.data.size())).0
    }

    /// The same behind these bytes, with what decides the session's end as it is by now; and where the data begins.
    fn encode(&self, expiry: &Expiry, bytes: Vec<u8>) -> (Vec<u8>, usize) {
        let mut writer = Writer::behind(bytes);
        let after_created = |time: Timestamp| time.since(self.created).as_millis() as u64;
        let idle = expiry.idle();
        let absolute = expiry.absolute();
        let mut flags = 0;
        for (flag, set) in [
            (flag::IDLE, idle.is_some()),
            (flag::ABSOLUTE, absolute.is_some()),
            (flag::AUTHENTICATED, self.authenticated_at.is_some()),
            (flag::OWNER, self.owner.is_some()),
            (flag::OWN_LIFETIME, self.own_lifetime),
            (flag::PERMANENT, self.cookie == CookieKind::Permanent),
        ] {
            flags |= if set { flag } else { 0 };
        }
        writer.byte(VERSION);
        writer.byte(flags);
        writer.fixed(&self.created.as_millis().to_le_bytes()[..6]);
        writer.number(after_created(expiry.last_seen()));
        if let Some(idle) = idle {
            writer.number(idle.as_millis() as u64);
        }
        for time in [absolute, self.authenticated_at].into_iter().flatten() {
            writer.number(after_created(time));
        }
        if let Some(owner) = &self.owner {
            writer.bytes(owner.as_str().as_bytes());
        }
        let data = writer.len();
        writer.fixed(self.data.block());
        (writer.into_vec(), data)
    }

    /// What a store keeps in memory of it, which is its bytes and a [note](Note); written into this memory.
    pub(crate) fn to_kept(&self, expiry: &Expiry, mut memory: Vec<u8>) -> Vec<u8> {
        memory.clear();
        memory.resize(Note::BYTES, 0);
        let (mut bytes, data) = self.encode(expiry, memory);
        Note { flags: bytes[Note::BYTES + 1], created: self.created, authenticated_at: self.authenticated_at, data }
            .write(&mut bytes);
        bytes
    }

    /// Reads what [`Record::to_bytes`] wrote, in bounded memory.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NewerFormat`] if a newer cloakroom wrote it, [`ErrorKind::Damaged`] if the bytes are not a record.
    pub fn from_bytes(key: SessionKey, revision: Revision, bytes: &[u8]) -> Result<Self> {
        Self::from_stored(key, revision, bytes).map(|(record, _)| record)
    }

    /// The same, and what a store keeps of it.
    pub(crate) fn from_stored(key: SessionKey, revision: Revision, bytes: &[u8]) -> Result<(Self, Bytes)> {
        if let Some(&version) = bytes.first()
            && version > VERSION
        {
            return Err(Error::new(
                ErrorKind::NewerFormat,
                format!("reading session {key} of record format {version}"),
            ));
        }
        let head = Head::read(bytes).and_then(|(head, block)| Data::check(block).map(|()| (head, block)));
        let (head, block) =
            head.map_err(|cause| Error::new(ErrorKind::Damaged, format!("reading session {key}")).because(cause))?;
        let Head { flags, created, authenticated_at, .. } = head;
        let mut kept = [&[0; Note::BYTES], bytes].concat();
        Note { flags, created, authenticated_at, data: kept.len() - block.len() }.write(&mut kept);
        let kept = Bytes::from(&kept[..]);
        Ok((Self::from_kept(key, revision, head.expiry, head.owner.map(Owner::from), kept.clone()), kept))
    }

    /// A record from what a store kept of it, with what may have changed since.
    pub(crate) fn from_kept(
        key: SessionKey,
        revision: Revision,
        expiry: Expiry,
        owner: Option<Owner>,
        kept: Bytes,
    ) -> Self {
        let Note { flags, created, authenticated_at, data } = Note::read(&kept);
        Self {
            key,
            revision,
            created,
            expiry,
            own_lifetime: flags & flag::OWN_LIFETIME != 0,
            authenticated_at,
            owner,
            cookie: if flags & flag::PERMANENT != 0 { CookieKind::Permanent } else { CookieKind::BrowserSession },
            data: Data::behind(data, kept),
        }
    }
}

/// What stands before a record's bytes in memory: all that a load would have to decode each time, at fixed places. Never on
/// disk.
pub(crate) struct Note {
    flags: u8,
    created: Timestamp,
    authenticated_at: Option<Timestamp>,
    /// Where the data begins.
    data: usize,
}

impl Note {
    pub(crate) const BYTES: usize = 21;

    /// As a record says that was read back: no time in it is before it was created, and that fits 48 bits.
    fn write(&self, kept: &mut [u8]) {
        let created = self.created.as_millis() & 0xffff_ffff_ffff;
        let authenticated = self
            .authenticated_at
            .map_or(u64::MAX, |time| created.saturating_add(time.as_millis().saturating_sub(self.created.as_millis())));
        kept[0] = self.flags;
        kept[1..9].copy_from_slice(&created.to_le_bytes());
        kept[9..17].copy_from_slice(&authenticated.to_le_bytes());
        kept[17..21].copy_from_slice(&(self.data as u32).to_le_bytes());
    }

    fn read(kept: &[u8]) -> Self {
        let note: &[u8; Self::BYTES] = kept.first_chunk().expect("whatever is kept begins with a note");
        let word = |from: usize| u64::from_le_bytes(std::array::from_fn(|at| note[from + at]));
        let authenticated_at = (note[0] & flag::AUTHENTICATED != 0).then(|| Timestamp::from_millis(word(9)));
        let data = u32::from_le_bytes(std::array::from_fn(|at| note[17 + at])) as usize;
        Self { flags: note[0], created: Timestamp::from_millis(word(1)), authenticated_at, data }
    }
}

const VERSION: u8 = 1;

mod flag {
    pub(super) const IDLE: u8 = 1;
    pub(super) const ABSOLUTE: u8 = 2;
    pub(super) const AUTHENTICATED: u8 = 4;
    pub(super) const OWNER: u8 = 8;
    pub(super) const OWN_LIFETIME: u8 = 16;
    pub(super) const PERMANENT: u8 = 32;
}

/// A record's bytes up to its data: all that an index needs to know.
pub(crate) struct Head<'a> {
    flags: u8,
    created: Timestamp,
    pub(crate) expiry: Expiry,
    authenticated_at: Option<Timestamp>,
    pub(crate) owner: Option<&'a str>,
}

impl<'a> Head<'a> {
    /// The head, and the bytes of the data.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), CodecError> {
        let mut reader = Reader::new(bytes);
        let version = reader.byte()?;
        let flags = reader.byte()?;
        if version != VERSION || flags >= flag::PERMANENT << 1 {
            return Err(CodecError::Malformed);
        }
        let [a, b, c, d, e, f] = reader.fixed()?;
        let created = Timestamp::from_millis(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]));
        let later = |millis: u64| Timestamp::from_millis(created.as_millis().saturating_add(millis));
        let last_seen = later(reader.number()?);
        let mut number_if = |flag: u8| if flags & flag == 0 { Ok(None) } else { reader.number().map(Some) };
        let idle = number_if(flag::IDLE)?.map(Duration::from_millis);
        let absolute = number_if(flag::ABSOLUTE)?.map(later);
        let authenticated_at = number_if(flag::AUTHENTICATED)?.map(later);
        let owner = if flags & flag::OWNER == 0 { None } else { Some(reader.text()?) };
        let expiry = Expiry::from_parts(last_seen, idle, absolute);
        Ok((Self { flags, created, expiry, authenticated_at, owner }, reader.rest()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;

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

    #[test]
    fn a_record_reads_back() {
        for record in [full(), Record::new(KEY, Lifetime::idle(Duration::from_millis(1)), Timestamp::EPOCH)] {
            assert_eq!(Record::from_bytes(KEY, record.revision(), &record.to_bytes()).unwrap(), record);
        }
    }

    #[test]
    fn what_is_kept_in_memory_is_what_was_stored() {
        let mut early = full();
        early.set_owner(Some("ada".into()), Some(Timestamp::EPOCH));
        let late = Record::new(KEY, Lifetime::idle(Duration::from_millis(1)), Timestamp::from_millis(u64::MAX - 5));
        let without = Record::new(KEY, Lifetime::AAL1, Timestamp::from_secs(1));
        for record in [full(), early, late, without] {
            let (revision, mut expiry) = (Revision(7), record.expiry);
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
        let hex: String = full().to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "012f0068e5cf8b01fb60eafc80ee3600fc005c2605fbf401077573657220343204636172740103");
    }

    #[test]
    fn any_cut_and_any_flip_is_a_record_or_a_typed_error() {
        let bytes = full().to_bytes();
        for cut in 0..bytes.len() {
            let _ = Record::from_bytes(KEY, Revision(0), &bytes[..cut]).map_err(|error| {
                assert_eq!(error.kind(), &ErrorKind::Damaged, "cut at {cut}");
            });
        }
        for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let _ = Record::from_bytes(KEY, Revision(0), &flipped)
                .map_err(|error| assert!(matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NewerFormat)));
        }
    }

    #[test]
    fn a_newer_format_is_told_apart_from_damage() {
        let mut bytes = full().to_bytes();
        bytes[0] = 2;
        let error = Record::from_bytes(KEY, Revision(0), &bytes).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::NewerFormat);
    }

    #[test]
    fn fresh_revisions_differ() {
        let revisions: std::collections::HashSet<_> = (0..10_000).map(|_| Revision::fresh()).collect();
        assert_eq!(revisions.len(), 10_000);
    }
}
