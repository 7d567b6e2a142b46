//! Panics of the inner service, kept until the session is settled.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::thread;

/// Calls, and awaits the future that the call gives. A panic in either is given as an error, which the caller resumes.
///
/// It is right to assert unwind safety: a future that has panicked is never polled again, and the session, which other
/// tasks may hold, loses its changes.
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
