//! The simulated disk: files that lose what was not synced, locks that go with their process, and one shared page.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use cloakroom::simulation::{Disk, DiskFile, DiskLock, Inode as FileNumber, Lost, Page, SharedPage};
use fastrand::Rng;

use super::faults::{Call, input_output, no_space};
use super::history::Life;
use super::inode::{BLOCK, Inode, Name, Survives};
use super::locks::Locks;
use super::world;

/// The disk, shared by all processes.
#[derive(Clone, Default)]
pub struct SharedDisk(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    inodes: Vec<Inode>,
    names: BTreeMap<String, Name>,
    locks: Locks,
    handles: usize,
    dead: Vec<bool>,
    page: Arc<Page>,
    /// The process that has made the page anew, and so is recovering.
    recovering: Option<Life>,
    /// How many places were set aside.
    aside: usize,
}

impl Inner {
    /// Whether the disk has room for a file up to here. What has no name any more is as good as gone.
    fn has_room(&self, inode: usize, end: usize) -> bool {
        let Some(capacity) = world::capacity() else { return true };
        let more = end.div_ceil(BLOCK).saturating_sub(self.inodes[inode].blocks());
        let taken: usize = self.names.values().filter_map(Name::now).map(|inode| self.inodes[inode].blocks()).sum();
        more == 0 || !world::is_taken() && taken + more <= capacity
    }
}

impl SharedDisk {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("the simulated disk does not panic")
    }

    /// From now on nothing that this life does has an effect, and its locks are free.
    pub fn kill(&self, life: Life) {
        let mut inner = self.lock();
        if inner.dead.len() <= life {
            inner.dead.resize(life + 1, false);
        }
        inner.dead[life] = true;
        inner.recovering.take_if(|recovering| *recovering == life);
        inner.locks.kill(life);
    }

    /// What was not synced survives or does not. No process may be alive.
    pub fn lose_power(&self, survives: Survives, rng: &mut Rng) {
        let mut inner = self.lock();
        for inode in &mut inner.inodes {
            inode.lose_power(survives, rng);
        }
        for name in inner.names.values_mut() {
            let chosen = survives.choose(name.since.len() + 1, rng);
            if chosen > 0 {
                name.durable = name.since[chosen - 1];
            }
            name.since.clear();
        }
        // What it says was durable may be on the disk as well, and the rest of a page means nothing to a recovery.
        inner.page = Arc::new(inner.page.successor());
    }

    /// The system writes something back by itself: well, or not.
    pub fn write_back(&self, fails: bool, rng: &mut Rng) {
        let mut inner = self.lock();
        let dirty: Vec<usize> = (0..inner.inodes.len()).filter(|inode| inner.inodes[*inode].is_dirty()).collect();
        if dirty.is_empty() {
            return;
        }
        let inode = &mut inner.inodes[dirty[rng.usize(..dirty.len())]];
        if fails {
            inode.fail(rng);
            world::sync_failed();
        } else {
            inode.write_some_back(rng);
        }
    }

    /// A process's view of it.
    pub fn for_life(&self, life: Life) -> Arc<dyn Disk> {
        Arc::new(SimulatedDisk { disk: self.clone(), life })
    }
}

struct SimulatedDisk {
    disk: SharedDisk,
    life: Life,
}

struct SimulatedFile {
    disk: SharedDisk,
    life: Life,
    inode: usize,
    name: String,
    /// How many failures of the file this handle knows of; it is told of later ones once.
    failures: Mutex<u64>,
}

struct SimulatedLock {
    disk: SharedDisk,
    life: Life,
    name: String,
    handle: usize,
}

