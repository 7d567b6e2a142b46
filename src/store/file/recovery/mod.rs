//! Opening a directory: an opener that finds it unused recovers the log, any other one joins. One process recovers at a
//! time; any number join meanwhile, each by itself.
//!
//! `recover` holds what is done to files that no process uses. Nothing here serves a load or a save: an open store is the
//! engine's.

mod first_look;
mod gap;
mod recover;
mod users_lock;

use std::io;
use std::path::Path;
use std::sync::Arc;

use self::first_look::{OPENING, bad_header, header, new_log};
use self::recover::{Found, recover};
use self::users_lock::UsersLock;
use crate::model::error::{Error, ErrorKind, Result};
use crate::store::file::disk::lock::AbsentLock;
use crate::store::file::disk::{Disk, DiskLock, page};
use crate::store::file::engine::Engine;
use crate::store::file::format::names;
use crate::store::file::format::position::Position;
use crate::store::file::log::Log;
use crate::store::file::log::segments::is_not_found;
use crate::store::file::settings::Settings;
use crate::store::file::threads::wait;

/// Opens the log in a directory, to write and to read.
pub(crate) fn open(disk: Arc<dyn Disk>, path: &Path, settings: Settings) -> Result<Engine> {
    let Locks { opening, users, writer } = Locks::on(&*disk, path)?;
    let failed = |error| Error::io(OPENING, error).at(path);
    // One opener at a time decides what it is. An opener that gets the users' lock exclusively is alone. The shared lock
    // always means that a recovery was finished (rule 9).
    await_opening(&settings, path, || opening.try_exclusive())?;
    let alone = users.is_alone(settings.open_wait, path)?;
    let recovered = if alone { Some(recover(disk.clone(), path, &settings)?) } else { None };
    if !wait::until(settings.open_wait, || users.try_shared()).map_err(failed)? {
        return Err(users_held(path));
    }
    // Recovery alone needs the openers' lock. An opener that joins holds the users' lock shared by now, which keeps any
    // recovery out, even if all other users close or die while it reads. So the next opener need not wait for the reading.
    opening.unlock().map_err(failed)?;
    let log = recovered.map_or_else(|| join(disk, path, &settings), Ok)?;
    log.segments.look()?;
    Ok(Engine::new(log, settings, writer, Box::new(users)))
}

/// Opens the log to read it only, and changes nothing (rule 21).
///
/// If other processes have the store open to write, it joins them and follows the shared page. If it is alone, it reads what a
/// recovery would keep, and holds no lock from then on, so that others may recover and write. The disk says whether one has
/// ([`Disk::is_outdated`]).
pub(crate) fn open_to_read(disk: Arc<dyn Disk>, path: &Path, settings: Settings) -> Result<Engine> {
    read(disk, path, settings, false)
}

/// The same for a look through the whole log. If it is alone, it holds the openers' lock shared, and no process can begin to
/// write before the engine goes.
pub(crate) fn open_to_look_through(disk: Arc<dyn Disk>, path: &Path, settings: Settings) -> Result<Engine> {
    read(disk, path, settings, true)
}

fn read(disk: Arc<dyn Disk>, path: &Path, settings: Settings, keeps_writers_out: bool) -> Result<Engine> {
    let Locks { opening, users, writer } = Locks::on(&*disk, path)?;
    let failed = |error| Error::io(OPENING, error).at(path);
    await_opening(&settings, path, || opening.try_shared())?;
    // The writer lock lets one reader at a time look at the users' lock: else two readers would take each other for writers.
    if !wait::until(settings.lock_wait, || writer.try_exclusive()).map_err(failed)? {
        let why = "another process held the writer lock all the time";
        return Err(Error::new(ErrorKind::Timeout, OPENING).at(path).because(why));
    }
    let alone = users.is_alone(settings.lock_wait, path)?;
    if alone {
        users.unlock().map_err(failed)?;
    } else if !wait::until(settings.lock_wait, || users.try_shared()).map_err(failed)? {
        // For a moment, a close asks for this lock exclusively, to learn whether it is the last.
        return Err(users_held(path));
    }
    writer.unlock().map_err(failed)?;
    let (log, locked) = if alone {
        let log = Found::read(disk, path, &settings)?.publish();
        (log, if keeps_writers_out { opening } else { Box::new(AbsentLock) })
    } else {
        opening.unlock().map_err(failed)?;
        (join(disk, path, &settings)?, Box::new(users) as Box<dyn DiskLock>)
    };
    Ok(Engine::new(log, settings, writer, locked).read_only())
}

