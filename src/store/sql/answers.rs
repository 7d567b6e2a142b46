//! What the functions in a database answer with.

/// The columns that a read asks for after the key, in the order of [`Row`](crate::store::remote::row::Row)'s fields.
pub(crate) const COLUMNS: &str = "rev, seen, ends, trace, body";

/// What a write found, as the functions number it.
pub(crate) mod status {
    pub(crate) const STORED: i32 = 0;
    pub(crate) const CONFLICT: i32 = 1;
    pub(crate) const GONE: i32 = 2;
    pub(crate) const TAKEN: i32 = 3;
    pub(crate) const LIMIT: i32 = 4;
    pub(crate) const UNKNOWN: i32 = 5;
}
