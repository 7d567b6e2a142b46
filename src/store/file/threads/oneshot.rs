//! A result that one thread hands to the future that waits for it.

use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use crate::store::file::threads::{Mutex, MutexGuard};

/// See the module.
pub(crate) struct Oneshot<T>(Mutex<State<T>>);

enum State<T> {
    Waiting(Waker),
    Done(Option<T>),
}

impl<T> Oneshot<T> {
    /// Made for the future that is polled in this context.
    pub(crate) fn new(context: &Context<'_>) -> Self {
        Self(Mutex::new(State::Waiting(context.waker().clone())))
    }

    /// Hands the result over, and wakes the future. The caller must hold no lock: a waker may run any code.
    pub(crate) fn finish(&self, result: T) {
        let before = std::mem::replace(&mut *self.lock(), State::Done(Some(result)));
        if let State::Waiting(waker) = before {
            waker.wake();
        }
    }

    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<T> {
        match &mut *self.lock() {
            State::Done(result) => {
                Poll::Ready(result.take().expect("a future that has its result is not polled again"))
            }
            State::Waiting(waker) => {
                waker.clone_from(context.waker());
                Poll::Pending
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
