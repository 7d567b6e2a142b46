//! Disks that are full, have no inodes left, lose what they were to keep, or may only be read.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use fastrand::Rng;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};

use super::injected::strace_all;
use super::scene::{a_while, creation, directory, done, failed, get_done, working};
use crate::real::claims::Owed;
use crate::real::crew::Crew;
use crate::real::mounts::{Image, Stage};
use crate::real::op::Op;
use crate::real::said::{Promise, Said};
use crate::run::Failure;

/// A full disk is one of its kind; a store that could not even begin a write may say that it can only be read.
const FULL: &[&str] = &["Full", "NotWritable"];

/// Fills a disk to the last byte.
fn fill(at: &Path) -> Result<(), Failure> {
    let failed = |error| format!("the disk could not be filled: {error}");
    let mut ballast = File::create(at.join("ballast")).map_err(failed)?;
    for piece in [1 << 20, 4096, 1024] {
        while ballast.write_all(&vec![0x5a; piece]).and_then(|()| ballast.sync_data()).is_ok() {}
    }
    Ok(())
}

fn free(at: &Path) -> Result<(), Failure> {
    let freed = fs::remove_file(at.join("ballast")).and_then(|()| File::open(at)?.sync_all());
    freed.map_err(|error| format!("the disk could not be freed: {error}"))
}

/// Workers that do as they are told, with some sessions each.
fn waiting(place: &Path, rng: &mut Rng) -> Result<Crew, Failure> {
    let mut crew = Crew::new(place, 2, 64 << 10);
    for worker in crew.numbers() {
        crew.start(worker, Promise::Always, rng)?;
        for _ in 0..6 {
            let creation = creation(&crew, rng);
            done(crew.perform(worker, creation)?)?;
        }
    }
    Ok(crew)
}

/// The cause is gone: one more process opens the store and saves to it, and nothing is missing.
fn go_on(mut crew: Crew, rng: &mut Rng) -> Result<(), Failure> {
    crew.start(0, Promise::Always, rng)?;
    let creation = creation(&crew, rng);
    done(crew.perform(0, creation)?)?;
    crew.kill_all()?;
    crew.check(Owed::Acknowledged)
}

/// Creates sessions until one is refused, which must come.
fn until_refused(crew: &mut Crew, rng: &mut Rng) -> Result<(), Failure> {
    for _ in 0..5000 {
        let creation = creation(crew, rng);
        let said = crew.perform(0, creation)?;
        if done(said.clone()).is_err() {
            return failed(&said, FULL);
        }
    }
    Err("a full disk takes one session after another".into())
}

pub fn full(stage: &Stage, rng: &mut Rng) -> Result<(), Failure> {
    let directory = directory(stage.path())?;
    let image = Image::make(directory.path(), "image", 4 << 10, &[])?;
    let mounted = image.mount("rw")?;
    let mut crew = waiting(&mounted.at().join("sessions"), rng)?;
    fill(mounted.at())?;
    until_refused(&mut crew, rng)?;
    // A user logs out, in each process; what is there can be loaded.
    for worker in crew.numbers() {
        crew.look(worker)?;
        done(crew.perform(worker, Op::DestroyOwned { owner: rng.u8(..3), except: None })?)?;
        crew.look(worker)?;
    }
    free(mounted.at())?;
    for worker in crew.numbers() {
        let creation = creation(&crew, rng);
        done(crew.perform(worker, creation)?)?;
        crew.look(worker)?;
    }
    crew.kill_all()?;
    crew.check(Owed::Acknowledged)?;
    mounted.unmount()
}

