//! The store that users open, and what they ask of it besides the contract.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::key::SessionKey;
use crate::model::time::Timestamp;
#[cfg(any(test, fuzzing, feature = "simulation"))]
use crate::store::file::disk::Disk;
use crate::store::file::engine::Engine;
use crate::store::file::engine::background::Background;
#[cfg(feature = "simulation")]
use crate::store::file::engine::background::Round;
use crate::store::file::log::damage::Damage;
use crate::store::file::options::FileOptions;
use crate::store::file::reader::{self, Current, Reader};
#[cfg(any(test, fuzzing, feature = "simulation"))]
use crate::store::file::recovery;
use crate::store::file::settings::Settings;
use crate::store::file::stats::Stats;
use crate::store::file::writer::op::{Answer, Op};
use crate::store::runtime_free::RuntimeFree;

/// Sessions in files: no server to run, safe against crashes, shared by several processes.
///
/// - A session that was acknowledged survives a kill always, and a power loss as the [durability](FileOptions::durability)
///   says. A destroyed session never comes back.
/// - Any number of threads and processes of one machine may use one directory. They see each other's sessions at the next
///   load. A new process may start while the old one serves. Two openings in one process are as good as two processes.
/// - A load costs about what an in-memory map costs: the index is in memory, and so are the records used lately.
/// - A future of this store needs no runtime. A save that waits for another process, or for the disk, is pending and does
///   not block its executor. Reads and writes of files happen on the thread that polls.
///
/// A clone is another handle on the same open store. Dropping the last handle syncs and closes the store;
/// [`close`](Self::close) does the same and reports errors.
///
/// ```
/// use cloakroom::{FileStore, Sessions};
///
/// # let kept = tempfile::tempdir()?;
/// # let directory = kept.path().join("sessions");
/// let store = FileStore::open(&directory)?;
/// let sessions = Sessions::builder(store.clone()).build()?.blocking();
/// let cookie = sessions.test_cookie(|session| session.insert("theme", "dark"))?;
/// store.close()?;
///
/// // The next process finds the session, and so does this one when it opens the directory again.
/// let sessions = Sessions::builder(FileStore::open(&directory)?).build()?.blocking();
/// let session = sessions.open([cookie])?;
/// assert_eq!(session.get::<String>("theme")?.as_deref(), Some("dark"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
#[doc = include_str!("what_it_does_not_promise.md")]
#[derive(Clone)]
pub struct FileStore {
    pub(crate) engine: Arc<Engine>,
    pub(crate) background: Arc<Background>,
    /// Of a store that could be opened to read only.
    pub(crate) reader: Option<Arc<Reader>>,
}

impl FileStore {
    /// Opens the store in this directory with the default [options](FileOptions), and creates both if need be.
    ///
    /// The first process that opens the directory repairs what a crash left, and sets aside what does not belong to the log.
    /// Damaged places are [reported](Self::damage). Opening takes time in proportion to what is stored. If nothing can be
    /// written, because the file system is read-only or full, a store that is there is opened
    /// [to read only](Self::is_read_only).
    ///
    /// ```
    /// use cloakroom::{ErrorKind, FileStore};
    ///
    /// # let kept = tempfile::tempdir()?;
    /// # let directory = kept.path().join("sessions");
    /// let store = FileStore::open(&directory)?; // mode 0700, and its files 0600
    /// # drop(store);
    /// # std::fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    /// // After `chmod 755`, other users could list it.
    /// let error = FileStore::open(&directory).unwrap_err();
    /// assert_eq!(error.kind(), &ErrorKind::Refused);
    /// assert!(error.to_string().contains("run: chmod 700"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Refused`] for a directory that lets other users in, is a symlink, or is on a network file system. The
    ///   error says what to do.
    /// - [`ErrorKind::NewerFormat`](crate::ErrorKind::NewerFormat) if a newer version of this crate wrote it.
    /// - [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) if no segment has a header that can be read.
    /// - [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if another process has been recovering the directory for longer than
    ///   [`open_wait`](FileOptions::open_wait).
    pub fn open(directory: impl AsRef<Path>) -> Result<Self> {
        Self::options().open(directory)
    }

