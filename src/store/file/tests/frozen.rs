//! What this version makes of the stores in `tests/fixtures`, which an earlier one wrote: hints have a format, too.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::*;
use crate::store::file::disk::real::RealDisk;
use crate::store::file::engine::hint_maker::HintMaker;
use crate::store::file::settings::Sizes;

fn frozen() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The files of a directory that have this ending, by their names.
fn files(place: &Path, ending: &str) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    let wanted = files.filter(|path| path.extension().is_some_and(|it| it == ending));
    wanted.map(|path| (path.file_name().unwrap().to_str().unwrap().into(), fs::read(path).unwrap())).collect()
}

/// The hints that this version makes of a frozen store's segments, however long they are.
fn made(name: &str) -> BTreeMap<String, Vec<u8>> {
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), Permissions::from_mode(0o700)).unwrap();
    for (file, bytes) in files(&frozen().join(name), "log") {
        fs::write(place.path().join(&file), bytes).unwrap();
        fs::set_permissions(place.path().join(&file), Permissions::from_mode(0o600)).unwrap();
    }
    let sizes = Sizes { hint_part: 1, ..Sizes::REAL };
    let disk = Arc::new(RealDisk::open(place.path(), &options()).unwrap());
    let engine = recovery::open(disk, place.path(), Settings { sizes, ..options() }).unwrap();
    let mut hint_maker = HintMaker::default();
    while hint_maker.step(&engine) {}
    files(place.path(), "hint")
}

#[test]
fn a_hint_of_version_1_has_these_bytes_for_ever() {
    for name in ["v1-clean", "v1-compacted"] {
        let (made, wanted) = (made(name), frozen().join("v1-hints").join(name));
        if std::env::var_os("CLOAKROOM_MAKE_HINTS").is_some() {
            fs::create_dir_all(&wanted).unwrap();
            made.iter().for_each(|(hint, bytes)| fs::write(wanted.join(hint), bytes).unwrap());
        }
        assert!(!made.is_empty(), "{name}");
        assert_eq!(made, files(&wanted, "hint"), "{name}");
    }
}
