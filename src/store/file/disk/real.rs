//! The disk of a real file system: one directory. It never follows a symlink, and never waits for a file that is none.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags};
use rustix::io::Errno;

use crate::model::error::{Error, ErrorKind, Refusal, Result};
use crate::store::file::disk::directory::{create_directory, give_to_owner};
use crate::store::file::disk::file_system;
use crate::store::file::disk::held::{Held, Inode, Lost, inode_at, inode_of};
use crate::store::file::disk::line::Line;
use crate::store::file::disk::lock::{AbsentLock, FileLock};
use crate::store::file::disk::mapping::SharedPage;
use crate::store::file::disk::page::{BY_CALLS, Legacy, PAGE, Page};
use crate::store::file::disk::page_file::PageFile;
use crate::store::file::disk::rights::Rights;
use crate::store::file::disk::signal::Signal;
use crate::store::file::disk::{Disk, DiskFile, DiskLock};
use crate::store::file::format::names;
use crate::store::file::settings::{Admitted, Settings};

/// A directory, by its descriptor.
pub(crate) struct RealDisk {
    directory: File,
    path: PathBuf,
    rights: Rights,
    held: Held,
    /// Whether a page that this process makes may be mapped (rule 17).
    maps_well: bool,
    /// Whether files are opened for writing. If not, nothing is created or changed.
    writes: bool,
    /// The page that stood there when the log was read without one. It stays open, so that no other file gets its number.
    found: OnceLock<Option<File>>,
}

impl RealDisk {
    /// Opens the directory, or creates it.
    pub(crate) fn open(path: &Path, settings: &Settings) -> Result<Self> {
        Self::open_to(true, path, settings)
    }

    /// Opens the directory, and changes nothing in it.
    pub(crate) fn open_to_read(path: &Path, settings: &Settings) -> Result<Self> {
        Self::open_to(false, path, settings)
    }

    fn open_to(writes: bool, path: &Path, settings: &Settings) -> Result<Self> {
        // Drops a slash at the end: with it, the system would follow a symlink in spite of NOFOLLOW.
        let path: &Path = &path.components().collect::<PathBuf>();
        let doing = "opening the session directory";
        let failed = |error| Error::io(doing, error).at(path);
        let refused = |why: String| Error::new(ErrorKind::Refused, doing).at(path).because(why);
        if path.as_os_str().is_empty() {
            return Err(refused("the path is empty; name a directory".into()));
        }
        let created = writes && create_directory(path).map_err(failed)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || rustix::fs::open(path, flags, Mode::empty());
        let opened = match open() {
            // The umask has taken the owner's own rights, which only root can do without.
            Err(Errno::ACCESS) if created => give_to_owner(path).and_then(|()| open()),
            opened => opened,
        };
        let directory = opened.map_err(|error| match error {
            Errno::NOTDIR | Errno::LOOP => {
                refused("it is a symlink or not a directory; name the real directory".into())
            }
            error => failed(error.into()),
        })?;
        if created {
            // The umask may have taken rights of the owner.
            let (mode, group) = match settings.admitted {
                Admitted::Group(group) => (Mode::RWXU | Mode::RWXG | Mode::SGID, Some(Gid::from_raw(group))),
                _ => (Mode::RWXU, None),
            };
            let given = group.map_or(Ok(()), |group| rustix::fs::fchown(&directory, None, Some(group)));
            given.and_then(|()| rustix::fs::fchmod(&directory, mode)).map_err(|error| failed(error.into()))?;
        }
        let stat = rustix::fs::fstat(&directory).map_err(|error| failed(error.into()))?;
        let rights = Rights::of(&stat, path, settings.admitted).map_err(refused)?;
        let system = rustix::fs::fstatfs(&directory).map_err(|error| failed(error.into()))?;
        if let Some(network) = file_system::network(&system)
            && !settings.allow_network_file_system
        {
            return Err(refused(format!(
                "it is on {network}, where locks and shared pages do not hold between machines; \
                 use a local disk, or a store made for several machines, or allow_network_file_system(true) \
                 if one machine alone uses it"
            )));
        }
        // Absolute, so that a later change of the working directory does not matter.
        let path = std::path::absolute(path).map_err(failed)?;
        let directory = File::from(directory);
        let held = Held::of(&directory, &path).map_err(failed)?;
        let maps_well = file_system::maps_well(&system);
        Ok(Self { directory, path, rights, held, maps_well, writes, found: OnceLock::new() })
    }

