//! What a store promises about futures that are dropped.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::bench::{Bench, Checked, ensure, promises};
use super::fixture::{at, changed, key, moved, number, put, session};
use crate::store::Store;

promises! {
    "a dropped future leaves its operation whole or not begun" => is_whole_or_not_begun,
}

/// Drops a future after `polls` polls, unless it is done before.
async fn abandon(future: impl Future, polls: usize) {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 || future.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        left -= 1;
        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// A store may finish the operation in the background, so the check asks only for what holds at every moment.
fn is_whole_or_not_begun<S: Store>(bench: &Bench<'_, S>) -> Checked {
    let store = bench.open();
    // If a rotation that is not dropped leaves the old key alive as well, another promise is broken, and not this one.
    let revision = store.create(&session(1), at(0))?;
    store.rotated(&key(1), revision, &moved(&session(1), 2), at(0))?;
    let leaves_both = store.is_there(&key(1), at(0))?;

    for polls in 0..6u32 {
        let base = 100 * (polls + 1);
        let (created, updated, old, new) = (base, base + 1, base + 2, base + 3);

        let mut record = session(created);
        put(&mut record, "m", created.into());
        store.wait("create", abandon(store.store.create(&record, &[], at(0)), polls as usize));
        if let Some(loaded) = store.load(&key(created), at(0))? {
            ensure!(loaded.data() == record.data(), "a create dropped after {polls} polls left a part of the session");
        }

        let mut before = session(updated);
        put(&mut before, "m", updated.into());
        let revision = store.create(&before, at(0))?;
        let mut after = changed(&before, 5);
        put(&mut after, "m", 5);
        store.wait("update", abandon(store.store.update(&after, revision, at(0)), polls as usize));
        let loaded = store.loaded(&key(updated), at(0))?;
        ensure!(
            number(&loaded, "n") == number(&loaded, "m"),
            "an update dropped after {polls} polls left a part of the change"
        );

        let revision = store.create(&session(old), at(0))?;
        let record = moved(&session(old), new);
        store.wait("rotate", abandon(store.store.rotate(&key(old), revision, &record, None, at(0)), polls as usize));
        let both = store.is_there(&key(new), at(0))? && store.is_there(&key(old), at(0))?;
        ensure!(!both || leaves_both, "a rotation dropped after {polls} polls left the session under both keys");
        let neither = !store.is_there(&key(old), at(0))? && !store.is_there(&key(new), at(0))?;
        ensure!(!neither, "a rotation dropped after {polls} polls left the session under neither key");
    }
    Ok(())
}
