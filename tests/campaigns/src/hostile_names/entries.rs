//! Every public entry that takes a string or bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloakroom::cookie::{Cookie, CookieError, Key, Keys, SetCookie, pairs};
use cloakroom::{
    Data, Error, ErrorKind, FileStore, Handle, Lifetime, MAX_NAME_BYTES, MAX_OWNER_BYTES, ManualClock, Owner, Record,
    Revision, SessionId, SessionKey, Sessions, Store as _,
};

use crate::real::NOW;
use crate::run::Failure;
use crate::support::block_on;

/// What the strings go through.
pub struct Entries {
    sessions: Sessions<FileStore>,
    keys: Keys,
}

/// That it was not as it should have been, with what it was.
macro_rules! ensure {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+));
        }
    };
}

impl Entries {
    pub fn new(store: FileStore) -> Result<Self, Failure> {
        let sessions = Sessions::builder(store).clock(ManualClock::at(NOW)).build();
        let sessions = sessions.map_err(|error| format!("the sessions could not be set up: {error}"))?;
        let key = Key::derive(&[7; 64]).map_err(|error| format!("no key could be derived: {error}"))?;
        Ok(Self { sessions, keys: Keys::new(key) })
    }

    /// One string, through all of them. As text it is what of it is UTF-8.
    pub fn pass(&self, bytes: &[u8]) -> Result<(), Failure> {
        let text = &*String::from_utf8_lossy(bytes);
        ids(bytes, text)?;
        self.headers(bytes)?;
        self.cookies(bytes, text)?;
        self.records(bytes, text)?;
        self.owners(text)?;
        self.session(bytes, text)?;
        directories(bytes)
    }

    fn headers(&self, bytes: &[u8]) -> Result<(), Failure> {
        for header in [bytes.to_vec(), [b"__Host-sid=", bytes].concat(), [bytes, b"; __Host-sid=", bytes].concat()] {
            let session =
                self.sessions.blocking().open([&header]).map_err(|error| format!("it was not opened: {error}"))?;
            ensure!(session.is_new(), "an id that the store never gave was adopted");
            for (name, value) in pairs([&header[..]]) {
                let inside =
                    |part: &[u8]| header.windows(part.len().max(1)).any(|window| window == part) || part.is_empty();
                ensure!(inside(name) && inside(value), "a pair is not in its header");
            }
        }
        Ok(())
    }

    fn cookies(&self, bytes: &[u8], text: &str) -> Result<(), Failure> {
        for builder in [
            Cookie::named(text),
            Cookie::named(text).signed(self.keys.clone()),
            Cookie::named("sid").insecure().path(text),
            Cookie::named("sid").insecure().domain(text),
        ] {
            let built: Result<Cookie, CookieError> = builder.build();
            let Ok(cookie) = built else { continue };
            returns(&cookie, "value")?;
            returns(&cookie, text)?;
        }
        for cookie in [Cookie::named("sid"), Cookie::named("sid").signed(self.keys.clone())] {
            let cookie = cookie.build().map_err(|error| format!("a plain cookie is refused: {error}"))?;
            returns(&cookie, text)?;
            let set: Result<SetCookie, CookieError> = cookie.set("value");
            let set = set.map_err(|error| format!("a plain value is refused: {error}"))?;
            let same = bytes.starts_with(b"__Host-sid=")
                || bytes
                    .split(|byte| *byte == b';')
                    .next()
                    .is_some_and(|pair| pair.trim_ascii_start().starts_with(b"__Host-sid"));
            ensure!(!set.replaces(bytes) || same, "it is taken for the same cookie");
        }
        // Whatever the answer is, it is no panic.
        drop(Key::derive(bytes));
        Ok(())
    }