    /// Options to open a store with. [`FileOptions`] shows their use.
    pub fn options() -> FileOptions {
        FileOptions::default()
    }

    fn open_with(settings: Settings, directory: &Path) -> Result<Self> {
        let store = Self::kept(Arc::new(reader::open(&settings, directory)?))?;
        let reader = store.engine.is_read_only().then(|| Arc::new(Reader::of(settings, directory)));
        Ok(Self { reader, ..store })
    }

    #[cfg(any(test, fuzzing, feature = "simulation"))]
    pub(crate) fn open_on(disk: Arc<dyn Disk>, settings: Settings, directory: &Path) -> Result<Self> {
        Self::kept(Arc::new(recovery::open(disk, directory, settings)?))
    }

    pub(crate) fn kept(engine: Arc<Engine>) -> Result<Self> {
        let background = Arc::new(Background::start(engine.clone())?);
        Ok(Self { engine, background, reader: None })
    }

    #[cfg(feature = "simulation")]
    pub(crate) fn open_by_hand(disk: Arc<dyn Disk>, settings: Settings, directory: &Path) -> Result<(Self, Round)> {
        let engine = Arc::new(recovery::open(disk, directory, settings)?);
        let round = Round::of(&engine);
        let background = Arc::new(Background::by_hand(engine.clone()));
        Ok((Self { engine, background, reader: None }, round))
    }

    /// Figures about the store. `now` decides which sessions count as expired.
    ///
    /// The cost is in proportion to the sessions that have expired and were not swept, and to earlier touches.
    ///
    /// ```
    /// # use cloakroom::{Clock, FileStore, SystemClock};
    /// # let kept = tempfile::tempdir()?;
    /// # let directory = kept.path().join("sessions");
    /// let store = FileStore::open(directory)?;
    /// let stats = store.stats(SystemClock.now())?;
    /// println!("{} sessions in {} bytes on disk", stats.live, stats.disk_bytes);
    /// # assert_eq!((stats.live, stats.segments), (0, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed); [`ErrorKind::Io`](crate::ErrorKind::Io) if the log cannot be read.
    pub fn stats(&self, now: Timestamp) -> Result<Stats> {
        self.engine()?.stats(now)
    }