/// The disk has no more space to hold for the store, for so many calls as if it were full; and now and then a write finds none
/// either, although space was held for it. Ends of sessions are done all the same, and when the calls succeed again, saves are.
pub fn full_at_calls(stage: &Stage, rng: &mut Rng) -> Result<(), Failure> {
    let directory = directory(stage.path())?;
    let mut crew = Crew::new(&directory.path().join("sessions"), 1, 64 << 10);
    let error = ["ENOSPC", "EDQUOT"][rng.usize(..2)];
    let from = rng.u32(3..12);
    let reserving = format!("{from}..{}", from + 400);
    let writing = format!("{}+{}", rng.u32(12..60), rng.u32(7..30));
    let mut failing = vec![("fallocate", error, &*reserving)];
    if rng.bool() {
        failing.push(("pwrite64", error, &writing));
    }
    let what = format!("{failing:?}");
    let explain = |failure: Failure| format!("{what}: {failure}");
    crew.start_under(&strace_all(&failing), 0, Promise::Always, rng).map_err(explain)?;
    until_refused(&mut crew, rng).map_err(explain)?;
    for owner in 0..3 {
        crew.look(0).map_err(explain)?;
        done(crew.perform(0, Op::DestroyOwned { owner, except: None })?).map_err(explain)?;
    }
    let mut taken = 0;
    for _ in 0..2000 {
        let creation = creation(&crew, rng);
        let said = crew.perform(0, creation)?;
        match done(said.clone()) {
            Ok(()) => taken += 1,
            Err(_) => failed(&said, FULL).map_err(explain)?,
        }
        if taken == 5 {
            crew.kill_all()?;
            return crew.check(Owed::Acknowledged).map_err(explain);
        }
    }
    Err(explain(format!("there is space, and {taken} saves are taken")))
}

pub fn full_when_opened(stage: &Stage, rng: &mut Rng) -> Result<(), Failure> {
    let directory = directory(stage.path())?;
    let image = Image::make(directory.path(), "image", 4 << 10, &[])?;
    let mounted = image.mount("rw")?;
    let mut crew = waiting(&mounted.at().join("sessions"), rng)?;
    fill(mounted.at())?;
    if rng.bool() {
        until_refused(&mut crew, rng)?;
    }
    crew.kill_all()?;
    // As in a copy, which has no page to share: it is made anew, and there is no room for it.
    let page = crew.place.join("tail.page");
    fs::remove_file(&page).map_err(|error| format!("the page could not be removed: {error}"))?;
    fill(mounted.at())?;
    crew.start(0, Promise::Always, rng)?;
    crew.look(0)?;
    crew.kill_all()?;
    let store = crew.options().open(&crew.place).map_err(|error| format!("it cannot be opened: {error}"))?;
    let all = crate::real::found::all(&store)?;
    crew.claims.compare(all, &[0, 1, 2, 3], Owed::Acknowledged)?;
    store.close().map_err(|error| format!("it cannot be closed: {error}"))?;
    drop(store);
    free(mounted.at())?;
    go_on(crew, rng)?;
    mounted.unmount()
}

pub fn without_inodes(stage: &Stage, rng: &mut Rng) -> Result<(), Failure> {
    let directory = directory(stage.path())?;
    let image = Image::make(directory.path(), "image", 16 << 10, &["-N", "48"])?;
    let mounted = image.mount("rw")?;
    let mut crew = working(&mounted.at().join("sessions"), 4 << 10, rng)?;
    get_done(&mut crew, &[0, 1], 10)?;
    // The store's own files come and go meanwhile: those that are free when it looks for some are taken as well.
    let mut fillers = Vec::new();
    for round in 0..20 {
        for n in 0..64 {
            let filler = mounted.at().join(format!("filler {round} {n}"));
            if File::create(&filler).is_ok() {
                fillers.push(filler);
            }
        }
        a_while(&mut crew, rng)?;
    }
    // What cannot be saved in a new segment is saved in the old one, or refused; logging out goes on.
    for worker in crew.numbers() {
        crew.kill(worker)?;
        crew.check(Owed::Acknowledged)?;
        crew.start(worker, Promise::Always, rng)?;
        done(crew.perform(worker, Op::DestroyOwned { owner: 0, except: None })?)?;
        crew.look(worker)?;
    }
    for filler in fillers {
        fs::remove_file(&filler).map_err(|error| format!("an inode could not be given back: {error}"))?;
    }
    crew.set_to_work(&[0, 1])?;
    get_done(&mut crew, &[0, 1], 20)?;
    crew.kill_all()?;
    crew.check(Owed::Acknowledged)?;
    mounted.unmount()
}

