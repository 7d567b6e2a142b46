//! Frameworks: a folder or a file for each, each with a feature of its own.
//!
//! An adapter converts between a framework's types and the core's, and decides nothing. What two adapters both need
//! belongs to [`sessions`](crate::sessions).

#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "tower")]
pub mod tower;
