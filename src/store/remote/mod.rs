//! What the stores on other machines have in common: their connections, their failures, and the rows of their sessions.
//!
//! What belongs here: what depends on no database. What never does: a statement, a script, or a type of a database's client.

pub(crate) mod failed;
pub(crate) mod link;
pub(crate) mod row;
#[cfg(any(feature = "mysql-tls", feature = "postgres-tls", feature = "redis-tls"))]
pub(crate) mod tls;
