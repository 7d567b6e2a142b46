//! Why a call has no answer, and whether it may have been carried out.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::time::Duration;

use crate::model::error::{Error, ErrorKind};

/// Why a call has no answer.
pub(crate) struct Failed {
    error: Error,
    /// The answer was lost, so the call may have been carried out, or may still be.
    pub(crate) is_lost: bool,
}

/// Why an answer is lost that did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("the server did not answer within {0:?}")]
pub(crate) struct Silent(pub(crate) Duration);

impl Failed {
    pub(crate) fn lost(doing: impl Into<Cow<'static, str>>, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { error: Error::new(ErrorKind::Unavailable, doing).because(cause), is_lost: true }
    }

    pub(crate) fn into_error(self) -> Error {
        self.error
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, is_lost: false }
    }
}
