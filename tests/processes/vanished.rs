//! Files that are removed or replaced under processes that work.

use std::fs;
use std::path::Path;

use cloakroom::FileStore;

use super::process::Process;
use super::support::{place, segments, value};

const FILES: [&str; 3] = ["users.lock", "writer.lock", "tail.page"];

fn save(process: &mut Process, n: u32) -> String {
    process.tell(&n.to_string());
    process.hear().expect("no signal has killed it")
}

/// Under so many processes; says which sessions were acknowledged. `harm` is done after some were.
fn acknowledged(place: &Path, processes: u32, harm: &dyn Fn()) -> Vec<u32> {
    let mut all: Vec<Process> = (0..processes).map(|_| Process::start("obey", place, 60_000)).collect();
    all.iter_mut().for_each(|process| process.expect("open"));
    let saved: Vec<u32> = (0..20).collect();
    for n in &saved {
        assert_eq!(save(&mut all[*n as usize % processes as usize], *n), "done");
    }
    harm();
    // One that comes now gets neither a recovery nor a place beside them, unless it finds another directory.
    let mut late = Process::start("obey", place, 50);
    let heard = late.hear().expect("no signal has killed it");
    assert!(["Timeout", "FilesLost", "Damaged", "open"].contains(&&*heard), "{heard}");
    for n in 100..110 {
        for process in &mut all {
            assert_eq!(save(process, n), "FilesLost");
        }
    }
    for mut process in all {
        process.tell("close");
        process.expect("FilesLost");
        process.end();
    }
    saved
}

#[test]
fn what_processes_acknowledged_is_there_when_the_locks_or_the_page_went() {
    for processes in [1, 2] {
        for name in FILES {
            for is_replaced in [false, true] {
                let (_keep, place) = place();
                let path = place.join(name);
                let saved = acknowledged(&place, processes, &|| {
                    let copy = path.with_extension("copy");
                    fs::copy(&path, &copy).unwrap();
                    fs::remove_file(&path).unwrap();
                    if is_replaced {
                        fs::rename(&copy, &path).unwrap();
                    }
                });
                let store = FileStore::open(&place).unwrap();
                for n in saved {
                    assert_eq!(value(&store, n), Some(n.to_string().into_bytes()), "{name}, session {n}");
                }
                assert_eq!(store.damage(), []);
            }
        }
    }
}

#[test]
fn a_segment_or_the_directory_that_went_ends_all_saving_in_all_processes() {
    for processes in [1, 2] {
        let harms: [&dyn Fn(&Path); 5] = [
            &|place| fs::remove_file(segments(place).pop().unwrap()).unwrap(),
            &|place| fs::write(segments(place).pop().unwrap(), "").unwrap(),
            &|place| fs::remove_dir_all(place).unwrap(),
            &|place| fs::rename(place, place.with_extension("away")).unwrap(),
            &|place| {
                fs::rename(place, place.with_extension("away")).unwrap();
                fs::create_dir(place).unwrap();
                fs::set_permissions(place, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
            },
        ];
        for harm in harms {
            let (_keep, place) = place();
            acknowledged(&place, processes, &|| harm(&place));
        }
    }
}
