//! Panics of the inner service, held back until the session is settled.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::thread;

/// Calls, and awaits what the call gives. A panic in either comes back as an error, to be resumed.
///
/// Unwind safety may be asserted: the future that panicked is dropped and never polled again, and of the session,
/// which others may hold as well, all changes are dropped.
pub(super) async fn catch<F: Future>(call: impl FnOnce() -> F) -> thread::Result<F::Output> {
    let future = catch_unwind(AssertUnwindSafe(call))?;
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}
