//! What the stores in SQL databases have in common: their rows, their names, and their connections.
//!
//! What belongs here: what does not depend on the database. What never does: a statement, or a type of a database's client.

pub(crate) mod failed;
pub(crate) mod link;
pub(crate) mod row;
pub(crate) mod settings;
