//! What a store states about power losses.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::text::{Span, serde_as_text};

/// What a store's acknowledgement means when the power fails, for what it stores and for what it ends.
///
/// The two differ: a site may accept that a power loss takes the last second's carts, and not that it brings back a session
/// that was logged out. A touch is never waited for.
///
/// ```
/// use std::time::Duration;
///
/// use cloakroom::{Acknowledged, Durability, FileStore, Store};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let directory = directory.path().join("sessions");
/// // A power loss may cost the changes of the last second, and revives no session that was logged out.
/// let second = Durability::Every(Duration::from_secs(1));
/// let store = FileStore::options().durability(second).open(directory)?;
/// assert_eq!(store.durability(), Acknowledged::new(second, Durability::Always));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Acknowledged {
    /// What `create` and `update` mean.
    pub saves: Durability,
    /// What `destroy`, `destroy_owned_by`, `clear` and `rotate` mean. A rotation ends a session under its old key.
    pub endings: Durability,
}

impl Acknowledged {
    /// What a store states: how durable a save is when it is acknowledged, and how durable an ending is.
    pub const fn new(saves: Durability, endings: Durability) -> Self {
        Self { saves, endings }
    }
}

/// How durable something is when it is acknowledged. [`Acknowledged`] shows its use.
///
/// As text, in a configuration file for instance, it is `always`, `every 500ms` (or with another of the units `s`, `m`, `h`
/// and `d`), `never` or `volatile`.
///
/// ```
/// use std::time::Duration;
///
/// use cloakroom::Durability;
///
/// let second = Durability::Every(Duration::from_secs(1));
/// assert_eq!("every 1s".parse::<Durability>()?, second);
/// assert_eq!(second.to_string(), "every 1s");
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// It survives a power loss.
    Always,
    /// It survives the process. A power loss may take what was stored within this time before it. If the store
    /// cannot make durable what it has stored, all saves fail until it can.
    Every(Duration),
    /// It survives the process. A power loss may take what the operating system has not written yet.
    Never,
    /// All sessions end with the process.
    Volatile,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Every(interval) => write!(f, "every {}", Span(*interval)),
            Self::Never => f.write_str("never"),
            Self::Volatile => f.write_str("volatile"),
        }
    }
}

/// Its error is an [`ErrorKind::Config`].
impl FromStr for Durability {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            "volatile" => Ok(Self::Volatile),
            _ => match text.strip_prefix("every ") {
                Some(interval) => Ok(Self::Every(interval.parse::<Span>()?.0)),
                None => {
                    let error = Error::new(ErrorKind::Config, "reading a durability");
                    Err(error
                        .because("it is always, never, volatile, or every with a span of time, such as \"every 1s\""))
                }
            },
        }
    }
}

serde_as_text!(Durability);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_durability_reads_back_from_its_text() {
        for text in ["always", "every 500ms", "every 1s", "never", "volatile"] {
            assert_eq!(text.parse::<Durability>().unwrap().to_string(), text);
        }
        for bad in ["", "Always", "every", "every 1", "every second", "sometimes"] {
            assert_eq!(bad.parse::<Durability>().unwrap_err().kind(), &ErrorKind::Config, "{bad}");
        }
    }
}