    fn open_file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        self.open_file_to(self.writes, name, flags)
    }

    fn open_file_to(&self, writes: bool, name: &str, flags: OFlags) -> io::Result<File> {
        let access = if writes { OFlags::RDWR } else { OFlags::RDONLY };
        // A FIFO or a device in the file's place must not make this process wait.
        let flags = flags | access | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = match rustix::fs::openat(&self.directory, name, flags, self.rights.of_files()) {
            Err(Errno::ACCESS) => return Err(self.no_access(name)),
            // A socket.
            Err(Errno::NXIO) => return Err(irregular()),
            opened => opened?,
        };
        let stat = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(irregular());
        }
        if flags.contains(OFlags::CREATE) {
            self.rights.give(&file, self.rights.of_files())?;
        } else {
            self.rights.check(&stat)?;
        }
        Ok(file.into())
    }

    /// Makes a page's file, written and synced, not sparse: a mapped hole on a full disk would kill the process (rule 17).
    fn new_page(&self, name: &str, legacy: Legacy) -> io::Result<File> {
        self.replace_by(name, |file| file.write_all_at(&legacy.to_bytes(self.way()), 0).and_then(|()| file.sync_all()))
    }

    /// Opens a page that other processes use.
    fn open_page(&self, name: &str) -> io::Result<File> {
        // Another process that opens it at this moment may take the right to write back in between.
        for _ in 0..PAGE_ATTEMPTS {
            match self.open_file(name, OFlags::empty()) {
                Err(error) if self.writes && error.kind() == io::ErrorKind::PermissionDenied => {
                    // By name, which is safe: in a private directory no other user can swap it.
                    rustix::fs::chmodat(&self.directory, name, self.rights.of_files(), AtFlags::empty())?;
                }
                opened => return opened.inspect(|file| self.close_to_writes(file)),
            }
        }
        Err(Errno::ACCESS.into())
    }

    /// From now on no program of the same user can write to the page or cut it, but for those that have it open. Where members of
    /// a group share it, they could not open it then.
    fn close_to_writes(&self, page: &File) {
        if self.writes && self.rights.are_the_owners_alone() {
            // Without that the page is as good, and less safe.
            let _ = rustix::fs::fchmod(page, Mode::RUSR);
        }
    }

    /// How a page that this process makes is reached: 0, or [`BY_CALLS`].
    fn way(&self) -> u64 {
        if self.maps_well { 0 } else { BY_CALLS }
    }

    /// Puts a new file in the place of the one with this name, once all of it is written.
    fn replace_by(&self, name: &str, write: impl FnOnce(&File) -> io::Result<()>) -> io::Result<File> {
        // A random name, not the process id: two stores of one process may write the same file at once.
        let mut random = [0; 8];
        crate::model::id::fill(&mut random).map_err(io::Error::other)?;
        let half = names::half_written(u64::from_le_bytes(random));
        let file = self.open_file(&half, OFlags::CREATE | OFlags::EXCL)?;
        let written = write(&file);
        let renamed = written.and_then(|()| Ok(rustix::fs::renameat(&self.directory, &half, &self.directory, name)?));
        if renamed.is_err() {
            let _ = self.remove(&half);
        }
        renamed.map(|()| file)
    }

    /// Why a file cannot be opened: it may belong to another user, for example because root has made it.
    fn no_access(&self, name: &str) -> io::Error {
        let stat = rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW);
        let foreign = stat.ok().and_then(|stat| self.rights.foreign(&stat));
        foreign.map_or(Errno::ACCESS.into(), io::Error::from)
    }
}

/// How often a page is opened that others are opening.
const PAGE_ATTEMPTS: u32 = 1_000;

fn reach(file: File, way: u64, writes: bool) -> io::Result<SharedPage> {
    if way != BY_CALLS {
        return SharedPage::map(&file, writes);
    }
    let file = Arc::new(PageFile::of(file));
    Ok(SharedPage::ByCalls(Page::of(|number| Line::ByCalls(file.clone(), number), Signal::Silent)))
}

fn irregular() -> io::Error {
    Refusal("it is not a regular file; remove it".into()).into()
}

