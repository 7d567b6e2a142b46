//! The store that users open: each operation becomes a look at the log, or an [`Op`] for its writer.

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::owner::Owner;
use crate::model::record::{Record, Revision};
use crate::model::time::Timestamp;
use crate::store::file::disk::Disk;
use crate::store::file::disk::real::RealDisk;
use crate::store::file::engine::Engine;
use crate::store::file::engine::background::Background;
#[cfg(feature = "simulation")]
use crate::store::file::engine::background::Round;
use crate::store::file::log::damage::Damage;
use crate::store::file::options::FileOptions;
use crate::store::file::recovery;
use crate::store::file::settings::Settings;
use crate::store::file::stats::Stats;
use crate::store::file::writer::op::{Answer, Op};
use crate::store::{Durability, RuntimeFree, Store, Swept, Update};

/// Sessions in files: no server to run, safe against crashes, shared by several processes.
///
/// - What was acknowledged survives: a kill always, a power loss as the [durability](FileOptions::durability) says. A
///   destroyed session never comes back.
/// - Any number of threads and processes may use one directory, and see each other's sessions at the next load. A new
///   process may start while the old one serves. Two handles in one process are as good as two processes.
/// - A load costs about what an in-memory map costs: the index is in memory, and so are the records used lately.
/// - A future of this store needs no runtime, and never blocks its executor on another process.
///
/// A clone is another handle on the same open store. The last one to go syncs and closes it; [`close`](Self::close) does
/// so and reports. After a fork, open it anew in the child.
#[derive(Clone)]
pub struct FileStore {
    pub(crate) engine: Arc<Engine>,
    pub(crate) background: Arc<Background>,
}

impl FileStore {
    /// Opens the store in this directory with the default [options](FileOptions), and creates it if need be.
    ///
    /// What a crash left is put in order; damaged places are set aside and [reported](Self::damage). Opening takes time in
    /// proportion to what is stored. Where nothing can be written, because the file system is read-only or full, a store that
    /// is there is opened [to read only](Self::is_read_only).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) for a directory that lets other users in, is a symlink, or lies on
    /// a network file system, saying what to do; [`ErrorKind::NewerFormat`](crate::ErrorKind::NewerFormat);
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if another process has been opening it for too long.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self> {
        Self::options().open(directory)
    }

    /// Options to open a store with.
    pub fn options() -> FileOptions {
        FileOptions::default()
    }

    fn open_with(settings: Settings, directory: &Path) -> Result<Self> {
        let network = settings.allow_network_file_system;
        let opened = RealDisk::open(directory, network)
            .and_then(|disk| Self::open_on(Arc::new(disk), settings.clone(), directory));
        match opened {
            // Nothing can be written, and what there is can be read all the same (rule 21).
            Err(error) if matches!(error.kind(), ErrorKind::NotWritable | ErrorKind::Full) => {
                let disk = RealDisk::open_to_read(directory, network);
                let engine = disk.and_then(|disk| recovery::open_to_read(Arc::new(disk), directory, settings));
                // Whatever is in the way of reading came after what was in the way of writing.
                engine.map_or(Err(error), |engine| Self::kept(Arc::new(engine)))
            }
            opened => opened,
        }
    }

    pub(crate) fn open_on(disk: Arc<dyn Disk>, settings: Settings, directory: &Path) -> Result<Self> {
        Self::kept(Arc::new(recovery::open(disk, directory, settings)?))
    }

    pub(crate) fn kept(engine: Arc<Engine>) -> Result<Self> {
        let background = Arc::new(Background::start(engine.clone())?);
        Ok(Self { engine, background })
    }

    #[cfg(feature = "simulation")]
    pub(crate) fn open_by_hand(disk: Arc<dyn Disk>, settings: Settings, directory: &Path) -> Result<(Self, Round)> {
        let engine = Arc::new(recovery::open(disk, directory, settings)?);
        let round = Round::of(&engine);
        let background = Arc::new(Background::by_hand(engine.clone()));
        Ok((Self { engine, background }, round))
    }

    /// Figures about the store, by this time.
    ///
    /// # Errors
    ///
    /// If the log cannot be read.
    pub fn stats(&self, now: Timestamp) -> Result<Stats> {
        self.engine.refuse_if_closed()?;
        self.engine.stats(now)
    }

    /// The damaged places that were met since the store was opened, at most 1,000 of them. What could be kept of the last
    /// segment's is in the directory `quarantine`.
    pub fn damage(&self) -> Vec<Damage> {
        self.engine.log.segments.damage.list()
    }

    /// The sessions that a lost frame may have ended: their newest frame lies before a place so damaged that it can't be told
    /// whose frames stood there. See [`OnDamage`](crate::OnDamage).
    ///
    /// Known as long as the damaged place is in the log, so ask when the store was opened.
    ///
    /// # Errors
    ///
    /// If the log cannot be read.
    pub fn doubtful(&self, now: Timestamp) -> Result<Vec<SessionKey>> {
        self.engine.refuse_if_closed()?;
        let state = self.engine.log.read()?;
        Ok(state.index.doubtful().filter(|key| state.index.live_at(key, now).is_some()).copied().collect())
    }

