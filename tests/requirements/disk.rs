//! What stands on the disk, and who may read it: requirements 8 and 22 to 25.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloakroom::cookie::Cookie;
use cloakroom::{Data, ErrorKind, FileStore, ManualClock, Record, SessionId, SessionKey, Sessions, Store};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::files::{NOW, block_on, create, key, load, place, record, segments, value};
use super::process::Process;
use super::support::{MINUTE, START};

fn everything_in(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![directory.to_owned()];
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything_in(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn holds(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn r08_no_raw_id_is_in_any_file_or_file_name() {
    let (_keep, place) = place();
    let options = FileStore::options().segment_bytes(4096);
    let clock = ManualClock::at(START);
    let mut ids = Vec::new();
    let (mut shown, mut is_told) = (Vec::new(), false);
    let mut live = None;
    for round in 0..3 {
        let store = options.clone().open(&place).unwrap();
        let builder = Sessions::builder(store.clone()).cookie(Cookie::named("sid")).clock(clock.clone());
        let sessions = builder.build().unwrap();
        let blocking = sessions.blocking();
        for n in 0..40 {
            // A cart, a login, a new id, a change, a message, an end; and one of them is left with each id.
            let mut cookie: Option<String> = None;
            for step in 0..=n % 6 {
                clock.advance(MINUTE);
                let session = blocking.open(cookie.iter()).unwrap();
                match step {
                    0 => session.insert("cart", &vec!["hat"; n]).unwrap(),
                    1 => session.login(format!("user {}", n % 5)).unwrap(),
                    2 => session.rotate().unwrap(),
                    3 => session.modify("cart", |_: Option<Vec<String>>| Some(vec![])).unwrap(),
                    4 => session.flash("Welcome").unwrap(),
                    _ => session.destroy().unwrap(),
                }
                let committed = blocking.commit(session).unwrap();
                let Some(set) = committed.set_cookie() else { continue };
                let pair = set.as_str().split(';').next().unwrap().to_owned();
                let id = pair.split_once('=').unwrap().1.to_owned();
                if !id.is_empty() {
                    cookie = Some(pair);
                    live = Some(cookie.clone());
                    ids.push(id);
                }
            }
        }
        let kept = blocking.open(live.clone().flatten().iter()).unwrap().handle();
        let _ = blocking.end_all("user 3").unwrap();
        // Damage, so that something is set aside and reported.
        drop(sessions);
        shown.push(format!("{:?} {:?} {:?}", store, store.damage(), store.stats(START).unwrap()));
        is_told |= !store.damage().is_empty();
        drop(store);
        for segment in segments(&place) {
            let mut bytes = fs::read(&segment).unwrap();
            let at = bytes.len() * (round + 1) / 5;
            // A segment that has just begun is empty.
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1;
            }
            bytes.extend([7; 100]);
            fs::write(segment, bytes).unwrap();
        }
        if let Some(handle) = kept {
            let files = everything_in(&place);
            let found = files.iter().any(|path| path.is_file() && holds(&fs::read(path).unwrap(), handle.as_bytes()));
            assert!(found, "the search finds what is there");
        }
    }
    let store = options.open(&place).unwrap();
    let damaged = (0..1).map(|_| format!("{:?}", block_on(store.count(START))));
    shown.extend(damaged);
    shown.push(format!("{:?}", store.damage()));
    // A byte that changed in a segment with a hint is met when its record is loaded.
    assert!(is_told || !store.damage().is_empty());
    assert!(place.join("quarantine").is_dir());
    assert!(ids.len() > 100);
    for path in everything_in(&place) {
        let content = if path.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        for id in &ids {
            let raw = URL_SAFE_NO_PAD.decode(id).unwrap();
            for needle in [id.as_bytes(), &raw[..], &id.as_bytes()[..16], &raw[..12]] {
                let name = path.as_os_str().as_encoded_bytes();
                assert!(!holds(&content, needle) && !holds(name, needle), "an id stands in {}", path.display());
            }
            assert!(shown.iter().all(|shown| !shown.contains(&id[..16])));
        }
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn r22_directories_are_0700_and_files_0600_whatever_the_umask_and_looser_ones_are_refused() {
    for umask in ["000", "777", "022"] {
        let (_keep, place) = place();
        Process::start_under_umask(umask, "fill", &place, "").end();
        let all = everything_in(&place);
        assert!(all.iter().any(|path| path.parent().unwrap().ends_with("quarantine")), "{all:?}");
        for path in all {
            let expected = if path.is_dir() {
                0o700
            } else if path.ends_with("tail.page") {
                0o400
            } else {
                0o600
            };
            assert_eq!(mode(&path), expected, "{} under umask {umask}", path.display());
        }
        for loose in [0o701, 0o710, 0o704, 0o777] {
            fs::set_permissions(&place, fs::Permissions::from_mode(loose)).unwrap();
            let error = FileStore::open(&place).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::Refused, "{loose:o}");
            fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).unwrap();
        }
        let segment = segments(&place).pop().unwrap();
        fs::set_permissions(&segment, fs::Permissions::from_mode(0o640)).unwrap();
        FileStore::open(&place).unwrap_err();
    }
}

#[test]
fn r23_no_symlink_is_followed_whatever_its_name() {
    let names =
        ["00000001.log", "00000002.log", "opening.lock", "users.lock", "writer.lock", "tail.page", "quarantine"];
    for name in names {
        let (keep, place) = place();
        drop(FileStore::open(&place).unwrap());
        // Something to set aside, so that the quarantine is needed.
        let segment = place.join("00000001.log");
        fs::write(&segment, [&fs::read(&segment).unwrap()[..], b"torn"].concat()).unwrap();
        let outside = keep.path().join("outside");
        match name {
            "quarantine" => fs::DirBuilder::new().mode(0o700).create(&outside).unwrap(),
            _ => fs::write(&outside, "precious").unwrap(),
        }
        let _ = fs::remove_file(place.join(name));
        symlink(&outside, place.join(name)).unwrap();
        // An opener that recovers makes the shared page anew in any case, so that symlink goes.
        assert_eq!(FileStore::open(&place).is_ok(), name == "tail.page", "{name}");
        match name {
            "quarantine" => assert_eq!(fs::read_dir(&outside).unwrap().count(), 0),
            _ => assert_eq!(fs::read(&outside).unwrap(), b"precious", "{name}"),
        }
    }
}

/// Tells a thread to end, also when the test fails.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn r23_a_directory_that_becomes_a_symlink_at_any_moment_is_never_followed() {
    let (keep, place) = place();
    let (aside, elsewhere) = (keep.path().join("aside"), keep.path().join("elsewhere"));
    drop(FileStore::open(&place).unwrap());
    fs::DirBuilder::new().mode(0o700).create(&elsewhere).unwrap();
    symlink(&elsewhere, &aside).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The real directory and the link change places in one step, again and again.
            while !done.load(Ordering::Relaxed) {
                let exchange = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(rustix::fs::CWD, &place, rustix::fs::CWD, &aside, exchange).unwrap();
            }
        });
        let _ends = Done(&done);
        let (mut opened, mut refused) = (0, 0);
        while opened < 30 || refused < 30 {
            match FileStore::open(&place) {
                Ok(store) => {
                    opened += 1;
                    let _ = block_on(store.destroy(&key(1), None));
                }
                // The link was there at once, or it took the directory's place while that was opened.
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::Refused | ErrorKind::FilesLost), "{error}");
                    refused += 1;
                }
            }
            assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "the link was followed");
        }
    });
}

