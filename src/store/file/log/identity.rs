//! Whether the files that this process writes to are still those in the directory (rule 22). Where they are not, nothing that
//! is written lasts, and no process writes any more.

use std::io;
use std::sync::PoisonError;

use crate::model::error::{Error, ErrorKind, Result};
use crate::store::file::disk::DiskFile;
use crate::store::file::disk::held::Lost;
use crate::store::file::disk::page_file::FILES_LOST;
use crate::store::file::format::frame::Frame;
use crate::store::file::format::names;
use crate::store::file::format::position::Position;
use crate::store::file::format::segment;
use crate::store::file::log::segments::{Segments, is_not_found};

/// Where more than this is to be made durable at once, it is not read back. Saves that wait are not so many.
const READ_BACK: u32 = 1 << 20;

/// So many bytes before the end of the log are remembered from one look to the next.
const REMEMBERED: u32 = 64;

impl Segments {
    /// Looks at the files that this process relies on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::FilesLost`] if they are not those that it opened. Then no process of the store writes any more.
    pub(crate) fn look(&self) -> Result<()> {
        if self.page().poison.get() == FILES_LOST {
            return self.refuse_if_poisoned();
        }
        let tail = self.tail();
        if tail == Position::default() {
            // The page cannot be read any more, and proves nothing.
            return Ok(());
        }
        match self.file(tail.segment()) {
            Ok(file) => self.look_at(tail.segment(), &*file, tail),
            Err(error) if is_not_found(&error) && self.tail().segment() == tail.segment() => {
                Err(self.lose(&Lost::Removed(names::segment(tail.segment()))))
            }
            // It proves nothing.
            Err(_) => Ok(()),
        }
    }

    /// The same, with this segment open, and the log ending there.
    pub(crate) fn look_at(&self, number: u32, file: &dyn DiskFile, tail: Position) -> Result<()> {
        let lost = self.disk.lost().or_else(|| {
            let name = names::segment(number);
            let lost = match (file.inode(), self.disk.inode(&name)) {
                (Ok(held), Ok(found)) if held != found => Some(Lost::Replaced(name)),
                (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => Some(Lost::Removed(name)),
                _ if self.page_went_back() => Some(Lost::Cut(names::SHARED_PAGE.into())),
                _ if tail.segment() == number && self.is_cut(file, tail) => Some(Lost::Cut(name)),
                _ => None,
            };
            // A full segment may have been trimmed meanwhile.
            lost.filter(|_| self.tail().segment() == number)
        });
        lost.map_or(Ok(()), |lost| Err(self.lose(&lost)))
    }

    /// Whether bytes below the tail are not those that were written. A writer may have made the file as long again since it was
    /// cut, so the length alone does not tell. What cannot be read proves nothing (rule 23).
    fn is_cut(&self, file: &dyn DiskFile, tail: Position) -> bool {
        let read = |from: u32, to: u32| {
            let mut bytes = vec![0; to.saturating_sub(from) as usize];
            let read = file.read_at(&mut bytes, u64::from(from)).ok()?;
            bytes.truncate(read);
            Some(bytes)
        };
        let before = |end: Position| read(end.offset().saturating_sub(REMEMBERED), end.offset());
        let mut last = self.last_look.lock().unwrap_or_else(PoisonError::into_inner);
        let end = before(tail);
        if end.as_ref().is_some_and(|bytes| bytes.len() < tail.offset().min(REMEMBERED) as usize) {
            return true;
        }
        if last.0.segment() == tail.segment() && before(last.0).is_some_and(|bytes| bytes != last.1) {
            return true;
        }
        // From there on everything is read: what another process has made durable since the last look, and what is to be
        // acknowledged. The first look finds an older end, and perhaps old damage before it.
        let durable = self.durable();
        let has_looked = last.0.segment() == tail.segment() && last.0 != Position::default();
        let mut at = if has_looked { last.0.min(durable) } else { durable };
        if at.segment() != tail.segment() {
            at = segment::start(tail.segment());
        }
        let is_short = tail.offset().saturating_sub(at.offset()) <= READ_BACK;
        if let Some(bytes) = is_short.then(|| read(at.offset(), tail.offset())).flatten() {
            let mut rest = &bytes[..];
            while at < tail {
                let Some(frame) = Frame::parse(rest, at, self.salt) else { return true };
                let length = frame.head.frame_bytes();
                (rest, at) = (&rest[length..], at.plus(length));
            }
        }
        if let Some(bytes) = end {
            *last = (tail, bytes);
        }
        false
    }

    /// Whether the page says that the log ends before the place where it ended at the last look: an earlier copy of the page was
    /// written over it. Where a process has read no farther than that, it cannot tell.
    fn page_went_back(&self) -> bool {
        let last = self.last_look.lock().unwrap_or_else(PoisonError::into_inner);
        // A page that cannot be read says 0, and proves nothing.
        let tail = self.tail();
        tail < last.0 && tail != Position::default()
    }

    /// For a writer that has read farther than the page says that the log reaches. With the writer lock held, no process moves
    /// that.
    pub(crate) fn lose_page(&self) -> Error {
        self.lose(&Lost::Cut(names::SHARED_PAGE.into()))
    }

    fn lose(&self, lost: &Lost) -> Error {
        let _ = self.page().poison.replace(0, FILES_LOST);
        self.lost_files(&lost.to_string())
    }

    pub(crate) fn lost_files(&self, what: &str) -> Error {
        let why = format!(
            "{what} while the store was open; nothing that is saved would last, so close it in every process, and open it again"
        );
        Error::new(ErrorKind::FilesLost, "looking at the store's files").at(&self.path).because(why)
    }
}
