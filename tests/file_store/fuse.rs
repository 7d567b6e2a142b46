//! A file system whose calls this test answers (FUSE): `open` refuses it, as it does network file systems.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::ErrorKind::PermissionDenied;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use cloakroom::{ErrorKind, FileStore};

use super::support::{not_tried, place};

/// Answers what is asked of an empty directory of mode 0700, until nobody has it mounted, or it could not be. Numbers and layouts
/// are those of `linux/fuse.h`.
fn answer(mut device: &File, is_refused: &AtomicBool) {
    let mut asked = vec![0; 1 << 20];
    loop {
        match device.read(&mut asked) {
            Ok(40..) => {}
            // It is not mounted yet.
            Err(error) if error.kind() == PermissionDenied && !is_refused.load(SeqCst) => {
                std::thread::yield_now();
                continue;
            }
            _ => return,
        }
        let opcode = u32::from_ne_bytes(*asked[4..].first_chunk().unwrap());
        let mut body = Vec::new();
        let mut words = |words: &[u32]| words.iter().for_each(|word| body.extend_from_slice(&word.to_ne_bytes()));
        let mut error = 0;
        match opcode {
            // FORGET, INTERRUPT and BATCH_FORGET have no answer.
            2 | 36 | 42 => continue,
            // LOOKUP: there is nothing.
            1 => error = -2,
            // GETATTR: how long it is valid, six numbers of 64 bits, three of nanoseconds; then mode, links, user, group.
            3 => words(&[&[0; 4], &[1, 0][..], &[0; 13], &[0o40700, 2, 0, 0, 0, 4096, 0]].concat()),
            // STATFS
            17 => words(&[&[0; 10], &[4096, 255, 4096, 0][..], &[0; 6]].concat()),
            // INIT: the version, and how much may be written at a time.
            26 => words(&[&[7, 31, 0, 0, 0, 4096][..], &[0; 10]].concat()),
            // OPENDIR
            27 => words(&[0; 4]),
            // RELEASEDIR and DESTROY
            29 | 38 => {}
            // ENOSYS
            _ => error = -38,
        }
        let head = [&(16 + body.len() as u32).to_ne_bytes()[..], &i32::to_ne_bytes(error), &asked[8..16]].concat();
        // Who asked may have gone.
        let _ = device.write(&[head, body].concat());
    }
}

fn mount(device: &File, place: &Path) -> bool {
    Command::new("mount")
        .args(["-i", "-t", "fuse", "-o", "fd=0,rootmode=40700,user_id=0,group_id=0", "cloakroom"])
        .arg(place)
        .stdin(Stdio::from(device.try_clone().unwrap()))
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[test]
fn a_store_on_fuse_is_refused_and_nothing_is_made_there() {
    let (_keep, place) = place();
    fs::create_dir(&place).unwrap();
    fs::set_permissions(&place, Permissions::from_mode(0o700)).unwrap();
    if !fs::exists("/dev/fuse").unwrap() {
        // No right would make one.
        eprintln!("NOT TRIED: this kernel has no FUSE");
        return;
    }
    let Ok(device) = OpenOptions::new().read(true).write(true).open("/dev/fuse") else {
        return not_tried("only root can mount a file system of its own");
    };
    let is_refused = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| answer(&device, &is_refused));
        if !mount(&device, &place) {
            is_refused.store(true, SeqCst);
            return not_tried("only root can mount a file system of its own");
        }
        let refused = FileStore::open(&place);
        // It goes with the last who uses it, and then the thread ends.
        let unmounted = Command::new("umount").arg("-l").arg(&place).status().unwrap();
        let error = refused.unwrap_err();
        assert_eq!((error.kind(), error.path()), (&ErrorKind::Refused, Some(&*place)), "{error}");
        assert!(error.to_string().contains("FUSE") && unmounted.success(), "{error}");
    });
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
}
