//! What several threads and processes did at the same time, and whether it could have happened one after another.

pub mod checker;
pub mod spec;
pub mod store;

use serde::{Deserialize, Serialize};

pub use checker::{Verdict, check};

/// Something that was done, by a clock that all who take part share.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call<E> {
    pub event: E,
    /// Before it was begun.
    pub invoked: u64,
    /// After it had answered.
    pub returned: u64,
}

/// The time in nanoseconds, by the one clock that is the same in all processes and never set.
pub fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Waits for a moment: asleep while it is far, then watching the clock, so that all who wait for it begin at once.
pub fn wait_until(moment: u64) {
    const NEAR: u64 = 200_000;
    loop {
        match moment.saturating_sub(now()) {
            0 => return,
            left if left > NEAR => std::thread::sleep(std::time::Duration::from_nanos(left - NEAR)),
            _ => std::hint::spin_loop(),
        }
    }
}

/// A directory in memory, where the system has such a place: syncs cost nothing there.
pub fn in_memory() -> std::io::Result<tempfile::TempDir> {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }
}