/// The image's own disk is full: what the image's file system has taken cannot be written back.
pub fn loses_what_it_was_to_sync(stage: &Stage, rng: &mut Rng) -> Result<(), Failure> {
    let directory = directory(stage.path())?;
    let small = directory.path().join("small");
    fs::create_dir(&small).map_err(|error| format!("no directory could be made: {error}"))?;
    mount("none", &small, "tmpfs", MountFlags::empty(), Some(c"size=12m"))
        .map_err(|error| format!("no tmpfs: {error}"))?;
    let outcome = on_too_small(&small, rng);
    // The image's mount has gone with its handle.
    let unmounted = unmount(&small, UnmountFlags::DETACH).map_err(|error| format!("the tmpfs stays: {error}"));
    outcome.and(unmounted)
}

fn on_too_small(small: &Path, rng: &mut Rng) -> Result<(), Failure> {
    let image = Image::make(small, "image", 48 << 10, &[])?;
    let mounted = image.mount("rw")?;
    let mut crew = working(&mounted.at().join("sessions"), 256 << 10, rng)?;
    get_done(&mut crew, &[0, 1], 5)?;
    // From here on the image's disk also lies: a loop device calls a write a success of which a part had no room.
    crew.too_late = true;
    fill(small)?;
    let mut ended = 0;
    crew.watch(crate::real::HANGS, |_, said| {
        ended += u32::from(matches!(said, Said::Unknown { error, .. } if error.kind == "Poisoned"));
        ended == 4
    })?;
    if ended < 4 {
        return Err(format!("the disk lost what it was to sync, and {ended} of 4 lanes have heard of it"));
    }
    crew.kill_all()?;
    free(small)?;
    let _ = mount_remount(small, MountFlags::empty(), c"size=64m");
    mounted.unmount()?;
    let mounted = image.mount("rw")?;
    crew.too_late = false;
    crew.check(Owed::Durable)?;
    crew.start(0, Promise::Always, rng)?;
    crew.set_to_work(&[0])?;
    get_done(&mut crew, &[0], 5)?;
    crew.kill_all()?;
    crew.check(Owed::Acknowledged)?;
    mounted.unmount()
}

/// As a file system does that was mounted with `errors=remount-ro`, when it finds an error of its own.
pub fn turns_read_only(stage: &Stage, rng: &mut Rng) -> Result<(), Failure> {
    let directory = directory(stage.path())?;
    let image = Image::make(directory.path(), "image", 24 << 10, &[])?;
    let mounted = image.mount("rw,errors=remount-ro")?;
    let mut crew = waiting(&mounted.at().join("sessions"), rng)?;
    mounted.turn_read_only()?;
    for worker in crew.numbers() {
        crew.look(worker)?;
        let creation = creation(&crew, rng);
        failed(&crew.perform(worker, creation)?, &["NotWritable", "Io", "Poisoned"])?;
        crew.look(worker)?;
    }
    crew.kill_all()?;
    mounted.unmount()?;
    let mounted = image.mount("rw")?;
    crew.check(Owed::Durable)?;
    go_on(crew, rng)?;
    mounted.unmount()
}

pub fn read_only(stage: &Stage, rng: &mut Rng) -> Result<(), Failure> {
    let directory = directory(stage.path())?;
    let image = Image::make(directory.path(), "image", 24 << 10, &[])?;
    let mounted = image.mount("rw")?;
    let mut crew = waiting(&mounted.at().join("sessions"), rng)?;
    if rng.bool() {
        crew.kill_all()?;
    } else {
        crew.dismiss(0)?;
        crew.dismiss(1)?;
    }
    mounted.remount("ro")?;
    for worker in crew.numbers() {
        crew.start(worker, Promise::Always, rng)?;
        crew.look(worker)?;
        let creation = creation(&crew, rng);
        failed(&crew.perform(worker, creation)?, &["NotWritable"])?;
        crew.look(worker)?;
    }
    crew.dismiss(0)?;
    crew.kill_all()?;
    mounted.remount("rw")?;
    go_on(crew, rng)?;
    mounted.unmount()
}