/// How often joining begins again because the last segment that the page named is gone.
const TRIMS_FOLLOWED: u32 = 10;

struct Locks {
    opening: Box<dyn DiskLock>,
    users: UsersLock,
    writer: Box<dyn DiskLock>,
}

impl Locks {
    fn on(disk: &dyn Disk, path: &Path) -> Result<Self> {
        let failed = |name| move |error| Error::io("opening a lock", error).at(path.join(name));
        Ok(Self {
            opening: disk.lock(names::OPENING_LOCK).map_err(failed(names::OPENING_LOCK))?,
            users: UsersLock::on(disk).map_err(failed(names::USERS_LOCK))?,
            writer: disk.lock(names::WRITER_LOCK).map_err(failed(names::WRITER_LOCK))?,
        })
    }
}

fn await_opening(settings: &Settings, path: &Path, attempt: impl FnMut() -> io::Result<bool>) -> Result<()> {
    let failed = |error| Error::io("waiting to open the session store", error).at(path);
    if wait::until(settings.open_wait, attempt).map_err(failed)? {
        return Ok(());
    }
    let why = "another process has been opening it, or looking through it, for longer than this waits";
    Err(Error::new(ErrorKind::Timeout, OPENING).at(path).because(why))
}

fn users_held(path: &Path) -> Error {
    Error::new(ErrorKind::Timeout, OPENING).at(path).because("the lock of its users is held exclusively")
}

/// Joins the processes that use the directory already. Only with the users' lock held shared.
fn join(disk: Arc<dyn Disk>, path: &Path, settings: &Settings) -> Result<Log> {
    for _ in 0..TRIMS_FOLLOWED {
        match try_join(disk.clone(), path, settings) {
            // The last segment that the page named was trimmed before this process opened it. The page names a later one by
            // now (rule 15).
            Err(error) if is_not_found(&error) => {}
            joined => return joined,
        }
    }
    try_join(disk, path, settings).map_err(|error| match is_not_found(&error) {
        true => lost(path, "a segment was removed"),
        false => error,
    })
}

/// Files are not those that the processes have open which this one was to join (rule 22).
fn lost(path: &Path, what: &str) -> Error {
    let why = format!("{what} while other processes use the store; close it everywhere, and open it again");
    Error::new(ErrorKind::FilesLost, OPENING).at(path).because(why)
}

/// Reads the log as far as the shared page says that it reaches.
fn try_join(disk: Arc<dyn Disk>, path: &Path, settings: &Settings) -> Result<Log> {
    let shared = disk.shared_page(names::SHARED_PAGE, false).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => lost(path, "the shared page was removed"),
        _ => Error::io("mapping the shared page", error).at(path.join(names::SHARED_PAGE)),
    })?;
    let version = shared.page().version.get();
    if version & !page::BY_CALLS != page::VERSION {
        let why = format!(
            "processes that use it now run a version of cloakroom with another shared page ({version}, this one has {}); \
             stop them first",
            page::VERSION
        );
        return Err(Error::new(ErrorKind::NewerFormat, OPENING).at(path).because(why));
    }
    if shared.page().files.get() != disk.number() {
        return Err(lost(path, "a lock file or the shared page was replaced"));
    }
    let end = Position::from_u64(shared.page().tail.get());
    let file = disk.open(&names::segment(end.segment()));
    let file = file
        .map_err(|error| Error::io("opening the last segment", error).at(path.join(names::segment(end.segment()))))?;
    let header = header(&*file, path, end.segment())?;
    let salt = header.map_err(|bad| bad_header(path, end.segment(), bad))?.salt;
    let log = new_log(disk, path, salt, shared, 0, settings);
    log.start()?;
    Ok(log)
}
