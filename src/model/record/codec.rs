//! A record to bytes, and back.

use super::head::{HANDLE_AT, Head, VERSION, flag};
use super::note::Note;
use super::revision::Revision;
use super::{CookieKind, Record};
use crate::model::bytes::Bytes;
use crate::model::codec::Writer;
use crate::model::data::Data;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::handle::Handle;
use crate::model::key::SessionKey;
use crate::model::lifetime::Expiry;
use crate::model::owner::Owner;
use crate::model::time::Timestamp;

impl Record {
    /// The record's encoded form, without its key and its revision, which stores keep beside it.
    ///
    /// | bytes | what |
    /// |---|---|
    /// | 1 | format version: 2 with a handle, else 1 |
    /// | 1 | flags: 1 idle timeout, 2 absolute deadline, 4 authenticated at, 8 owner, 16 own lifetime, 32 permanent cookie, 64 handle |
    /// | 6 | created: milliseconds since the Unix epoch, little-endian |
    /// | 16, if flag 64 | handle; without it, the handle is made of the key's bytes |
    /// | number | last seen: milliseconds after created |
    /// | number, if flag 1 | idle timeout in milliseconds |
    /// | number, if flag 2 | absolute deadline: milliseconds after created |
    /// | number, if flag 4 | authenticated at: milliseconds after created |
    /// | byte string, if flag 8 | owner |
    /// | the rest | the [`Data`] block |
    ///
    /// Numbers and strings are laid out as `src/model/codec.rs` says.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode(&self.expiry, Vec::with_capacity(64 + self.data.size())).0
    }

    /// Appends the encoded form to these bytes, with newer deadlines than the record's own; also returns where the data
    /// begins.
    fn encode(&self, expiry: &Expiry, bytes: Vec<u8>) -> (Vec<u8>, usize) {
        let mut writer = Writer::appending_to(bytes);
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
            (flag::HANDLE, self.handle.as_bytes() != self.key.as_bytes()),
        ] {
            flags |= if set { flag } else { 0 };
        }
        writer.byte(if flags & flag::HANDLE == 0 { 1 } else { VERSION });
        writer.byte(flags);
        writer.fixed(&self.created.as_millis().to_le_bytes()[..6]);
        if flags & flag::HANDLE != 0 {
            writer.fixed(self.handle.as_bytes());
        }
        writer.number(after_created(expiry.last_seen()));
        if let Some(idle) = idle {
            writer.number(idle.as_millis() as u64);
        }
        for time in [absolute, self.authenticated_at].into_iter().flatten() {
            writer.number(after_created(time));
        }
        if let Some(owner) = &self.owner {
            writer.bytes(owner.as_bytes());
        }
        let data = writer.len();
        writer.fixed(self.data.block());
        (writer.into_vec(), data)
    }

    /// What a store keeps of the record in memory: a [note](Note), then the encoded form. Reuses the given memory.
    pub(crate) fn to_kept(&self, expiry: &Expiry, mut memory: Vec<u8>) -> Vec<u8> {
        memory.clear();
        memory.resize(Note::BYTES, 0);
        let (mut bytes, data) = self.encode(expiry, memory);
        Note { flags: bytes[Note::BYTES + 1], created: self.created, authenticated_at: self.authenticated_at, data }
            .write(&mut bytes);
        bytes
    }

    /// Reads what [`Record::to_bytes`] wrote. Whatever the bytes are, the memory taken is in proportion to them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NewerFormat`] if a newer version of cloakroom wrote the record, [`ErrorKind::Damaged`] if the bytes
    /// are not a record.
    pub fn from_bytes(key: SessionKey, revision: Revision, bytes: &[u8]) -> Result<Self> {
        Self::from_stored(key, revision, bytes).map(|(record, _)| record)
    }

    /// Reads a record, and also returns what a store keeps of it in memory.
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

    /// A record from what a store kept in memory. The other arguments are what may have changed since then.
    pub(crate) fn from_kept(
        key: SessionKey,
        revision: Revision,
        expiry: Expiry,
        owner: Option<Owner>,
        kept: Bytes,
    ) -> Self {
        let Note { flags, created, authenticated_at, data } = Note::read(&kept);
        let handle = match kept[Note::BYTES + HANDLE_AT..].first_chunk() {
            Some(handle) if flags & flag::HANDLE != 0 => *handle,
            _ => *key.as_bytes(),
        };
        Self {
            key,
            handle: Handle::from_bytes(handle),
            revision,
            created,
            expiry,
            own_lifetime: flags & flag::OWN_LIFETIME != 0,
            authenticated_at,
            owner,
            cookie: if flags & flag::PERMANENT != 0 { CookieKind::Permanent } else { CookieKind::BrowserSession },
            data: Data::after(data, kept),
        }
    }
}
