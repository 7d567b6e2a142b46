//! cloakroom beside everything that a user would pick instead.
//!
//!     cargo run --release --manifest-path benches/rivals/Cargo.toml -- [--quick] [--sessions N,..]
//!
//! What is measured, and how each contender is set up, is in README.md beside this crate's manifest.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has nothing to report")]
#![allow(dead_code)]

mod block_on;
mod contender;
mod contenders;
mod numbers;
mod session;

fn main() {}
