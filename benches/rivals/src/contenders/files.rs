//! A file for each session, replaced by rename: the store that most programmers write first.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use cloakroom::{SessionKey, Timestamp};
use rustix::fs::{Timespec, Timestamps};

use super::layout;
use crate::contender::{Class, Contender, Loaded};
use crate::session::Session;

/// A session ends at its file's time of modification, so that a touch writes no data and a sweep reads none.
pub(crate) struct Files {
    sessions: PathBuf,
    class: Class,
    next: AtomicU64,
}

impl Files {
    pub(crate) fn open(directory: &Path, class: Class) -> Self {
        let sessions = directory.join("sessions");
        fs::create_dir_all(&sessions).unwrap();
        Self { sessions, class, next: AtomicU64::new(u64::from(std::process::id()) << 32) }
    }

    fn path(&self, key: &SessionKey) -> PathBuf {
        self.sessions.join(key.to_string())
    }

    fn write(&self, session: &Session, is_new: bool) {
        let temporary = self.sessions.join(format!("temporary-{}", self.next.fetch_add(1, Ordering::Relaxed)));
        let mut file = File::create_new(&temporary).unwrap();
        file.write_all(&session.record.to_bytes()).unwrap();
        set_end(&file, session.ends());
        let path = self.path(session.key());
        if self.class == Class::Durable && !is_new {
            file.sync_all().unwrap();
            fs::rename(&temporary, path).unwrap();
            File::open(&self.sessions).unwrap().sync_all().unwrap();
        } else {
            fs::rename(&temporary, path).unwrap();
        }
    }
}

fn set_end(file: &File, ends: Timestamp) {
    let millis = ends.as_millis();
    let time = Timespec { tv_sec: (millis / 1_000) as i64, tv_nsec: (millis % 1_000 * 1_000_000) as i64 };
    rustix::fs::futimens(file, &Timestamps { last_access: time, last_modification: time }).unwrap();
}

/// When a file's session ends.
fn end_of(metadata: &fs::Metadata) -> Timestamp {
    use std::os::unix::fs::MetadataExt as _;
    Timestamp::from_millis(metadata.mtime() as u64 * 1_000 + metadata.mtime_nsec() as u64 / 1_000_000)
}

fn existing(file: std::io::Result<File>) -> Option<File> {
    match file {
        Ok(file) => Some(file),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("a session's file: {error}"),
    }
}

impl Contender for Files {
    fn fill(&self, sessions: &mut dyn Iterator<Item = Session>, _: Timestamp) {
        sessions.for_each(|session| self.write(&session, true));
    }

    fn load(&self, key: &SessionKey, now: Timestamp) -> Option<Option<Loaded>> {
        use std::io::Read as _;
        let Some(mut file) = existing(File::open(self.path(key))) else { return Some(None) };
        let metadata = file.metadata().unwrap();
        if end_of(&metadata) <= now {
            return Some(None);
        }
        let mut bytes = Vec::with_capacity(metadata.len() as usize + 1);
        file.read_to_end(&mut bytes).unwrap();
        Some(Some(Loaded::Bytes(bytes)))
    }

    fn touch(&self, key: &SessionKey, now: Timestamp) -> Option<bool> {
        let Some(file) = existing(File::open(self.path(key))) else { return Some(false) };
        let lives = end_of(&file.metadata().unwrap()) > now;
        if lives {
            set_end(&file, layout::end_of_seen(now));
        }
        Some(lives)
    }

    fn save(&self, session: &mut Session, _: Timestamp) -> Option<()> {
        self.write(session, false);
        Some(())
    }

    /// A sweep looks at every file, since there is no index of ends.
    fn sweep(&self, now: Timestamp) -> Option<Option<u64>> {
        let mut removed = 0;
        for entry in fs::read_dir(&self.sessions).unwrap() {
            let entry = entry.unwrap();
            if end_of(&entry.metadata().unwrap()) <= now {
                fs::remove_file(entry.path()).unwrap();
                removed += 1;
            }
        }
        Some(Some(removed))
    }
}
