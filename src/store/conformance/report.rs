//! The verdict on each promise.

use std::fmt;

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

    /// The promises that the store breaks.
    pub fn broken(&self) -> impl Iterator<Item = &'static str> {
        self.promises().filter(|(_, verdict)| matches!(verdict, Verdict::Broken(_))).map(|(name, _)| name)
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

impl fmt::Display for Report {
    /// Shows a line for each promise.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.promises().try_for_each(|(name, verdict)| match verdict {
            Verdict::Kept => writeln!(f, "kept       {name}"),
            Verdict::Broken(why) => writeln!(f, "BROKEN     {name}: {why}"),
            Verdict::Unreached(why) => writeln!(f, "unreached  {name}: {why}"),
            Verdict::Skipped(why) => writeln!(f, "skipped    {name}: {why}"),
        })
    }
}
