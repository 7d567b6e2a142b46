//! The bytes that distinguish the kinds of values. The table in the documentation of [`value`](super) says what follows
//! each.

/// How many lists and maps may stand inside each other. The bound keeps a reader of hostile bytes from exhausting its
/// stack.
pub const MAX_DEPTH: usize = 128;

/// What the first byte of a value says.
pub(super) mod tag {
    pub(crate) const NULL: u8 = 0;
    pub(crate) const FALSE: u8 = 1;
    pub(crate) const TRUE: u8 = 2;
    pub(crate) const INTEGER: u8 = 3;
    pub(crate) const LARGE: u8 = 4;
    pub(crate) const FLOAT: u8 = 5;
    pub(crate) const TEXT: u8 = 6;
    pub(crate) const LIST: u8 = 7;
    pub(crate) const MAP: u8 = 8;
    pub(crate) const END: u8 = 9;
}
