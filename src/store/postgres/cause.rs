//! What the client's errors say.

use std::error::Error;
use std::fmt;

/// An error of the client, with what it was caused by: by itself it says no more than "db error".
#[derive(Debug)]
pub(super) struct Cause(pub(super) tokio_postgres::Error);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The server's details quote what is stored.
        if let Some(answer) = self.0.as_db_error() {
            return write!(f, "{} (SQLSTATE {})", answer.message(), answer.code().code());
        }
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

impl Error for Cause {}
