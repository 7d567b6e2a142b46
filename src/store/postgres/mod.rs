//! The store that keeps sessions in PostgreSQL.
//!
//! What belongs here: the schema, the statements, and what the client's errors mean. What never does: what is the same in any
//! SQL database (`sql/`).
//!
//! Each operation is one call of a function in the database, so it is one round trip, one transaction and one statement to
//! the outside. That holds behind a pooler that gives each transaction another connection, and on a connection that many
//! requests share: no BEGIN of one can take another's statement along. Within a function each statement sees what others
//! have committed before it, so a function locks first and looks then.

mod cause;
mod lines;
mod operations;
mod options;
mod schema;
mod store;

pub use self::options::PostgresOptions;
pub use self::store::PostgresStore;
