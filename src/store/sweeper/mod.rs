//! Removes expired sessions in the background, so that they take no space.
//!
//! What belongs here: when to sweep, and how much, and what to do with the result. What never does: which sessions have expired, since
//! that is for [`Store::sweep`](crate::Store::sweep) to decide.

pub(crate) mod beside_creates;
mod builder;
mod round;
mod thread;

pub use self::builder::SweeperBuilder;
pub use self::thread::Sweeper;

#[cfg(test)]
mod tests;
