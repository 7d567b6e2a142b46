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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_by_their_numbers() {
        assert_eq!(network_by_magic(0x6969), Some("NFS"));
        assert_eq!(network_by_magic(0xff53_4d42), Some("SMB"));
        assert_eq!(network_by_magic(0xef53), None, "ext4");
    }
}
