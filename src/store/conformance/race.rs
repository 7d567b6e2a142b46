//! Two requests that race for one place, until they have met so often that a store which lets both through is caught.

use std::hint;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use super::bench::{Checked, Subject, together};
use crate::store::Store;

/// So many requests race in each round.
pub(super) const CONTENDERS: u32 = 2;

/// In these rounds one thread polls all futures in turn. So a store that waits between its look and its write is caught in
/// the first of them.
const ON_ONE_THREAD: u32 = 4;

/// Then each contender has a thread. Whether they meet between the look and the write is chance, for a store that does not
/// wait there, so they must meet so often during their requests ...
const MEETINGS: u32 = 40;

/// ... but there are at most so many rounds: on a busy machine one thread may be done before the other begins, and each round may
/// take as long as a thread waits for its turn.
const ON_THREADS: u32 = 120;

/// Lets the contenders race, and collects the answers of each round. `prepare` makes what a contender of a round needs
/// before the race, and `attempt` is its request.
pub(super) fn contend<S: Store, P: Send, T: Send, F: Future<Output = T> + Send>(
    store: &Subject<'_, S>,
    what: &'static str,
    prepare: impl Fn(u32, u32) -> Checked<P> + Sync,
    attempt: impl Fn(u32, u32, P) -> F + Sync,
) -> Checked<Vec<Vec<T>>> {
    let mut rounds = Vec::new();
    for round in 0..ON_ONE_THREAD {
        let prepared = (0..CONTENDERS).map(|contender| prepare(round, contender)).collect::<Checked<Vec<_>>>()?;
        let attempts = (0..).zip(prepared).map(|(contender, prepared)| attempt(round, contender, prepared));
        rounds.push(store.wait(what, all(attempts.collect())));
    }
    let ring = Ring::default();
    let by_contender = together(CONTENDERS as usize, |contender| {
        let contender = contender as u32;
        let _opener = Opener(&ring);
        let mut answers = Vec::new();
        for round in ON_ONE_THREAD..ON_ONE_THREAD + ON_THREADS {
            if ring.meetings.load(Ordering::SeqCst) >= MEETINGS {
                break;
            }
            let prepared = prepare(round, contender)?;
            let attempt = attempt(round, contender, prepared);
            let arrivals = (round - ON_ONE_THREAD + 1) * CONTENDERS;
            answers.push(store.wait(what, ring.meet(arrivals, attempt)));
        }
        Ok(answers)
    })?;
    let longest = by_contender.iter().map(Vec::len).max().unwrap_or(0);
    let mut by_contender: Vec<_> = by_contender.into_iter().map(Vec::into_iter).collect();
    rounds.extend((0..longest).map(|_| by_contender.iter_mut().filter_map(Iterator::next).collect()));
    Ok(rounds)
}

/// Polls all futures in turn until each is done.
async fn all<T, F: Future<Output = T>>(futures: Vec<F>) -> Vec<T> {
    let mut futures: Vec<(Pin<Box<F>>, Option<T>)> =
        futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, output) in futures.iter_mut().filter(|(_, output)| output.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(ready) => *output = Some(ready),
                Poll::Pending => pending = true,
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    futures.into_iter().filter_map(|(_, output)| output).collect()
}

/// Where the threads of a race wait for each other. They spin, because threads that are woken begin one after another, and
/// too far apart to meet.
#[derive(Default)]
struct Ring {
    arrived: AtomicU32,
    inside: AtomicUsize,
    meetings: AtomicU32,
}

impl Ring {
    /// Makes the request once so many threads have arrived, and notes whether another one was under way meanwhile.
    async fn meet<T>(&self, arrivals: u32, request: impl Future<Output = T>) -> T {
        self.arrived.fetch_add(1, Ordering::SeqCst);
        for look in 0.. {
            match look {
                _ if self.arrived.load(Ordering::SeqCst) >= arrivals => break,
                0..50_000 => hint::spin_loop(),
                50_000..52_000 => thread::yield_now(),
                // The other thread's request may take long, or for ever.
                _ => thread::sleep(Duration::from_micros(200)),
            }
        }
        let before = self.inside.fetch_add(1, Ordering::SeqCst);
        let output = request.await;
        let after = self.inside.fetch_sub(1, Ordering::SeqCst);
        if before > 0 || after > 1 {
            self.meetings.fetch_add(1, Ordering::SeqCst);
        }
        output
    }
}

/// Lets all threads through for good when its own ends, so that no other waits for it.
struct Opener<'a>(&'a Ring);

impl Drop for Opener<'_> {
    fn drop(&mut self) {
        self.0.arrived.fetch_max(u32::MAX / 2, Ordering::SeqCst);
    }
}
