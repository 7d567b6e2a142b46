//! The formats: file names, segments, frames, hints and snapshots, byte by byte, and the effects that they state.
//!
//! Nothing here does I/O or reads a clock.

pub(crate) mod effect;
pub(crate) mod frame;
pub(crate) mod hint;
pub(crate) mod meta;
pub(crate) mod names;
pub(crate) mod position;
pub(crate) mod segment;
pub(crate) mod snapshot;
pub(crate) mod summary;
