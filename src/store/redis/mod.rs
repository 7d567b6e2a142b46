//! The store that keeps sessions in Redis, or in Valkey.
//!
//! What belongs here: the keys, the scripts, and what the client's errors mean.
//!
//! Each operation that writes is one script, so it is one round trip, and atomic. A script declares every key that it uses.
//! One that finds that it needs another answers so, and the operation calls it again with that key; a crowded owner costs that,
//! and a login over the trace of another login.
//!
//! | key, below the site's prefix | kind | what |
//! |---|---|---|
//! | `s:` and the session's key in hexadecimal digits | hash | a session, or a trace: the fields are in `scripts/common.lua` |
//! | `o:` and the owner's bytes | sorted set | the keys of all live sessions of the owner, and maybe others |
//! | `t` | sorted set | the keys of traces, by their end |
//! | `epoch` | string | what a session must bear to live; `clear` changes it |
//!
//! All times are milliseconds of the caller's clock, in decimal digits. The server removes what is over by itself, ten minutes
//! after its end; no answer depends on that.

mod answer;
mod lines;
mod operations;
mod options;
mod reads;
mod scripts;
mod store;
mod writes;

pub use self::options::RedisOptions;
pub use self::store::RedisStore;
