//! What a store keeps in memory in front of a record's bytes.

use super::head::flag;
use crate::model::time::Timestamp;

/// Stands before a record's bytes in memory, and never on disk: at fixed offsets, the fields that each load would decode
/// again otherwise.
///
/// | offset | bytes | what |
/// |---|---|---|
/// | 0 | 1 | the record's flags |
/// | 1 | 8 | created: milliseconds since the Unix epoch, little-endian |
/// | 9 | 8 | authenticated at: the same; 2^64 - 1 for none |
/// | 17 | 4 | where the data begins, counted from the note, little-endian |
pub(crate) struct Note {
    pub(super) flags: u8,
    pub(super) created: Timestamp,
    pub(super) authenticated_at: Option<Timestamp>,
    /// Where the data begins.
    pub(super) data: usize,
}

impl Note {
    pub(crate) const BYTES: usize = 21;

    /// Writes the times as a record has them that was read back from disk: `created` fits 48 bits, and no other time is
    /// earlier.
    pub(super) fn write(&self, kept: &mut [u8]) {
        let created = self.created.as_millis() & 0xffff_ffff_ffff;
        let authenticated = self
            .authenticated_at
            .map_or(u64::MAX, |time| created.saturating_add(time.as_millis().saturating_sub(self.created.as_millis())));
        kept[0] = self.flags;
        kept[1..9].copy_from_slice(&created.to_le_bytes());
        kept[9..17].copy_from_slice(&authenticated.to_le_bytes());
        kept[17..21].copy_from_slice(&(self.data as u32).to_le_bytes());
    }

    // Each load reads a note, and a call would cost as much as the reading.
    #[inline]
    pub(super) fn read(kept: &[u8]) -> Self {
        let note: &[u8; Self::BYTES] = kept.first_chunk().expect("whatever is kept begins with a note");
        let word = |from: usize| u64::from_le_bytes(std::array::from_fn(|at| note[from + at]));
        let authenticated_at = (note[0] & flag::AUTHENTICATED != 0).then(|| Timestamp::from_millis(word(9)));
        let data = u32::from_le_bytes(std::array::from_fn(|at| note[17 + at])) as usize;
        Self { flags: note[0], created: Timestamp::from_millis(word(1)), authenticated_at, data }
    }
}
