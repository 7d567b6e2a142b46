//! A store that could be opened to read only, and how it goes on: when another process has recovered the log under it, and
//! when something can be written again.
//!
//! A lone reader holds no lock that a writer needs, so another process may recover the log and write to it. That process makes
//! a new shared page, and at each look the reader asks whether the page is still the one that it found. If not, the reader opens
//! the directory again, and follows that page. A save has it tried again whether the store can be opened to write.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::model::error::{ErrorKind, Result};
use crate::store::file::disk::real::RealDisk;
use crate::store::file::engine::Engine;
use crate::store::file::engine::background::Background;
use crate::store::file::log::failure::Failure;
use crate::store::file::recovery;
use crate::store::file::settings::Settings;
use crate::store::file::threads::Mutex;
use crate::store::file::threads::wait;

/// The store is not opened again before this time has gone by, and so many times the time that the last attempt took.
const REST: Duration = Duration::from_secs(1);
const RESTS: u32 = 10;

/// Opens the log in this directory to write, or to read if nothing can be written.
pub(crate) fn open(settings: &Settings, directory: &Path) -> Result<Engine> {
    let opened = RealDisk::open(directory, settings)
        .and_then(|disk| recovery::open(Arc::new(disk), directory, settings.clone()));
    match opened {
        // A disk that takes no writes must not log every user out (rule 21).
        Err(error) if matches!(error.kind(), ErrorKind::NotWritable | ErrorKind::Full) => {
            let disk = RealDisk::open_to_read(directory, settings);
            let engine = disk.and_then(|disk| recovery::open_to_read(Arc::new(disk), directory, settings.clone()));
            // The first error says why no store could be opened to write, and that is what the caller asked for.
            engine.map_err(|_| error)
        }
        opened => opened,
    }
}

/// See the module.
pub(crate) struct Reader {
    settings: Settings,
    directory: PathBuf,
    state: Mutex<State>,
}

struct State {
    /// What was opened since, in the place of the first.
    opened: Option<(Arc<Engine>, Background)>,
    not_before: Instant,
    /// Why the log that another process has recovered could not be opened at the last attempt.
    failed: Failure,
}

/// The engine that an operation uses.
pub(crate) enum Current<'a> {
    First(&'a Engine),
    Later(Arc<Engine>),
}

impl Deref for Current<'_> {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        match self {
            Self::First(engine) => engine,
            Self::Later(engine) => engine,
        }
    }
}

impl Reader {
    pub(crate) fn of(settings: Settings, directory: &Path) -> Self {
        let state = State { opened: None, not_before: wait::now() + REST, failed: Failure::default() };
        // Absolute, so that a later change of the working directory does not matter.
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        Self { settings, directory, state: Mutex::new(state) }
    }

    /// The engine to read with; or to write with, if the store can be opened for that by now.
    ///
    /// # Errors
    ///
    /// If the log was recovered by another process, and cannot be opened again.
    pub(crate) fn current<'a>(&self, first: &'a Engine, writes: bool) -> Result<Current<'a>> {
        let state = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let current = |state: &State| {
            state.opened.as_ref().map_or(Current::First(first), |(engine, _)| Current::Later(engine.clone()))
        };
        let now = current(state);
        if first.is_closed() || !now.is_read_only() {
            return Ok(now);
        }
        // A forked child opens nothing in its parent's name.
        first.refuse_if_forked()?;
        let is_outdated = now.log.segments.disk.is_outdated();
        if !is_outdated && !writes {
            return Ok(now);
        }
        let begun = wait::now();
        if begun >= state.not_before || is_outdated && !state.failed.is_kept() {
            let opened = open(&self.settings, &self.directory).and_then(|engine| {
                let engine = Arc::new(engine);
                Ok((engine.clone(), Background::start(engine)?))
            });
            state.not_before = wait::now() + REST.max((wait::now() - begun) * RESTS);
            match opened {
                Ok(opened) if is_outdated || !opened.0.is_read_only() => {
                    state.failed.keep(Ok(()));
                    state.opened = Some(opened);
                    return Ok(current(state));
                }
                Err(error) if is_outdated => state.failed.keep(Err(error)),
                _ => {}
            }
        }
        // What was read before the recovery may have been ended since.
        if is_outdated { state.failed.tell().map(|()| now) } else { Ok(now) }
    }

    /// Closes what was opened since.
    pub(crate) fn close(&self) -> Result<()> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.opened.as_ref().map_or(Ok(()), |(_, background)| background.close())
    }
}
