//! What the campaigns with real processes on a real disk share: workers, which are this binary again; the operations that
//! they carry out; and what the parent knows of them, to be compared with what it finds.

pub mod calls;
pub mod claims;
pub mod crew;
pub mod found;
pub mod lane;
pub mod mounts;
pub mod op;
pub mod process;
pub mod said;

pub mod worker;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use cloakroom::Timestamp;

/// The time at which all of it happens; only touches and sweeps are later.
pub const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

/// Longer than this nothing may take, on however busy a machine: beyond it, it hangs.
pub const HANGS: Duration = Duration::from_secs(30);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future to its end; the thread is parked while the future waits.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
