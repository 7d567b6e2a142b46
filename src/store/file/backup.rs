//! A copy of a store that is in use.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use super::FileStore;
use crate::model::error::{Error, ErrorKind, Result};
use crate::store::file::disk::{Disk, DiskFile, real::RealDisk, unreadable::read_past};
use crate::store::file::format::frame::{Frames, Kind, NO_KEY};
use crate::store::file::format::names;
use crate::store::file::format::position::Position;
use crate::store::file::log::Log;
use crate::store::file::log::segments::{Segments, is_not_found};
use crate::store::file::settings::Settings;
use crate::store::file::threads::wait::{self, LOCK_WAIT};

/// How much is copied at a time.
const CHUNK: usize = 1 << 20;

/// How often compaction may trim the segment that is to be copied next before it is kept out.
const TRIMS_FOLLOWED: u32 = 20;

impl FileStore {
    /// Copies the store, as it is at one moment, into a new directory, which opens as a store of its own. Any number of
    /// processes may use the store meanwhile, and no operation of theirs waits for the copy, unless compaction has overtaken
    /// the copy again and again.
    ///
    /// The copy appears under its name when all of it is on disk, and not before. It ends as a store does that was closed.
    /// `directory` is missing or empty, and its parent exists. This blocks as long as it takes to copy the files, so call it
    /// on a thread that may block.
    ///
    /// ```
    /// use cloakroom::{FileStore, Sessions};
    ///
    /// # let kept = tempfile::tempdir()?;
    /// # let (directory, copy) = (kept.path().join("sessions"), kept.path().join("copy"));
    /// let store = FileStore::open(directory)?;
    /// let sessions = Sessions::builder(store.clone()).build()?.blocking();
    /// sessions.test_cookie(|session| session.login("user 42"))?;
    /// store.backup(&copy)?;
    ///
    /// let sessions = Sessions::builder(FileStore::open(copy)?).build()?.blocking();
    /// assert_eq!(sessions.owned_by("user 42")?.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A copy is a past state: sessions that are ended after the backup live on in the copy. A process that is killed during
    /// a backup leaves a directory beside the copy's place, with a name that begins with `.backup-`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`] if there is something in `directory` already, or if it is a file;
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed); any error of reading or writing the files. No part of the copy
    /// is left then, unless only the last sync has failed.
    pub fn backup(&self, directory: impl AsRef<Path>) -> Result<()> {
        let engine = self.engine()?;
        let directory: &Path = &directory.as_ref().components().collect::<std::path::PathBuf>();
        let failed = |error| Error::io("making the backup's directory", error).at(directory);
        let refused = |why: &'static str| Error::new(ErrorKind::Refused, "backing up").at(directory).because(why);
        match fs::read_dir(directory).map(|mut entries| entries.next().is_some()) {
            Ok(true) => return Err(refused("there is something in it already")),
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => return Err(refused("it is a file")),
            _ => {}
        }
        let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // The copy is made beside its place and renamed when it is whole. A part of a log would open as a store, too,
        // and its sessions that were ended later would live.
        let mut making = tempfile::Builder::new();
        let making = making.prefix(".backup-").permissions(fs::Permissions::from_mode(0o700));
        let making = making.tempdir_in(parent).map_err(failed)?;
        let settings = Settings { allow_network_file_system: true, ..Settings::default() };
        copy_to(&engine.log, &RealDisk::open(making.path(), &settings)?)?;
        if !engine.is_read_only() {
            // What was copied is made durable here before the copy appears. Otherwise a power loss could take from the store
            // what its copy has.
            engine.log.segments.sync()?;
        }
        fs::rename(making.path(), directory).map_err(failed)?;
        // The temporary directory has its final name now, so there is nothing to remove.
        let _ = making.keep();
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed)
    }
}

/// Copies the log, one segment after another, up to where it ended at one moment, and closes the copy with a mark.
///
/// What is sealed does not change, so one open file at a time is enough. A segment that compaction trims before it is
/// copied lives on in what compaction has appended. So the copy begins anew with the segment that is the oldest by then,
/// and goes on to where the log ends by then.
pub(crate) fn copy_to(log: &Log, target: &dyn Disk) -> Result<()> {
    let (mut oldest, mut end) = bounds(log)?;
    let (mut number, mut trims) = (oldest, 0);
    let lock = log.segments.disk.lock(names::WRITER_LOCK);
    let lock = lock.map_err(|error| log.segments.io("opening the writer lock", error))?;
    loop {
        match copy_all(&log.segments, &mut number, end, target) {
            Err(error) if is_not_found(&error) => {
                trims += 1;
                if trims == TRIMS_FOLLOWED {
                    // Compaction has overtaken the copy again and again. With the writer lock, it is kept out.
                    let taken = wait::until(LOCK_WAIT, || lock.try_exclusive());
                    taken.map_err(|error| log.segments.io("waiting for the writer lock", error))?;
                }
                (oldest, end) = bounds(log)?;
                // A segment that is part of the log and is not there is damage.
                if oldest <= number {
                    return Err(error);
                }
                number = oldest;
            }
            copied => break copied?,
        }
    }
    drop(lock);
    // These were copied before they left the log.
    let names = target.names().map_err(writing(oldest))?;
    for name in names.iter().filter(|name| names::segment_number(name).is_some_and(|number| number < oldest)) {
        target.remove(name).map_err(writing(oldest))?;
    }
    target.sync_names().map_err(|error| Error::io("making the backup's names durable", error))
}

/// The oldest segment, and where the log ends.
fn bounds(log: &Log) -> Result<(u32, Position)> {
    let state = log.read()?;
    Ok((state.index.oldest, state.index.applied))
}

/// Copies the segments from `number` on up to the end of the log. `number` is the segment that it has got to.
fn copy_all(segments: &Segments, number: &mut u32, end: Position, target: &dyn Disk) -> Result<()> {
    loop {
        let file = segments.disk.open(&names::segment(*number));
        let file = file.map_err(|error| segments.segment_io("opening a segment", *number, error))?;
        let is_last = *number == end.segment();
        let length = if is_last { end.offset() } else { segments.length_of(*number, &*file)? };
        let copy = copy(segments, *number, &*file, length, target)?;
        if is_last {
            let mut mark = Frames::at(end, end, segments.salt);
            mark.push(Kind::Mark, &NO_KEY, &[]);
            copy.write_at(mark.bytes(), u64::from(length)).map_err(writing(*number))?;
        }
        copy.sync().map_err(writing(*number))?;
        if is_last {
            return Ok(());
        }
        *number += 1;
    }
}

fn copy(
    segments: &Segments,
    number: u32,
    file: &dyn DiskFile,
    length: u32,
    target: &dyn Disk,
) -> Result<Arc<dyn DiskFile>> {
    let copy = target.create(&names::segment(number)).map_err(writing(number))?;
    let mut buffer = vec![0; CHUNK.min(length as usize)];
    let mut at = 0;
    while at < length {
        let wanted = buffer.len().min((length - at) as usize);
        // A block that cannot be read is damage in the copy as well.
        let read = read_past(file, &mut buffer[..wanted], u64::from(at));
        let read = read.map_err(|error| segments.segment_io("reading a segment", number, error))?;
        if read == 0 {
            // The segment is shorter than it should be. That is damage, and the copy has it, too.
            break;
        }
        copy.write_at(&buffer[..read], u64::from(at)).map_err(writing(number))?;
        at += read as u32;
    }
    Ok(copy)
}

fn writing(number: u32) -> impl Fn(std::io::Error) -> Error {
    move |error| Error::io(format!("writing the backup's {}", names::segment(number)), error)
}
