//! What a database's error says of the statement.

use std::borrow::Cow;
use std::error::Error as StdError;

use crate::model::error::{Error, ErrorKind};
use crate::store::remote::failed::Failed;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The server undid it, for the sake of another: it may be sent again.
    Undone,
    /// The server undid it, or did not begin it.
    Refused(ErrorKind),
    Lost,
}

impl Meaning {
    pub(crate) fn into_failed(self, doing: &'static str, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Failed {
        let (kind, doing): (_, Cow<'static, str>) = match self {
            Self::Lost => return Failed::lost(doing, cause),
            Self::Refused(ErrorKind::Config) => (
                ErrorKind::Config,
                format!("{doing} (is the schema there, which `migrate` makes, and the right to use it?)").into(),
            ),
            Self::Refused(kind) => (kind, doing.into()),
            Self::Undone => (ErrorKind::Unavailable, doing.into()),
        };
        Error::new(kind, doing).because(cause).not_done().into()
    }
}
