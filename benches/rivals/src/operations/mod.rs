//! One file for each operation that is measured, with what a child process does for it.
//!
//! What a single contender does never belongs here, nor the order in which operations are measured.

pub(crate) mod busy;
pub(crate) mod http;
pub(crate) mod load;
pub(crate) mod memory;
pub(crate) mod mixed;
pub(crate) mod neighbour;
pub(crate) mod open;
pub(crate) mod partners;
pub(crate) mod request;
pub(crate) mod save;
pub(crate) mod sweep;
pub(crate) mod touch;
