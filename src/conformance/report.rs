//! What became of each promise.

use std::fmt;

/// What became of one promise.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The store keeps it.
    Kept,
    /// The store breaks it, and this is how.
    Broken(String),
    /// It could not be judged, because something that another promise covers did not hold.
    Unreached(String),
    /// It does not apply, or the suite was not given what its check needs.
    Skipped(&'static str),
}

/// The promises, in the order of the contract, and what became of each.
#[derive(Clone, Debug)]
#[must_use]
pub struct Report(Vec<(&'static str, Outcome)>);

impl Report {
    pub(super) fn of(outcomes: Vec<(&'static str, Outcome)>) -> Self {
        Self(outcomes)
    }

    /// Each promise and what became of it.
    pub fn promises(&self) -> impl Iterator<Item = (&'static str, &Outcome)> {
        self.0.iter().map(|(name, outcome)| (*name, outcome))
    }

    /// The promises that the store breaks.
    pub fn broken(&self) -> impl Iterator<Item = &'static str> {
        self.promises().filter(|(_, outcome)| matches!(outcome, Outcome::Broken(_))).map(|(name, _)| name)
    }

    /// The promises that could not be judged because another is broken.
    pub fn unreached(&self) -> impl Iterator<Item = &'static str> {
        self.promises().filter(|(_, outcome)| matches!(outcome, Outcome::Unreached(_))).map(|(name, _)| name)
    }

    /// Whether every promise is kept, or was skipped.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.broken().next().is_none() && self.unreached().next().is_none()
    }

    /// # Panics
    ///
    /// With the whole report, unless every promise is kept or was skipped.
    #[track_caller]
    pub fn assert(&self) {
        assert!(self.is_kept(), "the store does not keep its promises:\n{self}");
    }
}

impl fmt::Display for Report {
    /// A line for each promise.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.promises().try_for_each(|(name, outcome)| match outcome {
            Outcome::Kept => writeln!(f, "kept       {name}"),
            Outcome::Broken(why) => writeln!(f, "BROKEN     {name}: {why}"),
            Outcome::Unreached(why) => writeln!(f, "unreached  {name}: {why}"),
            Outcome::Skipped(why) => writeln!(f, "skipped    {name}: {why}"),
        })
    }
}