/// One call: others may run before it and after it, it may fail instead, and a dead process does nothing.
fn call<T>(
    disk: &SharedDisk,
    life: Life,
    what: Call<'_>,
    act: impl FnOnce(&mut Inner) -> io::Result<T>,
) -> io::Result<T> {
    let failed = world::before_call(what);
    let outcome = {
        let mut inner = disk.lock();
        if inner.dead.get(life) == Some(&true) {
            return Err(io::Error::other("this process is dead"));
        }
        match failed {
            Some(error) => Err(error),
            None => act(&mut inner),
        }
    };
    world::after_call(what, outcome.as_ref().err());
    outcome
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl SimulatedDisk {
    fn file(&self, name: &str, inode: usize, failures: u64) -> Arc<dyn DiskFile> {
        let (disk, life, name) = (self.disk.clone(), self.life, name.to_owned());
        Arc::new(SimulatedFile { disk, life, inode, name, failures: Mutex::new(failures) })
    }

    fn call<T>(&self, what: Call<'_>, act: impl FnOnce(&mut Inner) -> io::Result<T>) -> io::Result<T> {
        call(&self.disk, self.life, what, act)
    }
}

impl Disk for SimulatedDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        self.call(Call::Names, |inner| {
            Ok(inner.names.iter().filter(|(_, name)| name.now().is_some()).map(|(name, _)| name.clone()).collect())
        })
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let (inode, failures) = self.call(Call::Create(name), |inner| {
            let inodes = inner.inodes.len();
            let entry = inner.names.entry(name.to_owned()).or_default();
            let inode = match entry.now() {
                Some(inode) => inode,
                None if world::is_full() => return Err(no_space()),
                None => {
                    entry.since.push(Some(inodes));
                    inner.inodes.push(Inode::default());
                    inodes
                }
            };
            inner.inodes[inode].cut(0);
            Ok((inode, inner.inodes[inode].failures))
        })?;
        Ok(self.file(name, inode, failures))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let (inode, failures) = self.call(Call::Open(name), |inner| {
            let inode = inner.names.get(name).and_then(Name::now).ok_or_else(not_found)?;
            Ok((inode, inner.inodes[inode].failures))
        })?;
        Ok(self.file(name, inode, failures))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.call(Call::Remove(name), |inner| {
            let name = inner.names.get_mut(name).filter(|name| name.now().is_some()).ok_or_else(not_found)?;
            name.since.push(None);
            Ok(())
        })
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // Under another name until it is whole: a process that is killed in between leaves that.
        let half = self.call(Call::Names, |inner| {
            inner.handles += 1;
            Ok(format!(".half-written-{}", inner.handles))
        })?;
        let written = self.create(&half).and_then(|file| file.write_at(bytes, 0));
        let renamed = written.and_then(|()| self.rename(&half, name));
        if renamed.is_err() {
            let _ = self.remove(&half);
        }
        renamed
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.call(Call::Rename(to), |inner| {
            let inode = inner.names.get(from).and_then(Name::now).ok_or_else(not_found)?;
            inner.names.entry(from.to_owned()).or_default().since.push(None);
            inner.names.entry(to.to_owned()).or_default().since.push(Some(inode));
            Ok(())
        })
    }

    fn sync_names(&self) -> io::Result<()> {
        self.call(Call::SyncNames, |inner| {
            for name in inner.names.values_mut() {
                name.durable = name.now();
                name.since.clear();
            }
            Ok(())
        })
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        let handle = self.call(Call::Open(name), |inner| {
            inner.handles += 1;
            Ok(inner.handles)
        })?;
        Ok(Box::new(SimulatedLock { disk: self.disk.clone(), life: self.life, name: name.to_owned(), handle }))
    }

    fn shared_page(&self, name: &str, fresh: bool) -> io::Result<SharedPage> {
        self.call(Call::Open(name), |inner| {
            if fresh {
                inner.page = Arc::new(inner.page.successor());
                inner.recovering = Some(self.life);
            }
            Ok(SharedPage::InMemory(inner.page.clone()))
        })
    }

    fn set_aside(&self, name: &str, _: &[u8]) -> io::Result<()> {
        self.call(Call::Create(name), |inner| {
            inner.aside += 1;
            Ok(())
        })
    }

    fn inode(&self, name: &str) -> io::Result<FileNumber> {
        let found = |inner: &mut Inner| inner.names.get(name).and_then(Name::now).ok_or_else(not_found);
        self.call(Call::Names, found).map(|inode| (0, inode as u64))
    }

    fn lost(&self) -> Option<Lost> {
        None
    }

    fn number(&self) -> u64 {
        0
    }
}

