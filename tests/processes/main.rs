//! FileStore between real processes. The other processes are this test binary again, in the role that an environment
//! variable names; a role is a function of [`roles`].

#![allow(missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, reason = "the helpers are part of tests, too")]

mod counting;
mod killed;
mod locks;
mod process;
mod rights;
mod roles;
mod site;
mod together;
mod vanished;

#[path = "../support/mod.rs"]
mod support;
