//! A call as it was seen by the thread that made it.

use serde::{Deserialize, Serialize};

/// An operation with its answer, and when it happened by a clock that all threads and processes share.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call<E> {
    pub event: E,
    /// Before it was begun.
    pub invoked: u64,
    /// After it had answered.
    pub returned: u64,
}
