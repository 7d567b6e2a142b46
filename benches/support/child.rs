//! What a benchmark needs a process of its own for: it starts itself, with a role and a directory in its environment.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cloakroom::{Durability, FileStore, Store};

use super::{NOW, Saver, block_on, options};

const ROLE: &str = "CLOAKROOM_BENCH_ROLE";
const DIRECTORY: &str = "CLOAKROOM_BENCH_DIRECTORY";

/// Plays the role that this process was started for; says whether there was one.
pub(crate) fn is_played_out() -> bool {
    let (Ok(role), Some(directory)) = (std::env::var(ROLE), std::env::var_os(DIRECTORY)) else { return false };
    match &*role {
        "memory" => tell_memory(Path::new(&directory)),
        "victim" => save_until_killed(Path::new(&directory)),
        other => panic!("there is no role {other}"),
    }
    true
}

/// How many bytes of memory each session takes when none of the records is cached.
pub(crate) fn memory(directory: &Path) -> f64 {
    let mut child = start("memory", directory);
    let told = listen(&mut child).parse().unwrap();
    child.wait().unwrap();
    told
}

/// Leaves the directory as a process leaves it that was killed in the middle of its work.
pub(crate) fn be_killed(directory: &Path) {
    let mut child = start("victim", directory);
    assert_eq!(listen(&mut child), "ready");
    child.kill().unwrap();
    child.wait().unwrap();
}

fn start(role: &str, directory: &Path) -> Child {
    let mut this = Command::new(std::env::current_exe().unwrap());
    this.env(ROLE, role).env(DIRECTORY, directory).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
}

fn listen(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    line.trim().to_owned()
}

fn tell_memory(directory: &Path) {
    let before = resident_bytes();
    let store = FileStore::options().cache_bytes(0).open(directory).unwrap();
    let after = resident_bytes();
    println!("{}", (after - before) as f64 / block_on(store.count(NOW)).unwrap() as f64);
}

fn save_until_killed(directory: &Path) {
    let store = options(Durability::Never).open(directory).unwrap();
    let mut saver = Saver::new(&store, 100, 0, 1);
    (0..100).for_each(|_| saver.save());
    println!("ready");
    loop {
        std::thread::park();
    }
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
