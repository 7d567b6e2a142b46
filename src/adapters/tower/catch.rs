//! Panics of the inner service, kept until the session is settled.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use pin_project_lite::pin_project;

/// Calls, and gives a future of what the call's future gives. A panic in either is given as an error, which the caller
/// resumes.
///
/// It is right to assert unwind safety: a future that has panicked is never polled again, and the session, which other
/// tasks may hold, loses its changes.
pub(super) fn catch<F: Future>(call: impl FnOnce() -> F) -> Catch<F> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(future) => Catch::Called { future },
        Err(panic) => Catch::Panicked { panic: Some(panic) },
    }
}

pin_project! {
    /// The future of [`catch`]. It is no async block, which would have room for several copies of the inner future.
    #[project = Projected]
    pub(super) enum Catch<F> {
        Called { #[pin] future: F },
        Panicked { panic: Option<Box<dyn Any + Send>> },
    }
}

impl<F: Future> Future for Catch<F> {
    type Output = thread::Result<F::Output>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Projected::Called { future } => match catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
                Ok(poll) => poll.map(Ok),
                Err(panic) => Poll::Ready(Err(panic)),
            },
            Projected::Panicked { panic } => {
                Poll::Ready(Err(panic.take().expect("a future is not polled after its end")))
            }
        }
    }
}
