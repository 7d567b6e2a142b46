//! The log's files: open segments, the shared page, and the damaged places met so far.
//!
//! Nothing here knows what a frame does to the index.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use crate::model::error::{Error, Result};
use crate::model::key::SessionKey;
use crate::store::file::disk::mapping::SharedPage;
use crate::store::file::disk::page::{Page, PageAccess};
use crate::store::file::disk::{Disk, DiskFile};
use crate::store::file::format::names;
use crate::store::file::format::position::Position;
use crate::store::file::format::segment;
use crate::store::file::log::damage::{Damage, Damages};
use crate::store::file::threads::{AtomicU64, Mutex, MutexGuard};

/// The files of one log, as this process has them open.
pub(crate) struct Segments {
    pub(crate) disk: Arc<dyn Disk>,
    /// The directory as the user named it, for error messages.
    pub(crate) path: PathBuf,
    pub(crate) salt: u64,
    shared: SharedPage,
    open: Mutex<BTreeMap<u32, OpenSegment>>,
    /// How many segments stay open at most.
    most_open: usize,
    pub(crate) damage: Damages,
    /// How often a segment was synced.
    pub(crate) syncs: AtomicU64,
    /// Bytes of the log that a sync of this process makes durable, in the mean of the last few.
    pub(crate) sync_bytes: AtomicU64,
    /// The end of the log when this process last looked at its files, and what stood before it (rule 22).
    pub(super) last_look: Mutex<(Position, Vec<u8>)>,
}

/// A segment's file, and its age: the position up to which something may have been written before this process opened it.
type OpenSegment = (Arc<dyn DiskFile>, Position);

impl Segments {
    pub(crate) fn new(disk: Arc<dyn Disk>, path: PathBuf, salt: u64, shared: SharedPage, most_open: usize) -> Self {
        Self {
            disk,
            path,
            salt,
            shared,
            open: Mutex::default(),
            most_open,
            damage: Damages::default(),
            syncs: AtomicU64::default(),
            sync_bytes: AtomicU64::default(),
            last_look: Mutex::default(),
        }
    }

    pub(crate) fn page(&self) -> &Page {
        self.shared.page()
    }

    /// How this process reaches the shared page.
    pub(crate) fn page_access(&self) -> PageAccess {
        match self.shared {
            SharedPage::Mapped(..) => PageAccess::Mapped,
            SharedPage::ByCalls(_) => PageAccess::ByCalls,
            SharedPage::InMemory(_) => PageAccess::Alone,
        }
    }

    /// Where the log ends now.
    pub(crate) fn tail(&self) -> Position {
        Position::from_u64(self.page().tail.get())
    }

    /// The durable mark: up to here the log is on disk.
    pub(crate) fn durable(&self) -> Position {
        Position::from_u64(self.page().durable.get())
    }

    /// The numbers of all segments in the directory, in order.
    pub(crate) fn numbers(&self) -> Result<Vec<u32>> {
        let names = self.disk.names().map_err(|error| self.io("listing the session directory", error))?;
        let mut numbers: Vec<u32> = names.iter().filter_map(|name| names::segment_number(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// An open segment.
    ///
    /// # Errors
    ///
    /// An error that [`is_not_found`] if the segment is not in the directory, for example because it was trimmed.
    pub(crate) fn file(&self, number: u32) -> Result<Arc<dyn DiskFile>> {
        self.file_and_age(number).map(|(file, _)| file)
    }

    /// An open segment and its age. What was written before this descriptor was opened may have failed to reach the disk,
    /// and the kernel would not report that to this descriptor (rule 4).
    pub(crate) fn file_and_age(&self, number: u32) -> Result<OpenSegment> {
        let mut open = self.lock_open();
        if let Some(known) = open.get(&number) {
            return Ok(known.clone());
        }
        let opened = self.disk.open(&names::segment(number));
        let file = opened.map_err(|error| self.segment_io("opening a segment", number, error))?;
        // A writer may have written up to its intent without publishing it yet. The intent is read before the tail: if the
        // intent is gone by now, its write is published, and the tail covers it.
        let intent = Position::from_u64(self.page().intent.get());
        let known = (file, intent.max(self.tail()));
        self.keep_open(&mut open, number, known.clone());
        Ok(known)
    }

    /// Notes that this descriptor vouches for the whole file: this process has just created the file, or synced all of it.
    pub(crate) fn vouch_for(&self, number: u32, file: Arc<dyn DiskFile>) {
        self.keep_open(&mut self.lock_open(), number, (file, segment::start(number)));
    }

    /// Keeps a segment open, and closes the oldest one if there are too many. The segment that is written to is the newest,
    /// so it stays open.
    fn keep_open(&self, open: &mut BTreeMap<u32, OpenSegment>, number: u32, known: OpenSegment) {
        if open.len() >= self.most_open && !open.contains_key(&number) {
            open.pop_first();
        }
        open.insert(number, known);
    }

    /// Closes segments that were trimmed, so that this process pins no disk space (rule 15).
    pub(crate) fn close_trimmed(&self, oldest: u32) {
        let mut open = self.lock_open();
        *open = open.split_off(&oldest);
    }

    fn lock_open(&self) -> MutexGuard<'_, BTreeMap<u32, OpenSegment>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The length of a segment's file, as far as offsets reach (rule 20).
    pub(crate) fn length_of(&self, number: u32, file: &dyn DiskFile) -> Result<u32> {
        let length = file.len().map_err(|error| self.segment_io("looking at a segment", number, error))?;
        Ok(length.min(u64::from(u32::MAX)) as u32)
    }

    /// Notes a damaged place. A place that is known already is not noted again.
    pub(crate) fn report(&self, segment: u32, from: u32, to: u32, key: Option<SessionKey>) {
        self.damage.add(Damage { file: names::segment(segment), from: from.into(), to: to.into(), key });
    }

    /// Copies bad bytes to the quarantine, where a person can look at them. A full disk has no room for that, and must not keep
    /// the store from opening and from freeing it.
    pub(crate) fn set_aside(&self, at: Position, bytes: &[u8]) -> Result<()> {
        match self.disk.set_aside(&names::set_aside(at), bytes) {
            Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => Ok(()),
            done => done.map_err(|error| self.io("setting damaged bytes aside", error)),
        }
    }

    pub(crate) fn io(&self, doing: &'static str, error: io::Error) -> Error {
        Error::io(doing, error).at(&self.path)
    }

    pub(crate) fn segment_io(&self, doing: impl Into<Cow<'static, str>>, segment: u32, error: io::Error) -> Error {
        Error::io(doing, error).at(self.path.join(names::segment(segment)))
    }
}

/// Whether an error says that a file was not there.
pub(crate) fn is_not_found(error: &Error) -> bool {
    let cause = error.cause().and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::NotFound)
}
