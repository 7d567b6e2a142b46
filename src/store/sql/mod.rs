//! What the stores in SQL databases have in common: their names, their choices, and what their answers and errors say.
//!
//! What belongs here: what does not depend on the database. What never does: a statement, or a type of a database's client.

pub(crate) mod answers;
pub(crate) mod meaning;
pub(crate) mod settings;
