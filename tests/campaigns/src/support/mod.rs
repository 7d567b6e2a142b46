//! What the campaigns share with the tests of the main crate: the same files, one noun each. What only campaigns need has a
//! place of its own here, and is never in this folder.

#![allow(dead_code, reason = "some of it only the main crate's tests use")]

#[path = "../../../support/block_on.rs"]
mod block_on;
#[path = "../../../support/in_memory.rs"]
mod in_memory;
#[path = "../../../support/key.rs"]
mod key;
#[path = "../../../support/model.rs"]
pub mod model;

pub use block_on::block_on;
pub use in_memory::in_memory;
pub use key::{key, number_of};
