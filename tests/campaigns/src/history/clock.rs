//! The clock of a history.

/// The time in nanoseconds, by the one clock that is the same in all processes and never set.
pub fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Waits for a moment: asleep while it is far, then watching the clock, so that all that wait for it begin at once.
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
