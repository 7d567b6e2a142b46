//! The front of a record's bytes: everything but the data.

use std::time::Duration;

use crate::model::codec::{CodecError, Reader};
use crate::model::hex;
use crate::model::lifetime::Expiry;
use crate::model::time::Timestamp;

/// The newest format. A record is written in the oldest that holds it: format 2 if it has a handle of its own, else 1.
pub(super) const VERSION: u8 = 2;
/// Where the handle stands, if flag 64 says that there is one.
pub(super) const HANDLE_AT: usize = 8;

pub(super) mod flag {
    pub(crate) const IDLE: u8 = 1;
    pub(crate) const ABSOLUTE: u8 = 2;
    pub(crate) const AUTHENTICATED: u8 = 4;
    pub(crate) const OWNER: u8 = 8;
    pub(crate) const OWN_LIFETIME: u8 = 16;
    pub(crate) const PERMANENT: u8 = 32;
    pub(crate) const HANDLE: u8 = 64;
}

/// The fields of a record's bytes before its data: everything that an index needs. [`Record::to_bytes`] describes the
/// layout.
///
/// [`Record::to_bytes`]: super::Record::to_bytes
pub(crate) struct Head<'a> {
    pub(super) flags: u8,
    pub(super) created: Timestamp,
    pub(crate) expiry: Expiry,
    pub(super) authenticated_at: Option<Timestamp>,
    pub(crate) owner: Option<&'a [u8]>,
}

impl<'a> Head<'a> {
    /// Reads the head, and also returns the bytes of the data.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), CodecError> {
        let mut reader = Reader::new(bytes);
        let version = reader.byte()?;
        let flags = reader.byte()?;
        let known = match version {
            1 => flag::HANDLE - 1,
            VERSION => flag::HANDLE * 2 - 1,
            _ => return Err(CodecError::Malformed),
        };
        if flags & !known != 0 {
            return Err(CodecError::Malformed);
        }
        let [a, b, c, d, e, f] = reader.fixed()?;
        let created = Timestamp::from_millis(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]));
        if flags & flag::HANDLE != 0 {
            reader.fixed::<{ hex::BYTES }>()?;
        }
        let later = |millis: u64| Timestamp::from_millis(created.as_millis().saturating_add(millis));
        let last_seen = later(reader.number()?);
        let mut number_if = |flag: u8| if flags & flag == 0 { Ok(None) } else { reader.number().map(Some) };
        let idle = number_if(flag::IDLE)?.map(Duration::from_millis);
        let absolute = number_if(flag::ABSOLUTE)?.map(later);
        let authenticated_at = number_if(flag::AUTHENTICATED)?.map(later);
        let owner = if flags & flag::OWNER == 0 { None } else { Some(reader.bytes()?) };
        let expiry = Expiry::from_parts(last_seen, idle, absolute);
        Ok((Self { flags, created, expiry, authenticated_at, owner }, reader.rest()))
    }
}
