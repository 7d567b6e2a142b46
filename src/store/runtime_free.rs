//! Which stores any executor can drive, also one that only parks a thread.

use crate::store::Store;

/// A store whose futures need no runtime: any executor can drive them, also one that only parks a thread.
///
/// This is what [`Sessions::blocking`](crate::Sessions::blocking) and the thread of a [`Sweeper`](crate::Sweeper) ask
/// for. A store whose futures wait for a runtime's sockets or timers must not implement it: such a thread would sleep for
/// ever.
///
/// ```
/// use cloakroom::{MemoryStore, RuntimeFree, Sessions};
///
/// fn first_visit(store: impl RuntimeFree) -> cloakroom::Result<()> {
///     let sessions = Sessions::builder(store).build()?.blocking(); // no async from here on
///     let session = sessions.open([""; 0])?;
///     session.insert("theme", "dark")?;
///     sessions.commit(session).map(drop)
/// }
///
/// first_visit(MemoryStore::new()).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "the futures of `{Self}` may need an async runtime, and a thread that parks would wait for ever",
    label = "is not `cloakroom::RuntimeFree`",
    note = "use `Sessions` with `.await` instead of `blocking()`, and `SweeperBuilder::run` instead of `spawn()`",
    note = "without async, a choice between files and memory is an `AnyStore`"
)]
pub trait RuntimeFree: Store {}