impl Disk for RealDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.directory)? {
            // The store has no file whose name is not UTF-8.
            names.extend(entry?.file_name().to_str().ok().map(str::to_owned));
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(self.open_file(name, OFlags::CREATE | OFlags::TRUNC)?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(self.open_file(name, OFlags::empty())?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.directory, name, AtFlags::empty())?)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.replace_by(name, |file| file.write_all_at(bytes, 0)).map(drop)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.directory, from, &self.directory, to)?)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.directory.sync_all()
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn DiskLock>> {
        if name == names::DIRECTORY {
            // A descriptor of its own, for a lock belongs to the open file.
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let opened = rustix::fs::openat(&self.directory, name, flags, Mode::empty())?;
            return Ok(Box::new(FileLock::on(opened.into())));
        }
        let create = if self.writes { OFlags::CREATE } else { OFlags::empty() };
        match self.open_file(name, create) {
            Ok(file) => {
                // An opener needs its lock for a moment, and no promise of an open store rests on it.
                if name != names::OPENING_LOCK {
                    self.held.note(name, &file, false)?;
                }
                Ok(Box::new(FileLock::on(file)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.writes => Ok(Box::new(AbsentLock)),
            Err(error) => Err(error),
        }
    }

    fn shared_page(&self, name: &str, fresh: bool) -> io::Result<SharedPage> {
        if !fresh {
            let file = self.open_page(name)?;
            self.held.note(name, &file, true)?;
            let mut version = [0; 8];
            DiskFile::read_at(&file, &mut version, Legacy::VERSION_AT)?;
            // As the processes do that use it already.
            return reach(file, u64::from_ne_bytes(version) & BY_CALLS, self.writes);
        }
        let mut before = [0; PAGE];
        let found = self.open_file_to(false, name, OFlags::empty());
        let read = found.as_ref().map_or(Ok(0), |file| DiskFile::read_at(file, &mut before, 0));
        // One that cannot be read says nothing.
        let legacy = Legacy::of(&before[..read.unwrap_or_default()]);
        if !self.writes {
            let _ = self.found.set(found.ok());
            return Ok(SharedPage::InMemory(Arc::new(Page::new(legacy))));
        }
        // A new file, for handles that have closed may still look at the page that they have mapped (rule 17). It takes the place
        // of the old one when it is whole, for a crash must not take what that one says.
        let file = match self.new_page(name, legacy) {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                // The old one has the room for the new one. Without an old one, the disk is full.
                self.remove(name).map_err(|_| error)?;
                self.new_page(name, legacy)?
            }
            made => made?,
        };
        self.held.note(name, &file, true)?;
        self.close_to_writes(&file);
        reach(file, self.way(), true)
    }

    fn set_aside(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mode = self.rights.of_directories();
        let created = match rustix::fs::mkdirat(&self.directory, names::QUARANTINE, mode) {
            // The umask may have taken rights. A chmod by name is safe: in a private directory no other user can swap it.
            Ok(()) => {
                rustix::fs::chmodat(&self.directory, names::QUARANTINE, mode, AtFlags::empty())?;
                true
            }
            Err(Errno::EXIST) => false,
            Err(error) => return Err(error.into()),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.directory, names::QUARANTINE, flags, Mode::empty())?;
        if created {
            self.rights.give(&opened, mode)?;
        }
        let directory = self.path.join(names::QUARANTINE);
        let mut file = tempfile::NamedTempFile::new_in(&directory)?;
        file.write_all(bytes)?;
        self.rights.give(file.as_file(), self.rights.of_files())?;
        file.as_file().sync_all()?;
        file.persist(directory.join(name)).map_err(|error| error.error)?;
        File::from(opened).sync_all()?;
        self.sync_names()
    }

    fn inode(&self, name: &str) -> io::Result<Inode> {
        Ok(inode_at(&self.directory, name)?)
    }

    fn lost(&self) -> Option<Lost> {
        self.held.lost(&self.directory)
    }

    fn is_outdated(&self) -> bool {
        let Some(found) = self.found.get() else { return false };
        let inode = found.as_ref().and_then(|file| DiskFile::inode(file).ok());
        // A look that cannot be had proves nothing.
        self.inode(names::SHARED_PAGE).is_ok_and(|now| inode != Some(now))
    }

    fn number(&self) -> u64 {
        self.held.number()
    }
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn inode(&self) -> io::Result<Inode> {
        Ok(inode_of(&rustix::fs::fstat(self)?))
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < into.len() {
            match std::os::unix::fs::FileExt::read_at(self, &mut into[read..], at + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn reserve(&self, from: u64, bytes: u64) -> io::Result<()> {
        match rustix::fs::fallocate(self, rustix::fs::FallocateFlags::KEEP_SIZE, from, bytes) {
            // On a file system that cannot preallocate the store has no reserve; that is no failure.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::INVAL) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn reserve(&self, _from: u64, _bytes: u64) -> io::Result<()> {
        Ok(())
    }

    fn allocated(&self) -> io::Result<u64> {
        const UNIT: u64 = 512; // whatever the file system's blocks are
        let metadata = self.metadata()?;
        Ok(file_system::for_content(metadata.blocks() * UNIT, metadata.blksize()))
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn drop_cache(&self) -> io::Result<()> {
        Ok(rustix::fs::fadvise(self, 0, None, rustix::fs::Advice::DontNeed)?)
    }

    /// Other systems cannot be asked to drop a file's cache: their cache is believed.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn drop_cache(&self) -> io::Result<()> {
        Ok(())
    }
}
