//! The verdict on each promise.

use std::fmt;
use std::time::Duration;

/// The verdict on one promise.
///
/// ```
/// use cloakroom::MemoryStore;
/// use cloakroom::conformance::{Suite, Verdict};
///
/// let report = Suite::new(async |limits| MemoryStore::with_limits(limits)).run();
/// for (promise, verdict) in report.promises() {
///     if let Verdict::Skipped(why) = verdict {
///         println!("{promise} is not checked: {why}");
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The store keeps the promise.
    Kept,
    /// The store breaks the promise, in the way that the text says.
    Broken(String),
    /// The check did not end within its time limit, and was left to itself.
    TimedOut {
        /// The time limit.
        after: Duration,
        /// The operations that had not returned by then, each once. None if all had returned, and the check went on
        /// calling others.
        waiting_for: Vec<&'static str>,
    },
    /// The check could not judge the promise, because something that another promise covers did not hold.
    Unreached(String),
    /// The promise does not apply to this store, or the suite lacks what the check needs ([`Suite::reopen`],
    /// [`Suite::damage`]).
    ///
    /// [`Suite::reopen`]: super::Suite::reopen
    /// [`Suite::damage`]: super::Suite::damage
    Skipped(&'static str),
}

/// All promises, in the order of the contract, each with its verdict. `Display` shows one line for each.
///
/// ```no_run
/// use cloakroom::MemoryStore;
/// use cloakroom::conformance::Suite;
///
/// let report = Suite::new(async |limits| MemoryStore::with_limits(limits)).run();
/// println!("{report}");
/// println!("{} promises are broken", report.broken().count());
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Report(Vec<(&'static str, Verdict)>);

impl Report {
    pub(super) fn of(verdicts: Vec<(&'static str, Verdict)>) -> Self {
        Self(verdicts)
    }

    /// Each promise with its verdict.
    pub fn promises(&self) -> impl Iterator<Item = (&'static str, &Verdict)> {
        self.0.iter().map(|(name, verdict)| (*name, verdict))
    }

    /// The promises that the store breaks, those included whose check did not end in time.
    pub fn broken(&self) -> impl Iterator<Item = &'static str> {
        let is_broken = |verdict: &Verdict| matches!(verdict, Verdict::Broken(_) | Verdict::TimedOut { .. });
        self.promises().filter(move |(_, verdict)| is_broken(verdict)).map(|(name, _)| name)
    }

    /// The promises that could not be judged because another one is broken.
    pub fn unreached(&self) -> impl Iterator<Item = &'static str> {
        self.promises().filter(|(_, verdict)| matches!(verdict, Verdict::Unreached(_))).map(|(name, _)| name)
    }

    /// Whether every promise is kept or was skipped.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.broken().next().is_none() && self.unreached().next().is_none()
    }

    /// Fails a test whose store does not keep its promises.
    ///
    /// # Panics
    ///
    /// With the whole report, unless every promise is kept or was skipped.
    #[track_caller]
    pub fn assert(&self) {
        assert!(self.is_kept(), "the store does not keep its promises:\n{self}");
    }
}

impl fmt::Display for Verdict {
    /// The verdict in a word, and why.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept => write!(f, "kept"),
            Self::Broken(why) => write!(f, "BROKEN: {why}"),
            Self::TimedOut { after, waiting_for } if waiting_for.is_empty() => {
                write!(f, "TIMED OUT: did not finish in {after:?}, though each operation returned")
            }
            Self::TimedOut { after, waiting_for } => {
                write!(f, "TIMED OUT: did not finish in {after:?}, waiting for {}", waiting_for.join(", "))
            }
            Self::Unreached(why) => write!(f, "unreached: {why}"),
            Self::Skipped(why) => write!(f, "skipped: {why}"),
        }
    }
}

impl fmt::Display for Report {
    /// Shows a line for each promise.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.promises().try_for_each(|(name, verdict)| writeln!(f, "{name}: {verdict}"))
    }
}
