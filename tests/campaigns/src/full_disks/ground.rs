//! File systems to be filled: how each is made, mounted and taken down.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use cloakroom::PageAccess;

use crate::real::mounts::{need_tool, tool};
use crate::run::Failure;

/// A kind of file system.
pub struct Ground {
    pub name: &'static str,
    kind: Kind,
    is_under_an_overlay: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ext4,
    Xfs,
    Btrfs,
    Tmpfs,
}

const fn ground(name: &'static str, kind: Kind, is_under_an_overlay: bool) -> Ground {
    Ground { name, kind, is_under_an_overlay }
}

pub const GROUNDS: &[Ground] = &[
    ground("ext4", Kind::Ext4, false),
    ground("xfs", Kind::Xfs, false),
    ground("btrfs with a snapshot", Kind::Btrfs, false),
    ground("tmpfs", Kind::Tmpfs, false),
    ground("an overlay on ext4", Kind::Ext4, true),
    ground("an overlay on btrfs", Kind::Btrfs, true),
];

impl Kind {
    /// The file system's name, the tool that makes it, and the Debian package of the tool.
    fn made_by(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Ext4 => ("ext4", "mkfs.ext4", "e2fsprogs"),
            Self::Xfs => ("xfs", "mkfs.xfs", "xfsprogs"),
            Self::Btrfs => ("btrfs", "mkfs.btrfs", "btrfs-progs"),
            Self::Tmpfs => ("tmpfs", "mount", "mount"),
        }
    }

    /// Megabytes. Smaller ones are refused, or are not what a server has.
    fn size(self) -> u64 {
        match self {
            Self::Ext4 => 48,
            Self::Tmpfs => 32,
            Self::Xfs => 320,
            Self::Btrfs => 256,
        }
    }
}

impl Ground {
    /// Whether what a program has preallocated can be written to, however full the file system is.
    pub fn keeps_space(&self) -> bool {
        self.kind != Kind::Btrfs
    }

    /// How the shared page is reached there: mapped only where that was shown to hold.
    pub fn page(&self) -> PageAccess {
        let maps_well = self.kind != Kind::Btrfs && !self.is_under_an_overlay;
        match maps_well && std::env::var_os("CLOAKROOM_PAGE_BY_CALLS").is_none() {
            true => PageAccess::Mapped,
            false => PageAccess::ByCalls,
        }
    }

    /// Why it cannot be tried here.
    pub fn try_out(&self, stage: &Path) -> Result<(), Failure> {
        let (_, tool, package) = self.kind.made_by();
        need_tool(tool, package).map_err(|why| why.0)?;
        if self.kind == Kind::Btrfs {
            need_tool("btrfs", package).map_err(|why| why.0)?;
        }
        self.make(stage).map(drop)
    }

    pub fn make(&self, stage: &Path) -> Result<Made, Failure> {
        let failed = |error| format!("the file system could not be made: {error}");
        let (kind, mkfs, _) = self.kind.made_by();
        let directory = tempfile::tempdir_in(stage).map_err(failed)?;
        fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).map_err(failed)?;
        let base = directory.path().join("base");
        fs::create_dir(&base).map_err(failed)?;
        let mut made = Made { kind: self.kind, mounts: Vec::new(), at: base.clone(), base: base.clone(), directory };
        let (image, mounted) = (made.directory.path().join("image"), base.display().to_string());
        let (path, size) = (image.display().to_string(), self.kind.size());
        if self.kind == Kind::Tmpfs {
            tool("mount", &["-t", kind, "-o", &format!("size={size}m,mode=711"), "none", &mounted])?;
        } else {
            File::create(&image).and_then(|file| file.set_len(size << 20)).map_err(failed)?;
            match self.kind {
                // No blocks that only root may take.
                Kind::Ext4 => tool(mkfs, &["-q", "-F", "-m", "0", &path])?,
                _ => tool(mkfs, &["-q", "-f", &path])?,
            }
            tool("mount", &["-t", kind, "-o", "loop", &path, &mounted])?;
        }
        made.mounts.push(base.clone());
        if self.is_under_an_overlay {
            let [lower, upper, work, at] = ["lower", "upper", "work", "merged"].map(|name| base.join(name));
            for directory in [&lower, &upper, &work, &at] {
                fs::create_dir(directory).map_err(failed)?;
            }
            let [lower, upper, work] = [&lower, &upper, &work].map(|path| path.display().to_string());
            let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
            tool("mount", &["-t", "overlay", "-o", &options, "overlay", &at.display().to_string()])?;
            made.mounts.push(at.clone());
            made.at = at;
        }
        Ok(made)
    }
}

/// A file system that is mounted; it goes when this is dropped.
pub struct Made {
    kind: Kind,
    /// In the order in which they were mounted.
    mounts: Vec<PathBuf>,
    base: PathBuf,
    at: PathBuf,
    directory: tempfile::TempDir,
}

impl Made {
    pub fn at(&self) -> &Path {
        &self.at
    }

    /// Takes a snapshot where the file system has any: from now on each block is written at another place.
    pub fn snapshot(&self) -> Result<(), Failure> {
        if self.kind != Kind::Btrfs {
            return Ok(());
        }
        let snapshot = self.base.join("snapshot").display().to_string();
        tool("btrfs", &["-q", "subvolume", "snapshot", &self.base.display().to_string(), &snapshot])
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for at in self.mounts.iter().rev() {
            let at = at.display().to_string();
            if tool("umount", &[&at]).is_err() {
                let _ = tool("umount", &["-l", &at]);
            }
        }
    }
}
