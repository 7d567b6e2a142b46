//! The locks of a disk in memory.

use std::io;
use std::sync::{Arc, Mutex};

use crate::store::file::disk::DiskLock;

/// Who holds a lock.
#[derive(Default)]
pub(super) struct Holders {
    exclusive: Option<usize>,
    shared: Vec<usize>,
    handles: usize,
}

/// One handle of a lock.
pub(super) struct MemoryLock {
    holders: Arc<Mutex<Holders>>,
    me: usize,
}

impl MemoryLock {
    pub(super) fn on(holders: Arc<Mutex<Holders>>) -> Self {
        let me = {
            let mut holders = holders.lock().unwrap();
            holders.handles += 1;
            holders.handles
        };
        Self { holders, me }
    }
}

impl DiskLock for MemoryLock {
    fn try_exclusive(&self) -> io::Result<bool> {
        let mut holders = self.holders.lock().unwrap();
        let free = holders.exclusive.is_none_or(|holder| holder == self.me)
            && holders.shared.iter().all(|holder| *holder == self.me);
        if free {
            holders.shared.clear();
            holders.exclusive = Some(self.me);
        }
        Ok(free)
    }

    fn try_shared(&self) -> io::Result<bool> {
        let mut holders = self.holders.lock().unwrap();
        let free = holders.exclusive.is_none_or(|holder| holder == self.me);
        if free {
            holders.exclusive = None;
            holders.shared.push(self.me);
        }
        Ok(free)
    }

    fn unlock(&self) -> io::Result<()> {
        let mut holders = self.holders.lock().unwrap();
        holders.exclusive.take_if(|holder| *holder == self.me);
        holders.shared.retain(|holder| *holder != self.me);
        Ok(())
    }
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let _ = self.unlock();
    }
}
