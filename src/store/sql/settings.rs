//! What an application may choose about a store in a database, and which names and values make sense.

use std::time::Duration;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::record::Record;
use crate::store::sql::answers::status;
use crate::store::{BeyondLimit, Capabilities, Limits};

/// The choices that the stores in SQL databases share.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) table: String,
    pub(crate) deadline: Duration,
    pub(crate) limits: Limits,
    pub(crate) connections: usize,
}

/// The version of the schema. The names of all functions and procedures contain it, so nodes of two versions run side by side.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// What `migrate` writes beside the table, before the version.
pub(crate) const SCHEMA_MARK: &str = "cloakroom schema ";

impl Settings {
    /// As long as a name may be, so that those made of it fit a database's 63 or 64 characters.
    const LONGEST_NAME: usize = 40;

    pub(crate) fn new(table: &str, connections: usize) -> Self {
        Self { table: table.into(), deadline: Duration::from_secs(2), limits: Limits::default(), connections }
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_name(&self.table)?;
        if self.deadline < Duration::from_millis(10) {
            return Err(
                Error::new(ErrorKind::Config, "reading the store's options").because("the deadline is too short")
            );
        }
        Ok(())
    }

    /// The limit of an owner's sessions as statements take it, and whether they refuse what is beyond it.
    pub(crate) fn limit(&self) -> (Option<i32>, bool) {
        let limit = self.limits.per_owner;
        let sessions = limit.map(|limit| i32::try_from(limit.sessions).unwrap_or(i32::MAX));
        (sessions, limit.is_some_and(|limit| limit.beyond == BeyondLimit::Refuse))
    }

    /// Why a statement has stored nothing.
    pub(crate) fn refused(&self, status: i32, key: &SessionKey) -> Error {
        let limit = self.limits.per_owner.map_or(0, |limit| limit.sessions);
        let kind = if status == status::LIMIT { ErrorKind::OwnerLimit { limit } } else { ErrorKind::KeyTaken };
        Error::new(kind, format!("storing session {key}"))
    }

    /// The most traces that a sweep leaves.
    pub(crate) fn most_traces(&self) -> i64 {
        i64::try_from(self.limits.traces).unwrap_or(i64::MAX)
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        Capabilities { most_traces: Some(self.limits.traces), ..Capabilities::EXACT }
    }

    /// The record's bytes, if they are within the limits and the column takes them.
    pub(crate) fn encode(&self, record: &Record, column_takes: usize) -> Result<Vec<u8>> {
        let bytes = record.to_bytes();
        self.limits.check(record, &bytes)?;
        if bytes.len() > column_takes {
            let kind = ErrorKind::TooLarge { what: "the record", size: bytes.len() as u64, limit: column_takes as u64 };
            return Err(Error::new(kind, format!("storing session {}", record.key())));
        }
        Ok(bytes)
    }
}

/// Lower-case letters, digits and underscores, beginning with a letter: such a name needs no quotes anywhere, and two names
/// never meet because a database folds letters.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let is_name = name.len() <= Settings::LONGEST_NAME
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
    if is_name {
        return Ok(());
    }
    let why = format!(
        "{name:?} is no name: at most {} lower-case letters, digits and underscores, a letter first",
        Settings::LONGEST_NAME
    );
    Err(Error::new(ErrorKind::Config, "reading the store's options").because(why))
}

/// The version in what stands beside the table.
///
/// # Errors
///
/// [`ErrorKind::NewerFormat`] if a newer version of cloakroom made it.
pub(crate) fn check_version(mark: &str) -> Result<Option<u32>> {
    let version = mark.strip_prefix(SCHEMA_MARK).and_then(|version| version.trim().parse().ok());
    match version {
        Some(version) if version > SCHEMA_VERSION => {
            let doing = format!("looking at the schema, of version {version}");
            Err(Error::new(ErrorKind::NewerFormat, doing))
        }
        version => Ok(version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_needs_quotes_or_is_too_long_is_refused() {
        for name in ["sessions", "s", "prod_2"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        let long = "a".repeat(41);
        for name in ["", "2", "_a", "Sessions", "a b", "a\"; --", "a.b", "é", "a%", &long] {
            assert_eq!(check_name(name).unwrap_err().kind(), &ErrorKind::Config, "{name}");
        }
    }

    #[test]
    fn a_newer_schema_is_refused_and_another_comment_is_none() {
        assert_eq!(check_version("cloakroom schema 1").unwrap(), Some(1));
        assert_eq!(check_version("the sessions").unwrap(), None);
        assert_eq!(check_version("cloakroom schema 2").unwrap_err().kind(), &ErrorKind::NewerFormat);
    }
}