#[test]
fn r24_a_corrupt_record_is_a_typed_error_and_the_others_stay_readable() {
    let (_keep, place) = place();
    let store = FileStore::open(&place).unwrap();
    (0..20).for_each(|n| {
        create(&store, n, format!("the value of session {n:02}").as_bytes());
    });
    drop(store);
    let segment = segments(&place).pop().unwrap();
    let whole = fs::read(&segment).unwrap();
    let text = b"the value of session 07";
    let at = whole.windows(text.len()).position(|window| window == text).unwrap();
    for bit in 0..text.len() * 8 {
        let mut bytes = whole.clone();
        bytes[at + bit / 8] ^= 1 << (bit % 8);
        fs::write(&segment, &bytes).unwrap();
        // The page would tell that the segment was longer when the last store was closed.
        fs::remove_file(place.join("tail.page")).unwrap();
        let store = FileStore::open(&place).unwrap();
        let error = block_on(store.load(&key(7), NOW)).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Damaged, "{error}");
        assert_eq!(store.damage().len(), 1);
        for n in (0..20).filter(|n| *n != 7) {
            assert!(load(&store, n).is_some(), "session {n}");
        }
    }
}

#[test]
fn r24_what_damaged_bytes_claim_costs_no_memory() {
    let (_keep, place) = place();
    Process::start("fill", &place, "").end();
    let mut reader = Process::start("read damaged", &place, "");
    let kib: u64 = reader.hear().expect("it reads to its end").parse().unwrap();
    reader.end();
    // A thread's stack and its allocator's arena; a length of 4 GiB was read a hundred times.
    assert!(kib < 256 << 10, "{kib} KiB");
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "nothing is ever made of them")]
enum Role {
    Customer,
    Admin { of: String },
}

