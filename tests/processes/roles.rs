//! What the children do.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cloakroom::{Durability, FileOptions, FileStore, Store, Update};
use rustix::fs::{FlockOperation, flock};

use super::process::{ARGUMENT, PLACE, ROLE, listen, say};
use super::support::{NOW, block_on, key, load, record, replace, value, value_of};
use super::{counting, killed, site};

/// The role that the environment names; without one, which is how the harness runs it, nothing.
#[test]
fn child_in_its_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let place = PathBuf::from(std::env::var_os(PLACE).unwrap());
    let argument = std::env::var(ARGUMENT).unwrap();
    match role.as_str() {
        "answer" => answer(&place),
        "serve" => serve(&place, argument.parse().unwrap()),
        "count" => counting::count(&place, &argument),
        "write" => killed::write_until_killed(&place, &argument),
        "hold" => hold(&place.join(argument)),
        "hold with a child" => hold_with_a_child(&place.join(argument)),
        "report" => report(&place),
        "obey" => obey(&place, &argument),
        "have children" => have_children(&place),
        "site" => site::serve(&place, &argument),
        role => panic!("no role is called {role}"),
    }
}

/// Small segments and durability by name, so that rolling and compaction happen all the time.
pub fn options(durability: &str) -> FileOptions {
    let durability = match durability {
        "always" => Durability::Always,
        "every" => Durability::Every(std::time::Duration::from_millis(10)),
        "never" => Durability::Never,
        other => panic!("no durability is called {other}"),
    };
    FileStore::options().durability(durability).segment_bytes(4096)
}

pub fn number<T: FromStr>(text: &[u8]) -> T
where
    T::Err: std::fmt::Debug,
{
    str::from_utf8(text).unwrap().parse().unwrap()
}

/// Ping-pong: for each number that it is told, session 1 must hold it; the next is stored instead.
fn answer(place: &Path) {
    let store = options("never").open(place).unwrap();
    say("open");
    while let Some(told) = listen() {
        assert_eq!(value(&store, 1).as_deref(), Some(told.as_bytes()));
        replace(&store, 1, (number::<u64>(told.as_bytes()) + 1).to_string().as_bytes());
        say("done");
    }
}

/// A server: saves one session after another, from this number on, and tells of each, until it is told to end.
fn serve(place: &Path, from: u32) {
    let store = options("always").open(place).unwrap();
    say("open");
    let ending = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in from.. {
                block_on(store.create(&record(n, &n.to_le_bytes()), &[], NOW)).unwrap();
                say(&n.to_string());
                if ending.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        while listen().is_some() {}
        ending.store(true, Ordering::Relaxed);
    });
    store.close().unwrap();
}

/// Holds a lock, as a process does that was stopped in the middle of a write.
fn hold(file: &Path) {
    let file = OpenOptions::new().read(true).write(true).open(file).unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    say("held");
    while listen().is_some() {}
}

/// The same, with a child that shares the open file, and so the lock, as a forked child does. Says the child's number.
#[allow(clippy::zombie_processes, reason = "the child is to outlive its parent")]
fn hold_with_a_child(file: &Path) {
    let file = OpenOptions::new().read(true).write(true).open(file).unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    let child =
        Command::new("sleep").arg("600").stdin(file.try_clone().unwrap()).stdout(Stdio::null()).spawn().unwrap();
    say(&child.id().to_string());
    while listen().is_some() {}
}

/// Says what it finds for each number it is told, and for the word "end", destroys it.
fn report(place: &Path) {
    let store = options("always").open(place).unwrap();
    say("open");
    while let Some(told) = listen() {
        if let Some(n) = told.strip_prefix("rotate ") {
            let n = number::<u32>(n.as_bytes());
            let current = load(&store, n).unwrap();
            let mut moved = current.clone();
            moved.set_key(key(n + 1));
            let rotated = block_on(store.rotate(&key(n), current.revision(), &moved, None, NOW)).unwrap();
            assert!(matches!(rotated, Update::Stored(_)), "{rotated:?}");
            say("done");
        } else if let Some(n) = told.strip_prefix("end ") {
            block_on(store.destroy(&key(number::<u32>(n.as_bytes())), None)).unwrap();
            say("done");
        } else {
            let found = value(&store, number(told.as_bytes()));
            say(&found.map_or("none".to_owned(), |value| String::from_utf8(value).unwrap()));
        }
    }
}

/// Opens the store between the starts of two children, which execute another program. Says the children's numbers.
#[allow(clippy::zombie_processes, reason = "the children are to outlive their parent")]
fn have_children(place: &Path) {
    let child = || Command::new("sleep").arg("600").stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap().id();
    let before = child();
    let store = options("always").open(place).unwrap();
    block_on(store.create(&record(1, b"one"), &[], NOW)).unwrap();
    say(&format!("{before} {}", child()));
    while listen().is_some() {}
}

/// Saves each number that it is told, and says whether that was acknowledged; ends sessions, says their values and what keeps
/// the log from going on in a new file, and closes. The argument says for how many milliseconds it waits to open.
fn obey(place: &Path, argument: &str) {
    let wait = std::time::Duration::from_millis(number(argument.as_bytes()));
    let store = options("always").open_wait(wait).open(place);
    let kind = |error: cloakroom::Error| say(&format!("{:?}", error.kind()));
    let store = match store {
        Ok(store) => store,
        Err(error) => return kind(error),
    };
    say("open");
    while let Some(told) = listen() {
        let number = |n: &str| number::<u32>(n.as_bytes());
        let done = match told.split_once(' ').unwrap_or((&told, "")) {
            ("close", _) => store.close(),
            ("end", n) => block_on(store.destroy(&key(number(n)), None)).map(drop),
            ("value", n) => {
                match block_on(store.load(&key(number(n)), NOW)) {
                    Ok(found) => {
                        say(&found.map_or("none".into(), |found| String::from_utf8(value_of(&found).to_vec()).unwrap()))
                    }
                    Err(error) => kind(error),
                }
                continue;
            }
            ("roll", _) => {
                say(&store.stats(NOW).unwrap().roll_error.unwrap_or("none".into()));
                continue;
            }
            _ => block_on(store.create(&record(number(&told), told.as_bytes()), &[], NOW)).map(drop),
        };
        done.map_or_else(kind, |()| say("done"));
    }
}
