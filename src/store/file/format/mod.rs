//! What stands in the files, byte by byte: names, frames, segments, hints, and what they say. Formats do no I/O and know no time.

pub(crate) mod effect;
pub(crate) mod frame;
pub(crate) mod hint;
pub(crate) mod meta;
pub(crate) mod names;
pub(crate) mod position;
pub(crate) mod segment;
pub(crate) mod summary;