    /// The damaged places that this process has met since it opened the store, at most the first 1,000 of them.
    ///
    /// Bytes that recovery cut off the end of the log, and records that compaction could not read, are kept in the
    /// subdirectory `quarantine`, where a person can look at them.
    ///
    /// ```
    /// use cloakroom::{FileStore, Sessions};
    ///
    /// # let kept = tempfile::tempdir()?;
    /// # let directory = kept.path().join("sessions");
    /// let sessions = Sessions::builder(FileStore::open(&directory)?).build()?.blocking();
    /// sessions.test_cookie(|session| session.login("user 42"))?;
    /// # drop(sessions);
    /// // The process has ended, and then the disk has changed one bit of the session's record.
    /// let log = directory.join("00000001.log");
    /// let mut bytes = std::fs::read(&log)?;
    /// bytes[120] ^= 1;
    /// std::fs::write(&log, bytes)?;
    ///
    /// let store = FileStore::open(&directory)?;
    /// for damage in store.damage() {
    ///     eprintln!("{} is damaged from byte {} to byte {}", damage.file, damage.from, damage.to);
    ///     assert!(damage.key.is_some(), "it can be told which session that was");
    /// }
    /// # assert_eq!(store.damage().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn damage(&self) -> Vec<Damage> {
        self.current().map_or_else(|_| Vec::new(), |engine| engine.log.segments.damage.list())
    }

    /// The live sessions that a lost frame may have ended; see [`OnDamage`](crate::OnDamage).
    ///
    /// The store knows them only as long as the damaged place is part of the log, so ask soon after the store was opened.
    ///
    /// ```
    /// # use cloakroom::{Clock, FileStore, SystemClock};
    /// # let kept = tempfile::tempdir()?;
    /// # let directory = kept.path().join("sessions");
    /// let store = FileStore::open(directory)?;
    /// for key in store.doubtful(SystemClock.now())? {
    ///     eprintln!("session {key} may have been logged out before the disk lost a part of the log");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed); [`ErrorKind::Io`](crate::ErrorKind::Io) if the log cannot be read.
    pub fn doubtful(&self, now: Timestamp) -> Result<Vec<SessionKey>> {
        self.engine()?.log.doubtful(now)
    }

    /// Whether the store is open to read only, because its file system was read-only or full when it was opened.
    ///
    /// Sessions are loaded and listed, and every save is [`ErrorKind::NotWritable`](crate::ErrorKind::NotWritable). Other
    /// processes may open the directory to write meanwhile, and what they save and end shows at the next load. Once a second
    /// at most, a save tries on its own thread whether the store can be opened to write; then this is false from then on.
    ///
    /// ```
    /// # use cloakroom::FileStore;
    /// # let kept = tempfile::tempdir()?;
    /// # let directory = kept.path().join("sessions");
    /// let store = FileStore::open(directory)?;
    /// if store.is_read_only() {
    ///     eprintln!("visitors stay logged in, and nothing is saved: make room, and open the store again");
    /// }
    /// # assert!(!store.is_read_only());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_read_only(&self) -> bool {
        self.current().is_ok_and(|engine| engine.is_read_only())
    }

    fn current(&self) -> Result<Current<'_>> {
        self.reader.as_ref().map_or(Ok(Current::First(&self.engine)), |reader| reader.current(&self.engine, false))
    }

    /// The engine to read with.
    pub(crate) fn engine(&self) -> Result<Current<'_>> {
        self.engine.refuse_if_closed()?;
        self.current()
    }

    /// The directory, as it was given.
    pub fn directory(&self) -> &Path {
        &self.engine.log.segments.path
    }

    /// Finishes the operations under way, syncs, and closes the store for all its handles. Later operations are
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed).
    ///
    /// It parks the thread until that is done. Closing a closed store does nothing.
    ///
    /// ```
    /// # use cloakroom::{Clock, ErrorKind, FileStore, SystemClock};
    /// # let kept = tempfile::tempdir()?;
    /// # let directory = kept.path().join("sessions");
    /// let store = FileStore::open(directory)?;
    /// let clone = store.clone();
    /// store.close()?;
    /// assert_eq!(clone.stats(SystemClock.now()).unwrap_err().kind(), &ErrorKind::Closed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the last sync fails: saves that did not wait for the disk may be lost then, and those that did are durable.
    /// [`ErrorKind::Forked`](crate::ErrorKind::Forked) in a forked child.
    #[doc(alias = "shutdown")]
    pub fn close(&self) -> Result<()> {
        self.background.close().and(self.reader.as_ref().map_or(Ok(()), |reader| reader.close()))
    }

    pub(crate) async fn run(&self, op: Op) -> Result<Answer> {
        let Some(reader) = &self.reader else { return self.engine.submit(op).await };
        reader.current(&self.engine, true)?.submit(op).await
    }
}

impl FileOptions {
    /// Opens the store in this directory with these options, as [`FileStore::open`] does with the default ones.
    ///
    /// ```
    /// # use cloakroom::{ErrorKind, FileStore};
    /// # let kept = tempfile::tempdir()?;
    /// # let directory = kept.path().join("sessions");
    /// let too_small = FileStore::options().segment_bytes(512).open(directory).unwrap_err();
    /// assert_eq!(too_small.kind(), &ErrorKind::Config);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`FileStore::open`]; [`ErrorKind::Config`] for options out of their range.
    pub fn open(self, directory: impl AsRef<Path>) -> Result<FileStore> {
        let directory = directory.as_ref();
        match self.wrong() {
            Some(why) => Err(Error::new(ErrorKind::Config, "opening the session directory").at(directory).because(why)),
            None => FileStore::open_with(self.0, directory),
        }
    }
}

impl RuntimeFree for FileStore {}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore").field("directory", &self.engine.log.segments.path).finish_non_exhaustive()
    }
}
