//! Write amplification: `cargo bench --bench writes [-- --directory PATH] [--seconds N]`.
//!
//! How many durable saves there are in a second, and what is written for each byte of the log. The disk's own count is that of
//! the whole device, with the file system's journal. So the directory should be on a file system that nothing else writes to.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has nothing to report")]

mod support;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use cloakroom::{Data, FileStore, Record, Revision, Store, Update, value};

use support::{NOW, block_on};

fn main() {
    let measuring = support::is_measuring();
    let (seconds, rounds) = if measuring { (argument("--seconds"), 5) } else { (Some("0.05".into()), 1) };
    let seconds = seconds.map_or(1.0, |seconds| seconds.parse().expect("--seconds takes a number"));
    let place = argument("--directory").map_or_else(support::directory, |place| tempfile::tempdir_in(place).unwrap());
    println!(
        "| bytes | threads | zeros | saves/s | p50 | p99 | log, a sync | given to the system | disk | disk, a sync |"
    );
    println!("|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|");
    for (bytes, threads) in [(134, 1), (600, 1), (4_000, 1), (134, 16), (600, 16), (4_000, 16)] {
        let mut found = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for zeros in [false, true] {
                let figures = measure(&place.path().join("sessions"), zeros, bytes, threads, seconds);
                found[usize::from(zeros)].push(figures);
            }
        }
        for (zeros, mut found) in ["no", "yes"].into_iter().zip(found) {
            let mut median = |n: usize| {
                found.sort_by(|one: &[f64; 7], other| one[n].total_cmp(&other[n]));
                found[found.len() / 2][n]
            };
            print!("| {bytes} | {threads} | {zeros} | {:.0} | {:.2} ms | {:.1} ms ", median(0), median(1), median(2));
            print!("| {:.0} B | {:.2} times ", median(3), median(4));
            println!("| {:.2} times | {:.1} KiB |", median(5), median(6));
        }
    }
}

/// Saves a second, milliseconds of the median and of the 99th percentile, bytes of the log a sync, bytes given to the system and
/// bytes of the disk for each of the log, KiB of the disk a sync.
fn measure(place: &Path, zeros: bool, bytes: usize, threads: u64, seconds: f64) -> [f64; 7] {
    let _ = fs::remove_dir_all(place);
    let store = FileStore::options().zeros_ahead(zeros).open(place).unwrap();
    let mut savers: Vec<Saver> = (0..threads).map(|n| Saver::new(&store, n, bytes)).collect();
    let time = Duration::from_secs_f64(seconds);
    let before = written(&store, place);
    let mut took: Vec<f64> = thread::scope(|scope| {
        let running: Vec<_> = savers.iter_mut().map(|saver| scope.spawn(move || saver.save_for(time))).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let after = written(&store, place);
    let [log, syncs, given, disk] = std::array::from_fn(|n| after[n] - before[n]);
    took.sort_unstable_by(f64::total_cmp);
    let at = |percent: usize| took[took.len() * percent / 100] * 1e3;
    [took.len() as f64 / seconds, at(50), at(99), log / syncs, given / log, disk / log, disk / syncs / 1024.0]
}

/// Bytes of the log, syncs, bytes given to the system, and bytes that the disk has written. Zeros that no save has used yet are
/// not counted as given: a short run would have more of them than a long one.
fn written(store: &FileStore, place: &Path) -> [f64; 4] {
    rustix::fs::sync();
    let stats = store.stats(NOW).unwrap();
    let log = stats.disk_bytes as f64;
    let files = fs::read_dir(place).unwrap().map(|entry| entry.unwrap());
    let segments = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "log"));
    let length: u64 = segments.map(|file| file.metadata().unwrap().len()).sum();
    [log, stats.syncs as f64, given() - (length as f64 - log), disk(place)]
}

/// Bytes that this process has given to the system to write.
fn given() -> f64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap().parse().unwrap()
}

/// Bytes that were written to the device under a directory, by whomever.
fn disk(place: &Path) -> f64 {
    let device = fs::metadata(place).unwrap().dev();
    let device = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let stat = fs::read_to_string(PathBuf::from("/sys/dev/block").join(device).join("stat")).unwrap_or_default();
    stat.split_whitespace().nth(6).map_or(f64::NAN, |sectors| sectors.parse::<f64>().unwrap() * 512.0)
}

fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

/// Saves one session again and again.
struct Saver {
    store: FileStore,
    record: Record,
    revision: Revision,
}

impl Saver {
    fn new(store: &FileStore, n: u64, bytes: usize) -> Self {
        let mut record = support::record(n);
        let spare = record.to_bytes().len() - record.data().get("cart").unwrap().len();
        let text = "x".repeat(bytes.saturating_sub(spare + 3));
        record.set_data(Data::from_entries(&[("cart".into(), value::encode(&text).unwrap())].into()));
        let revision = block_on(store.create(&record, &[], NOW)).unwrap();
        let revision =
            block_on(store.load(record.key(), NOW)).unwrap().map_or_else(|| panic!("{revision:?}"), |s| s.revision());
        Self { store: store.clone(), record, revision }
    }

    /// The seconds that each save took.
    fn save_for(&mut self, time: Duration) -> Vec<f64> {
        let (begun, mut took) = (Instant::now(), Vec::new());
        let mut last = begun;
        while last - begun < time {
            match block_on(self.store.update(&self.record, self.revision, NOW)).unwrap() {
                Update::Stored(now) => self.revision = now,
                other => panic!("a saver's own session: {other:?}"),
            }
            let now = Instant::now();
            took.push((now - last).as_secs_f64());
            last = now;
        }
        took
    }
}