    /// Whether nothing could be written in the store's directory when it was opened: the file system is read-only, or full.
    /// Sessions are loaded and listed, and every save is [`ErrorKind::NotWritable`](crate::ErrorKind::NotWritable) until the
    /// store is opened again. As long as it is open so, and no process has it open otherwise, nobody can open it to write.
    pub fn is_read_only(&self) -> bool {
        self.engine.is_read_only()
    }

    /// The directory, as it was given.
    pub fn directory(&self) -> &Path {
        &self.engine.log.segments.path
    }

    /// Finishes what is under way, syncs, and closes the store for all its handles. Later operations are
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed).
    ///
    /// # Errors
    ///
    /// If the last sync fails; what was acknowledged as durable is so nevertheless.
    pub fn close(&self) -> Result<()> {
        self.background.close()
    }

    pub(crate) async fn run(&self, op: Op) -> Result<Answer> {
        self.engine.submit(op).await
    }
}

/// An operation was answered as another; the planner answers each by its kind.
macro_rules! answer {
    ($answer:expr, $variant:ident) => {
        match $answer? {
            Answer::$variant(answer) => Ok(answer),
            other => unreachable!("answered {other:?}"),
        }
    };
}

impl FileOptions {
    /// Opens the store in this directory, which is created if need be (mode 0700).
    ///
    /// # Errors
    ///
    /// As [`FileStore::open`]; and [`ErrorKind::Config`] for options out of their range.
    pub fn open(self, directory: impl AsRef<Path>) -> Result<FileStore> {
        let directory = directory.as_ref();
        match self.wrong() {
            Some(why) => Err(Error::new(ErrorKind::Config, "opening the session directory").at(directory).because(why)),
            None => FileStore::open_with(self.0, directory),
        }
    }
}

impl Store for FileStore {
    async fn create(&self, record: &Record, now: Timestamp) -> Result<Revision> {
        answer!(self.run(Op::Create { record: record.clone(), now }).await, Created)
    }

    async fn load(&self, key: &SessionKey, now: Timestamp) -> Result<Option<Record>> {
        self.engine.refuse_if_closed()?;
        self.engine.log.load(key, now)
    }

    async fn update(&self, record: &Record, expected: Revision, now: Timestamp) -> Result<Update> {
        answer!(self.run(Op::Update { record: record.clone(), expected, now }).await, Updated)
    }

    async fn touch(&self, key: &SessionKey, now: Timestamp) -> Result<bool> {
        answer!(self.run(Op::Touch { key: *key, now }).await, Touched)
    }

    async fn rotate(&self, old: &SessionKey, expected: Revision, record: &Record, now: Timestamp) -> Result<Update> {
        answer!(self.run(Op::Rotate { old: *old, expected, record: record.clone(), now }).await, Updated)
    }

    async fn destroy(&self, key: &SessionKey) -> Result<()> {
        self.run(Op::Destroy { key: *key }).await.map(drop)
    }

    async fn owned_by(&self, owner: &Owner, now: Timestamp) -> Result<Vec<Record>> {
        self.engine.refuse_if_closed()?;
        let keys: Vec<SessionKey> = self.engine.log.read()?.index.owned_by(owner).map(|meta| *meta.key()).collect();
        let mut records = Vec::with_capacity(keys.len());
        for key in keys {
            match self.engine.log.load(&key, now) {
                // Between the look at the index and this it may have gone, or got another owner.
                Ok(record) => records.extend(record.filter(|record| record.owner() == Some(owner))),
                // Nobody can use it, and it must not hide the user's other sessions; it is among the reported damage.
                Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NewerFormat) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(records)
    }

    async fn destroy_owned_by(&self, owner: &Owner, except: Option<&SessionKey>) -> Result<u64> {
        answer!(self.run(Op::DestroyOwned { owner: owner.clone(), except: except.copied() }).await, Counted)
    }

    async fn sweep(&self, now: Timestamp, budget: usize) -> Result<Swept> {
        answer!(self.run(Op::Sweep { now, budget }).await, Swept)
    }

    async fn scan(&self, now: Timestamp, visit: &mut (dyn FnMut(Record) -> ControlFlow<()> + Send)) -> Result<()> {
        self.engine.refuse_if_closed()?;
        let keys: Vec<SessionKey> = {
            let state = self.engine.log.read()?;
            state.index.iter().filter(|meta| !meta.expiry().is_expired_at(now)).map(|meta| *meta.key()).collect()
        };
        // A session that cannot be read hides no other: it is the scan's error when all others were visited.
        let mut unreadable = Ok(());
        for key in keys {
            match self.engine.log.load(&key, now) {
                Ok(None) => {}
                Ok(Some(record)) => {
                    if visit(record).is_break() {
                        return Ok(());
                    }
                }
                Err(error) => unreadable = unreadable.and(Err(error)),
            }
        }
        unreadable
    }

    async fn count(&self, now: Timestamp) -> Result<u64> {
        self.engine.refuse_if_closed()?;
        self.engine.log.sort_deadlines(now, usize::MAX)?;
        let state = self.engine.log.read()?;
        Ok((state.index.len() - state.index.ended_at(now).count()) as u64)
    }

    async fn clear(&self) -> Result<()> {
        self.run(Op::Clear).await.map(drop)
    }

    fn durability(&self) -> Durability {
        self.engine.settings.durability
    }
}

impl RuntimeFree for FileStore {}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore").field("directory", &self.engine.log.segments.path).finish_non_exhaustive()
    }
}
