//! The store that keeps sessions in MySQL or MariaDB.
//!
//! What belongs here: the schema, the statements, and what the client's errors mean. What never does: what is the same in any
//! SQL database (`sql/`).
//!
//! Each operation is one call of a procedure in the database, so it is one round trip. A procedure is one transaction, and
//! undoes it whatever fails, so a connection that goes back to the pool has none open. A session's row has a number of its
//! own, which a rotation does not change. With the key as the primary key, InnoDB would move the row, and a statement that
//! waits for all rows of an owner would pass it by.

mod lines;
mod operations;
mod options;
mod schema;
mod store;

pub use self::options::MysqlOptions;
pub use self::store::MysqlStore;
