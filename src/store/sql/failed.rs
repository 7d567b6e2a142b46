//! Why a statement has no answer, and what that says of whether it was carried out.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::time::Duration;

use crate::model::error::{Error, ErrorKind};

/// Why a statement has no answer.
pub(crate) struct Failed {
    error: Error,
    /// The answer was lost, so the statement may have been carried out, or may still be.
    pub(crate) is_lost: bool,
}

/// What a client's error says of the statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The server undid it, for the sake of another: it may be sent again.
    Undone,
    /// The server undid it, or did not begin it.
    Refused(ErrorKind),
    Lost,
}

/// Why an answer is lost that did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("the server did not answer within {0:?}")]
pub(crate) struct Silent(pub(crate) Duration);

impl Meaning {
    pub(crate) fn into_failed(self, doing: &'static str, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Failed {
        let is_lost = self == Self::Lost;
        let (kind, doing): (_, Cow<'static, str>) = match self {
            Self::Refused(ErrorKind::Config) => (
                ErrorKind::Config,
                format!("{doing} (is the schema there, which `migrate` makes, and the right to use it?)").into(),
            ),
            Self::Refused(kind) => (kind, doing.into()),
            Self::Undone | Self::Lost => (ErrorKind::Unavailable, doing.into()),
        };
        let error = Error::new(kind, doing).because(cause);
        if is_lost { Failed { error, is_lost } } else { error.not_done().into() }
    }
}

impl Failed {
    pub(crate) fn into_error(self) -> Error {
        self.error
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, is_lost: false }
    }
}
