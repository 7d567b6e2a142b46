//! One file an operation.

pub(crate) mod load;
pub(crate) mod mixed;
pub(crate) mod open;
pub(crate) mod request;
pub(crate) mod save;
pub(crate) mod sweep;
pub(crate) mod touch;
