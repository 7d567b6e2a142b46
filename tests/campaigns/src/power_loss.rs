//! `power-loss`: a real ext4 that stops writing in the middle of everything, without a flush, as it does when the power goes.
//!
//! Three workers of two threads each write to a directory on an image; then the file system is shut down (the ioctl
//! `EXT4_IOC_SHUTDOWN`, with neither its journal nor its data flushed), the workers are killed, and it is mounted anew. Every
//! other time it is mounted with `noauto_da_alloc`, which takes away the kernel's help for programs that forget an fsync.
//! The directory is made by the workers, so that its creation is cut short as well; and so is recovery, now and then.
//!
//! What was acknowledged counts if it was heard before the shutdown: nobody hears anything after a real power loss, and a
//! sync that is under way while the journal is given up may be called a success.
//!
//! Promises: 1 (what was acknowledged as durable is there; with `Durability::Never` and `Every`, what ends a session, and all
//! before it; what is lost is an end of the log, never something in the middle; batches all or nothing), 2 (nothing comes
//! back).

use std::time::Duration;

use fastrand::Rng;

use crate::real::claims::Owed;
use crate::real::crew::Crew;
use crate::real::mounts::{Image, Mounted, Stage, need_tool};
use crate::real::said::Promise;
use crate::run::{Campaign, CannotRun, Failure, Run};

const WORKERS: usize = 3;
/// A file system is used for so many cycles.
const CYCLES: u32 = 12;
const KILOBYTES: u64 = 48 << 10;

pub const CAMPAIGN: Campaign =
    Campaign { name: "power-loss", what: "an ext4 that stops writing in the middle of everything", size: 40, run };

fn run(run: &mut Run) -> Result<(), CannotRun> {
    need_tool("mkfs.ext4", "e2fsprogs")?;
    need_tool("mount", "mount")?;
    need_tool("umount", "mount")?;
    let stage = Stage::enter(256)?;
    // Before the first case: whether there are loop devices, and the ioctl.
    let tried = Image::make(stage.path(), "trial", KILOBYTES, &[]).and_then(|image| {
        let mounted = image.mount("rw")?;
        mounted.lose_power()?;
        mounted.unmount()
    });
    tried.map_err(CannotRun)?;
    let mut scene: Option<Scene> = None;
    run.each(|seed| {
        let mut rng = Rng::with_seed(seed);
        let mut current = match scene.take() {
            Some(scene) if scene.cycles < CYCLES => scene,
            old => {
                drop(old);
                Scene::new(&stage, &mut rng)?
            }
        };
        current.cycle(&mut rng)?;
        scene = Some(current);
        Ok(())
    });
    Ok(())
}

struct Scene {
    // The workers are gone before the file system is.
    crew: Crew,
    mounted: Option<Mounted>,
    image: Image,
    cycles: u32,
}

impl Scene {
    fn new(stage: &Stage, rng: &mut Rng) -> Result<Self, Failure> {
        let image = Image::make(stage.path(), "image", KILOBYTES, &[])?;
        let segment_bytes = *rng.choice(&[4 << 10, 16 << 10, 256 << 10]).expect("there is a choice");
        let mounted = image.mount(mount_options(rng))?;
        let mut crew = Crew::new(&mounted.at().join("sessions"), WORKERS, segment_bytes);
        crew.leaves_traces = true;
        Ok(Self { crew, mounted: Some(mounted), image, cycles: 0 })
    }

    fn cycle(&mut self, rng: &mut Rng) -> Result<(), Failure> {
        self.cycles += 1;
        let opening = rng.u8(..5) == 0;
        for worker in self.crew.numbers() {
            start(&mut self.crew, worker, rng)?;
        }
        if opening {
            // Cut while the directory is made or recovered.
            self.crew.watch(Duration::from_micros(rng.u64(..12_000)), |_, _| false)?;
        } else {
            self.crew.set_to_work(&[0, 1, 2])?;
            self.crew.watch(Duration::from_micros(rng.u64(..60_000)), |_, _| false)?;
            if rng.u8(..5) == 0 {
                self.kill_one(rng)?;
            }
        }
        self.lose_power(rng)?;
        if rng.u8(..5) == 0 {
            // The power goes again, while what it left is put in order.
            start(&mut self.crew, 0, rng)?;
            self.crew.watch(Duration::from_micros(rng.u64(..12_000)), |_, _| false)?;
            self.lose_power(rng)?;
        }
        self.crew.check(Owed::Durable)
    }

    /// A process is killed and comes back, and goes on with what the dead one left.
    fn kill_one(&mut self, rng: &mut Rng) -> Result<(), Failure> {
        let worker = rng.usize(..WORKERS);
        self.crew.kill(worker)?;
        // It ends something, which waits for the disk: what was found is durable.
        self.crew.check(Owed::Acknowledged)?;
        start(&mut self.crew, worker, rng)?;
        self.crew.set_to_work(&[worker])?;
        self.crew.watch(Duration::from_micros(rng.u64(..20_000)), |_, _| false)
    }

    fn lose_power(&mut self, rng: &mut Rng) -> Result<(), Failure> {
        let mounted = self.mounted.take().ok_or("an earlier mount failed")?;
        self.crew.lose_power(|| mounted.lose_power())?;
        mounted.unmount()?;
        self.mounted = Some(self.image.mount(mount_options(rng))?);
        Ok(())
    }
}

fn mount_options(rng: &mut Rng) -> &'static str {
    if rng.bool() { "rw" } else { "rw,noauto_da_alloc" }
}

fn start(crew: &mut Crew, worker: usize, rng: &mut Rng) -> Result<(), Failure> {
    let promises = [Promise::Always, Promise::Always, Promise::Never, Promise::Every(Duration::from_millis(10))];
    // One at least waits for every save.
    let promise = if worker == 0 { promises[0] } else { *rng.choice(&promises).expect("there is a choice") };
    crew.start(worker, promise, rng)
}
