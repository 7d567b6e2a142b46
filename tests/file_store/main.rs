//! FileStore on a real directory: what it lets near its files, what it keeps, and what it says when something is wrong.

#![allow(missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, reason = "the helpers are part of tests, too")]

mod backup;
mod closing;
mod copied_over;
mod damage;
mod directory;
mod doubt;
mod durability;
mod fuse;
mod limits;
mod listing;
mod memory;
mod operations;
mod planted;
mod space;
mod sweeping;
mod vanished;
mod verify;

#[path = "../support/mod.rs"]
mod support;
