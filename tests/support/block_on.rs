//! The executor of the tests and the benchmarks: one future, run to its end by the thread that asks for it. Only for
//! futures that need no runtime. The crate has one of its own, which is not public.

#![allow(unreachable_pub, reason = "in some crates that share this file nothing is public")]

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    /// One for each thread. Most futures are done at their first poll, and a waker for each of them would be an
    /// allocation that the benchmarks measure.
    static WAKER: Waker = Waker::from(Arc::new(Unpark(thread::current())));
}

/// Runs a future to its end; the thread is parked while the future waits.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    WAKER.with(|waker| {
        loop {
            match future.as_mut().poll(&mut Context::from_waker(waker)) {
                Poll::Ready(output) => return output,
                Poll::Pending => thread::park(),
            }
        }
    })
}
