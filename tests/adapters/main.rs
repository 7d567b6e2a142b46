//! The tower layer around plain services, and the axum extractor.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may panic, and nothing of it is public")]

mod extractor;
mod faulty;
mod layer;
