//! One file an operation.

pub(crate) mod busy;
pub(crate) mod http;
pub(crate) mod load;
pub(crate) mod mixed;
pub(crate) mod neighbour;
pub(crate) mod open;
pub(crate) mod partners;
pub(crate) mod request;
pub(crate) mod save;
pub(crate) mod sweep;
pub(crate) mod touch;
