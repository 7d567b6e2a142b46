//! What a file system promises, by the number that statfs(2) gives for it. Nothing here is tried out.

/// Which network file system this is, if it is one.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn network(system: &rustix::fs::StatFs) -> Option<&'static str> {
    network_by_magic(system.f_type as u32)
}

/// These systems mark their local file systems.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn network(system: &rustix::fs::StatFs) -> Option<&'static str> {
    const LOCAL: u32 = 0x1000; // MNT_LOCAL of sys/mount.h
    (system.f_flags as u32 & LOCAL == 0).then_some("a network file system")
}

/// By the magic numbers. FUSE may be local, but promises nothing about locks.
#[cfg(any(target_os = "linux", target_os = "android", test))]
fn network_by_magic(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0x517b | 0xfe53_4d42 | 0xff53_4d42 => "SMB",
        0x0102_1997 => "9P",
        0x00c3_6400 => "Ceph",
        0x5346_414f => "AFS",
        0x7375_7245 => "Coda",
        0x0bd0_0bd0 => "Lustre",
        0x6573_5546 => "FUSE",
        _ => return None,
    })
}

/// Whether a page that was written ahead can be mapped: a store to it never needs space there, not even on a full disk. On
/// btrfs, and on an overlay on it, a full disk kills the process with a signal.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn maps_well(system: &rustix::fs::StatFs) -> bool {
    // The project's tests force the other way, to run over it on any file system.
    let forced = cfg!(any(debug_assertions, feature = "simulation")) && std::env::var_os(BY_CALLS).is_some();
    !forced && maps_well_by_magic(system.f_type as u32)
}

/// It was tried on no other system.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn maps_well(_: &rustix::fs::StatFs) -> bool {
    false
}

/// Set in the environment of tests and campaigns, this has the page read and written by calls.
#[cfg(any(target_os = "linux", target_os = "android"))]
const BY_CALLS: &str = "CLOAKROOM_PAGE_BY_CALLS";

/// By the magic numbers.
#[cfg(any(target_os = "linux", target_os = "android", test))]
fn maps_well_by_magic(magic: u32) -> bool {
    const EXT4: u32 = 0xef53;
    const XFS: u32 = 0x5846_5342;
    const TMPFS: u32 = 0x0102_1994;
    [EXT4, XFS, TMPFS].contains(&magic)
}

/// How many bytes a file has for its content at least, if the file system says that it takes so many, in blocks of this size.
/// ext4 and xfs count the blocks that say where the file's blocks are. One of these names forty others or more; and a file that
/// was cut may have a few that name none.
pub(crate) fn for_content(taken: u64, block: u64) -> u64 {
    taken.saturating_sub(taken / 32 + 3 * block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_by_their_numbers() {
        assert_eq!(network_by_magic(0x6969), Some("NFS"));
        assert_eq!(network_by_magic(0xff53_4d42), Some("SMB"));
        let [p9, ceph, afs, coda, lustre, cifs, fuse] =
            [0x0102_1997, 0x00c3_6400, 0x5346_414f, 0x7375_7245, 0x0bd0_0bd0, 0xfe53_4d42, 0x6573_5546];
        assert!([p9, ceph, afs, coda, lustre, cifs].into_iter().all(|magic| network_by_magic(magic).is_some()));
        assert_eq!(network_by_magic(fuse), Some("FUSE"));
        for local in [0xef53, 0x5846_5342, 0x0102_1994, 0x9123_683e, 0x794c_7630] {
            assert_eq!(network_by_magic(local), None, "ext4, xfs, tmpfs, btrfs and an overlay");
        }
    }

    #[test]
    fn the_page_is_mapped_where_that_was_shown_to_hold_and_nowhere_else() {
        let [btrfs, overlay, zfs, fuse] = [0x9123_683e, 0x794c_7630, 0x2fc1_2fc1, 0x6573_5546];
        assert_eq!([0xef53, 0x5846_5342, 0x0102_1994].map(maps_well_by_magic), [true; 3]);
        assert_eq!([btrfs, overlay, zfs, fuse, 0].map(maps_well_by_magic), [false; 5]);
    }
}
