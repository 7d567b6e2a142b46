//! A position: a place in the log, the field's log sequence number (LSN).

use std::fmt;

/// A place in the log: segment number in the upper, offset in the lower 32 bits, so that positions compare in the order
/// of the log and fit one atomic word.
///
/// No position is used twice (protocol rule 5), so the position of a record's last put is also its revision.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Position(u64);

impl Position {
    pub(crate) const fn new(segment: u32, offset: u32) -> Self {
        Self((segment as u64) << 32 | offset as u64)
    }

    pub(crate) const fn from_u64(word: u64) -> Self {
        Self(word)
    }

    pub(crate) const fn as_u64(self) -> u64 {
        self.0
    }

    pub(crate) const fn segment(self) -> u32 {
        (self.0 >> 32) as u32
    }

    pub(crate) const fn offset(self) -> u32 {
        self.0 as u32
    }

    /// The position this many bytes further on in the same segment.
    pub(crate) const fn plus(self, bytes: usize) -> Self {
        Self(self.0 + bytes as u64)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08}+{:#x}", self.segment(), self.offset())
    }
}
