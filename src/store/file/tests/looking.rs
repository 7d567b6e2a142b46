//! When the store looks at its files (rule 22): before anything is durable for a caller, and not at each save.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

use super::watched::{Watch, Watched};
use super::*;

#[derive(Default)]
struct Looks(AtomicU64);

impl Watch for Looks {
    fn looks(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Looks {
    /// How many there were since the last call.
    fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

fn open(durability: Durability) -> (Arc<Looks>, Engine) {
    let looks = Arc::new(Looks::default());
    let disk = Watched::on(&MemoryDisk::default(), looks.clone());
    let settings = Settings { durability, ..options() };
    let engine = recovery::open(Arc::new(disk), Path::new("simulated"), settings).unwrap();
    assert!(looks.take() > 0, "an opener looks");
    (looks, engine)
}

fn create(n: u32) -> Op {
    Op::Create { record: record(n, b"saved"), traces: Vec::new(), now: NOW }
}

#[test]
fn no_save_that_does_not_wait_looks_at_the_files_and_each_sync_does() {
    let (looks, engine) = open(Durability::Never);
    for n in 0..100 {
        block_on(engine.submit(create(n))).unwrap();
        block_on(engine.submit(Op::Touch { key: key(n), now: NOW.plus(Duration::from_secs(400)) })).unwrap();
    }
    assert_eq!(looks.take(), 0);
    for n in 100..110 {
        block_on(engine.submit(create(n))).unwrap();
        let syncs = engine.log.segments.syncs.load(Ordering::Relaxed);
        engine.log.segments.sync().unwrap();
        assert_eq!(engine.log.segments.syncs.load(Ordering::Relaxed), syncs + 1);
        assert!(looks.take() > 0);
    }
    engine.tick();
    assert!(looks.take() > 0, "for saves that nobody syncs");
}

#[test]
fn a_save_that_waits_looks_once_for_all_that_wait_with_it() {
    let (looks, engine) = open(Durability::Always);
    engine.log.segments.sync().unwrap();
    looks.take();
    block_on(async {
        let alone = pin!(engine.submit(create(0)));
        let mut alone = alone;
        let mut context = Context::from_waker(Waker::noop());
        assert!(alone.as_mut().poll(&mut context).is_pending());
        assert_eq!(looks.take(), 0, "it is written and not durable");
        engine.sync_at_once();
        let of_one = looks.take();
        assert!(of_one > 0);
        alone.await.unwrap();
        let mut many: Vec<_> = (1..9).map(|n| Box::pin(engine.submit(create(n)))).collect();
        assert!(many.iter_mut().all(|save| save.as_mut().poll(&mut context).is_pending()));
        engine.sync_at_once();
        assert_eq!(looks.take(), of_one);
        for save in many {
            save.await.unwrap();
        }
        assert_eq!(looks.take(), 0);
    });
}