impl SimulatedFile {
    /// A call that needs room up to here.
    fn call_to(&self, what: Call<'_>, end: usize, act: impl FnOnce(&mut Inode) -> io::Result<()>) -> io::Result<()> {
        call(&self.disk, self.life, what, |inner| {
            if inner.has_room(self.inode, end) { act(&mut inner.inodes[self.inode]) } else { Err(no_space()) }
        })
    }

    fn call<T>(&self, what: Call<'_>, act: impl FnOnce(&mut Inode) -> io::Result<T>) -> io::Result<T> {
        call(&self.disk, self.life, what, |inner| act(&mut inner.inodes[self.inode]))
    }
}

impl DiskFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        self.call(Call::Length(&self.name), |inode| Ok(inode.len() as u64))
    }

    fn inode(&self) -> io::Result<FileNumber> {
        Ok((0, self.inode as u64))
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        self.call(Call::Read(&self.name, at, into.len()), |inode| Ok(inode.read(into, at as usize)))
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        // A kill may come in the middle, and others may read what is there by then.
        let first = world::torn_at(bytes.len());
        let (now, later) = bytes.split_at(first);
        let what = Call::Write(&self.name, at, bytes.len());
        if first > 0 {
            self.call_to(Call::Part(&self.name, at, first), at as usize + first, |inode| {
                inode.write(now, at as usize);
                Ok(())
            })?;
        }
        self.call_to(what, at as usize + bytes.len(), |inode| {
            let has_space = !world::breaks_reservations() && inode.has_space(at as usize + bytes.len());
            if world::is_full() && !has_space {
                return Err(no_space());
            }
            inode.write(later, at as usize + first);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.call(Call::Sync(&self.name), |inode| {
            let mut known = self.failures.lock().expect("nothing panics here");
            if world::sync_fails() {
                world::with_rng(|rng| inode.fail(rng));
            } else {
                inode.sync();
            }
            let failed = *known < inode.failures;
            *known = inode.failures;
            if failed {
                world::sync_failed();
                return Err(input_output());
            }
            Ok(())
        })
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.call(Call::Cut(&self.name, length), |inode| {
            inode.cut(length as usize);
            Ok(())
        })
    }

    fn reserve(&self, from: u64, bytes: u64) -> io::Result<()> {
        let end = (from + bytes) as usize;
        self.call_to(Call::Reserve(&self.name), end, |inode| {
            if world::is_full() && !inode.has_space(end) {
                return Err(no_space());
            }
            inode.reserve(end);
            Ok(())
        })
    }

    fn allocated(&self) -> io::Result<u64> {
        self.call(Call::Length(&self.name), |inode| {
            Ok(if world::capacity().is_some() { inode.blocks() * BLOCK } else { inode.space() } as u64)
        })
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.call(Call::DropCache(&self.name), |inode| {
            inode.drop_cache();
            Ok(())
        })
    }
}

impl SimulatedLock {
    fn call<T>(&self, what: Call<'_>, act: impl FnOnce(&mut Inner) -> T) -> io::Result<T> {
        call(&self.disk, self.life, what, |inner| Ok(act(inner)))
    }
}

impl DiskLock for SimulatedLock {
    fn try_exclusive(&self) -> io::Result<bool> {
        self.call(Call::Lock(&self.name), |inner| inner.locks.try_exclusive(&self.name, (self.life, self.handle)))
    }

    fn try_shared(&self) -> io::Result<bool> {
        self.call(Call::Lock(&self.name), |inner| inner.locks.try_shared(&self.name, (self.life, self.handle)))
    }

    fn unlock(&self) -> io::Result<()> {
        self.call(Call::Unlock(&self.name), |inner| {
            // Giving up the opener's lock while it is a user's is the last step of an opening that succeeds.
            if self.name == "opening.lock"
                && inner.recovering == Some(self.life)
                && inner.locks.is_shared_by("users.lock", self.life)
            {
                inner.recovering = None;
                world::recovered();
            }
            inner.locks.release(&self.name, (self.life, self.handle));
        })
    }
}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        self.disk.lock().locks.release(&self.name, (self.life, self.handle));
    }
}