    fn records(&self, bytes: &[u8], text: &str) -> Result<(), Failure> {
        let store = self.sessions.store();
        let key = SessionKey::from_bytes([9; 16]);
        let mut record = Record::new(key, Lifetime::AAL2, NOW);
        record.set_owner(Some(text.into()), Some(NOW));
        record.set_data(Data::from_entries(&BTreeMap::from([(Arc::from("value"), bytes)])));
        let too_long = text.len() > MAX_OWNER_BYTES;
        if !text.is_empty() {
            self.comes_back(&record, too_long)?;
        }
        record.set_owner(None, None);
        record.set_data(Data::from_entries(&BTreeMap::from([(Arc::from(text), bytes)])));
        if !text.is_empty() {
            self.comes_back(&record, text.len() > MAX_NAME_BYTES)?;
        }
        // A hostile record's bytes: a typed error, or a record.
        if let Err(error) = Record::from_bytes(key, Revision::from_u64(1), bytes) {
            let typed = matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NewerFormat);
            ensure!(typed, "a hostile record is {error}");
        }
        block_on(store.destroy(&key, None)).map(drop).map_err(|error| format!("it was not destroyed: {error}"))
    }

    /// A record is stored and loaded as it was, or refused as too large.
    fn comes_back(&self, record: &Record, must_be_refused: bool) -> Result<(), Failure> {
        let store = self.sessions.store();
        block_on(store.destroy(record.key(), None)).map_err(|error| format!("it was not destroyed: {error}"))?;
        match block_on(store.create(record, &[], NOW)) {
            Ok(revision) => {
                ensure!(!must_be_refused, "what is too long was stored");
                let mut expected = record.clone();
                expected.set_revision(revision);
                let loaded =
                    block_on(store.load(record.key(), NOW)).map_err(|error| format!("it was not loaded: {error}"))?;
                ensure!(loaded.as_ref() == Some(&expected), "it came back as {loaded:?}");
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::TooLarge { .. }) => {
                let small = !must_be_refused && record.to_bytes().len() < 1 << 20;
                ensure!(!small, "it is not too large: {error}");
                Ok(())
            }
            Err(error) => Err(format!("it was not stored: {error}")),
        }
    }

    fn owners(&self, text: &str) -> Result<(), Failure> {
        let blocking = self.sessions.blocking();
        let failed = |error: Error| format!("an owner's sessions: {error}");
        let listed = blocking.owned_by(text).map_err(failed)?;
        ensure!(listed.is_empty(), "another owner's sessions are listed");
        ensure!(blocking.end_all(text).map_err(failed)? == 0, "another owner's sessions were ended");
        if let Ok(handle) = text.parse::<Handle>() {
            ensure!(!blocking.end(text, &handle).map_err(failed)?, "another owner's session was ended");
        }
        Ok(())
    }

    /// A visitor logs in under this name, puts this into an entry of this name, and comes back.
    fn session(&self, bytes: &[u8], text: &str) -> Result<(), Failure> {
        let blocking = self.sessions.blocking();
        let no_headers: [&[u8]; 0] = [];
        let session = blocking.open(no_headers).map_err(|error| format!("it was not opened: {error}"))?;
        let owner = (1..=MAX_OWNER_BYTES).contains(&text.len());
        let login = session.login(text);
        ensure!(login.is_ok() || !owner, "the owner was refused: {login:?}");
        let inserted = session.insert(text, bytes);
        let name = (1..=MAX_NAME_BYTES).contains(&text.len()) && !text.starts_with("cloakroom.");
        ensure!(inserted.is_ok() == name, "as an entry's name: {inserted:?}");
        let value = session.insert("value", text);
        ensure!(value.is_ok(), "as a value: {value:?}");
        let key = session.handle();
        let committed = match blocking.commit(session) {
            Ok(committed) => committed,
            Err(error) if matches!(error.kind(), ErrorKind::TooLarge { .. }) => return Ok(()),
            Err(error) => return Err(format!("it was not committed: {error}")),
        };
        let Some(cookie) = committed.set_cookie() else { return Err(format!("no cookie was sent for {key:?}")) };
        let pair = cookie.as_str().split(';').next().unwrap_or_default();
        let again = blocking.open([pair]).map_err(|error| format!("it was not opened again: {error}"))?;
        ensure!(!again.is_new(), "the session is not there again");
        let back = again.get::<String>("value").map_err(|error| format!("the value: {error}"))?;
        ensure!(back.as_deref() == Some(text), "the value came back as {back:?}");
        if name && text != "value" {
            let back = again.get::<Vec<u8>>(text).map_err(|error| format!("the entry: {error}"))?;
            ensure!(back.as_deref() == Some(bytes), "the entry came back as {back:?}");
        }
        if login.is_ok() {
            let whose = again.owner().map_err(|error| format!("the owner: {error}"))?;
            ensure!(whose == Some(Owner::from(text)), "the owner came back as {whose:?}");
            let listed = blocking.owned_by(text).map_err(|error| format!("the owner's sessions: {error}"))?;
            ensure!(listed.len() == 1, "the owner has {} sessions", listed.len());
        }
        again.destroy().map_err(|error| format!("it was not destroyed: {error}"))?;
        blocking.commit(again).map(drop).map_err(|error| format!("its end was not committed: {error}"))
    }
}

fn ids(bytes: &[u8], text: &str) -> Result<(), Failure> {
    if let Ok(id) = SessionId::parse(bytes) {
        ensure!(id.expose().as_bytes() == bytes, "an id has another spelling");
    }
    if let Ok(key) = text.parse::<SessionKey>() {
        ensure!(key.to_string() == text, "a key has another spelling");
    }
    Ok(())
}

/// What a cookie sets comes back, and nothing else: no attribute, no second header.
fn returns(cookie: &Cookie, value: &str) -> Result<(), Failure> {
    let Ok(set) = cookie.set(value) else { return Ok(()) };
    let header = set.as_str();
    ensure!(!header.bytes().any(|byte| byte < b' ' || byte == 0x7f), "a control is in a header: {header:?}");
    let pair = header.split(';').next().unwrap_or_default();
    let back: Vec<&str> = cookie.values([pair]).collect();
    ensure!(back == [value], "a value came back as {back:?}");
    Ok(())
}

/// A directory's name that no system call can be told is an error.
fn directories(bytes: &[u8]) -> Result<(), Failure> {
    use std::os::unix::ffi::OsStrExt as _;
    if !bytes.contains(&0) {
        return Ok(());
    }
    match FileStore::open(std::ffi::OsStr::from_bytes(bytes)) {
        Ok(_) => Err("a directory was opened whose name has a zero in it".into()),
        Err(error) => {
            ensure!(!error.to_string().is_empty(), "an error without words");
            Ok(())
        }
    }
}
