//! The stores by themselves: what each operation of a FileStore takes, beside a plain map in memory.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has nothing to report")]

mod support;

use std::hint::black_box;
use std::ops::Range;
use std::time::{Duration, Instant};

use cloakroom::{Durability, FileStore, Store};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

use support::{Map, NOW, Numbers, Saver, block_on};

fn load(criterion: &mut Criterion) {
    let directory = support::directory();
    let sessions = support::sessions();
    let store = support::filled(&directory.path().join("sessions"), sessions, Durability::Never);
    let map = Map::filled(sessions);
    let mut numbers = Numbers(1);

    let mut hit = criterion.benchmark_group("load, hit");
    hit.bench_function("FileStore", |bencher| {
        bencher.iter(|| block_on(store.load(&support::hash_like_key(numbers.below(sessions)), NOW)).unwrap().unwrap());
    });
    hit.bench_function("map", |bencher| {
        bencher.iter(|| map.load(&support::hash_like_key(numbers.below(sessions)), NOW).unwrap());
    });
    hit.finish();

    let mut unknown = criterion.benchmark_group("load, unknown id");
    unknown.bench_function("FileStore", |bencher| {
        bencher.iter(|| block_on(store.load(&support::unknown_key(numbers.next()), NOW)).unwrap());
    });
    unknown.bench_function("map", |bencher| {
        bencher.iter(|| map.load(&support::unknown_key(numbers.next()), NOW));
    });
    unknown.finish();
}

fn touch(criterion: &mut Criterion) {
    let directory = support::directory();
    let sessions = support::sessions();
    let store = support::filled(&directory.path().join("sessions"), sessions, Durability::Never);
    let mut numbers = Numbers(1);
    let mut now = NOW;
    criterion.bench_function("touch/FileStore", |bencher| {
        bencher.iter(|| {
            // Later each time, or there would be nothing to write.
            now = now.plus(Duration::from_millis(1));
            assert!(block_on(store.touch(&support::hash_like_key(numbers.below(sessions)), now)).unwrap());
        });
    });
}

fn save(criterion: &mut Criterion) {
    let sessions = support::sessions();
    let durabilities = [
        ("Always", Durability::Always),
        ("Every(1 s)", Durability::Every(Duration::from_secs(1))),
        ("Never", Durability::Never),
    ];
    for (name, durability) in durabilities {
        let directory = support::directory();
        let store = support::filled(&directory.path().join("sessions"), sessions, durability);
        let mut group = criterion.benchmark_group(format!("save, {name}"));
        for threads in [1, 8, 32] {
            let mut savers: Vec<_> = (0..threads).map(|n| Saver::new(&store, sessions, n, threads)).collect();
            group.bench_function(BenchmarkId::new("FileStore, threads", threads), |bencher| {
                bencher.iter_custom(|saves| {
                    let each = saves.div_ceil(threads);
                    let took = support::together(&mut savers, each, Saver::save);
                    took.mul_f64(saves as f64 / (each * threads) as f64)
                });
            });
        }
        group.finish();
    }
}

fn sweep(criterion: &mut Criterion) {
    const EXPIRED: u64 = 1_000;
    let directory = support::directory();
    let sessions = support::sessions();
    let store = support::filled(&directory.path().join("sessions"), sessions, Durability::Never);
    criterion.bench_function("sweep, 1,000 expired/FileStore", |bencher| {
        bencher.iter_custom(|times| sum(times, || expire_and_sweep(&store, sessions..sessions + EXPIRED)));
    });
}

fn expire_and_sweep(store: &FileStore, sessions: Range<u64>) -> Duration {
    for n in sessions.clone() {
        block_on(store.create(&support::ending(n), &[], NOW)).unwrap();
    }
    let begun = Instant::now();
    let swept = block_on(store.sweep(support::ENDED, usize::MAX)).unwrap();
    let took = begun.elapsed();
    assert_eq!(swept.removed, sessions.end - sessions.start);
    took
}

fn open(criterion: &mut Criterion) {
    let directory = support::directory();
    let path = directory.path().join("sessions");
    drop(support::filled(&path, support::sessions(), Durability::Never));
    criterion.bench_function(&format!("open, {} sessions/FileStore", support::sessions()), |bencher| {
        bencher.iter_custom(|times| {
            sum(times, || {
                let begun = Instant::now();
                let store = black_box(FileStore::open(&path).unwrap());
                let took = begun.elapsed();
                store.close().unwrap();
                took
            })
        });
    });
}

fn sum(times: u64, mut measured: impl FnMut() -> Duration) -> Duration {
    (0..times).map(|_| measured()).sum()
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1)).sample_size(30);
    targets = load, touch, save, sweep, open
}
criterion_main!(benches);