#[test]
fn r25_reading_makes_data_of_stored_data_and_nothing_else() {
    // What runs code elsewhere, when somebody reads it back, is text and numbers here.
    let hostile = [
        json!("!!python/object/apply:os.system ['true']"),
        json!({"@type": "java.lang.Runtime", "__proto__": {"admin": true}, "constructor": {"prototype": 1}}),
        json!("O:8:\"Template\":1:{s:4:\"code\";s:8:\"id; true\";}"),
        json!("gASVHwAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAR0cnVllIWUUpQu"),
        json!("<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><x>&e;</x>"),
        json!("${jndi:ldap://127.0.0.1/x}"),
        json!({"$serde_json::private::Number": "1", "$serde_json::private::RawValue": "{}"}),
    ];
    let (_keep, place) = place();
    let site = |store: FileStore| Sessions::builder(store).clock(ManualClock::at(NOW)).build().unwrap();
    let sessions = site(FileStore::open(&place).unwrap());
    let cookie = sessions.blocking().test_cookie(|session| session.insert("all", &hostile)).unwrap();
    drop(sessions);
    let sessions = site(FileStore::open(&place).unwrap());
    let session = sessions.blocking().open([&cookie]).unwrap();
    assert_eq!(session.get::<Json>("all").unwrap(), Some(Json::from(hostile.to_vec())));
    // The type is the reader's choice, never the data's.
    let wrong = [
        session.get::<Vec<Role>>("all").unwrap_err(),
        session.get::<HashMap<String, u64>>("all").unwrap_err(),
        session.get::<[u8; 4]>("all").unwrap_err(),
    ];
    for error in wrong {
        assert!(matches!(error.kind(), ErrorKind::Entry { .. }), "{error}");
    }
}

#[test]
fn r25_hostile_bytes_under_an_entry_are_an_error_of_that_entry() {
    let (_keep, place) = place();
    let store = FileStore::open(&place).unwrap();
    let sessions = Sessions::builder(store.clone()).clock(ManualClock::at(NOW)).build().unwrap();
    let cookie = sessions.blocking().test_cookie(|session| session.insert("good", &1)).unwrap();
    let id = cookie.split_once('=').unwrap().1;
    let key = SessionKey::of(&SessionId::parse(id).unwrap());
    let mut random = 0x2545_f491_4f6c_dd1du64;
    let noise = |length: usize| -> Vec<u8> {
        let next = || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random as u8 % 12
        };
        std::iter::repeat_with(next).take(length).collect()
    };
    let mut values = vec![
        // A hundred thousand lists and maps inside each other; texts and keys longer than everything.
        vec![7; 100_000],
        [8, 6, 1, b'a'].repeat(50_000),
        vec![6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![6, 2, 0xff, 0xfe],
        vec![5, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f],
        vec![],
    ];
    values.extend((0..200).map(noise));
    for bytes in values {
        let mut current: Record = block_on(store.load(&key, NOW)).unwrap().unwrap();
        let good = current.data().get("good").unwrap().to_vec();
        let entries = [(Arc::from("bad"), bytes), (Arc::from("good"), good)];
        current.set_data(Data::from_entries(&entries.into_iter().collect()));
        let _ = block_on(store.update(&current, current.revision(), NOW)).unwrap();
        let session = sessions.blocking().open([&cookie]).unwrap();
        let read = [
            session.get::<Json>("bad").map(drop),
            session.get::<Vec<Option<String>>>("bad").map(drop),
            session.get::<HashMap<String, Json>>("bad").map(drop),
            session.get::<Role>("bad").map(drop),
        ];
        for error in read.into_iter().filter_map(Result::err) {
            assert!(matches!(error.kind(), ErrorKind::Entry { entry, .. } if entry == "bad"), "{error}");
        }
        assert_eq!(session.get("good").unwrap(), Some(1), "the others can be read");
    }
    // And a record is no way around: it is read before anything is made of it.
    assert_eq!(value(&store, 1), None);
    let _ = record(1, b"");
}
