//! The smallest executor: the thread parks until its future is done.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

struct Sleeper {
    thread: Thread,
    // The thread's own park token is not enough. A future that parks the thread while it is polled would consume the
    // token of a wake-up that came in between.
    woken: AtomicBool,
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Runs a future to its end on this thread, which sleeps while the future waits. It is only for futures that need no
/// runtime: no other future would ever be woken.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let sleeper = Arc::new(Sleeper { thread: thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&sleeper));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        // A park may also end for no reason.
        while !sleeper.woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_future_that_wakes_itself_is_polled_again() {
        let mut left = 1000;
        let polls = block_on(poll_fn(|context| {
            context.waker().wake_by_ref();
            left -= 1;
            if left == 0 { Poll::Ready("done") } else { Poll::Pending }
        }));
        assert_eq!(polls, "done");
    }

    #[test]
    fn a_wake_from_another_thread_ends_the_sleep() {
        for pause in [0, 0, 0, 1, 10] {
            let slot = Arc::new(Mutex::new((false, None::<Waker>)));
            let other = Arc::clone(&slot);
            let waking = thread::spawn(move || {
                thread::sleep(Duration::from_millis(pause));
                let mut slot = other.lock().unwrap();
                slot.0 = true;
                if let Some(waker) = slot.1.take() {
                    waker.wake();
                }
            });
            block_on(poll_fn(|context| {
                let mut slot = slot.lock().unwrap();
                slot.1 = Some(context.waker().clone());
                if slot.0 { Poll::Ready(()) } else { Poll::Pending }
            }));
            waking.join().unwrap();
        }
    }

    #[test]
    fn a_wake_is_not_lost_when_the_future_parks_the_thread_itself() {
        let mut first = true;
        block_on(poll_fn(|context| {
            if !std::mem::take(&mut first) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            thread::park_timeout(Duration::from_secs(10));
            Poll::Pending
        }));
    }

    #[test]
    fn an_unpark_that_was_meant_for_something_else_does_no_harm() {
        let mut polls = 0;
        thread::current().unpark();
        let me = thread::current();
        let waking = Mutex::new(None);
        block_on(poll_fn(|context| {
            polls += 1;
            if polls == 2 {
                return Poll::Ready(());
            }
            let (waker, me) = (context.waker().clone(), me.clone());
            *waking.lock().unwrap() = Some(thread::spawn(move || {
                me.unpark();
                thread::sleep(Duration::from_millis(5));
                waker.wake();
            }));
            Poll::Pending
        }));
        assert_eq!(polls, 2);
        waking.into_inner().unwrap().unwrap().join().unwrap();
    }
}
