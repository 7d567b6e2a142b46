//! File systems of a campaign's own: images in memory, mounted where nobody else sees them.
//!
//! The campaign's thread leaves the mounts of all others. So whatever ends it, also a signal that nobody can catch, takes
//! its mounts, its loop devices and its images with it; only an empty directory may be left, which the next run removes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};

use super::calls;
use crate::run::{CannotRun, Failure};

const PREFIX: &str = "cloakroom-campaign-";

/// A place in memory that nobody else sees.
pub struct Stage(tempfile::TempDir);

impl Stage {
    /// Makes one for this thread and whatever it starts; of this size at most.
    pub fn enter(megabytes: u32) -> Result<Self, CannotRun> {
        remove_leftovers();
        let cannot =
            |what: &str, error: std::io::Error| CannotRun(format!("{what}, for which this must be root: {error}"));
        calls::leave_mounts().map_err(|error| cannot("mounts of its own are needed", error))?;
        let mine = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", mine).map_err(|error| cannot("mounts of its own are needed", error.into()))?;
        let directory = tempfile::Builder::new().prefix(&format!("{PREFIX}{}-", std::process::id())).tempdir();
        let directory = directory.map_err(|error| CannotRun(format!("no directory could be made: {error}")))?;
        let size = std::ffi::CString::new(format!("size={megabytes}m,mode=700")).expect("it has no zero");
        let mounted = mount("none", directory.path(), "tmpfs", MountFlags::empty(), Some(&*size));
        mounted.map_err(|error| cannot("a file system in memory is needed", error.into()))?;
        Ok(Self(directory))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

/// Removes the empty directories of runs that were killed. One whose process lives is a mount there.
fn remove_leftovers() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let pid = rest.split('-').next().unwrap_or_default();
        if !Path::new("/proc").join(pid).exists() {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Whether a tool is there; the Debian package that has it, if not.
pub fn need_tool(tool: &str, package: &str) -> Result<(), CannotRun> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|directory| directory.join(tool).is_file()) {
        return Ok(());
    }
    Err(CannotRun(format!("{tool} is not installed; it is in the Debian package {package}")))
}

/// Runs a tool, which must succeed.
pub fn tool(name: &str, args: &[&str]) -> Result<(), Failure> {
    let output = Command::new(name).args(args).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{name} could not be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{name} {} failed: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}

/// A file that holds an ext4.
pub struct Image {
    file: PathBuf,
    at: PathBuf,
}

impl Image {
    /// Makes a file system of this size in a file that takes no space until it is written to.
    pub fn make(directory: &Path, name: &str, kilobytes: u64, options: &[&str]) -> Result<Self, Failure> {
        let failed = |error| format!("an image could not be made: {error}");
        let (file, at) = (directory.join(name), directory.join(format!("{name}-mounted")));
        File::create(&file).and_then(|file| file.set_len(kilobytes << 10)).map_err(failed)?;
        fs::create_dir_all(&at).map_err(failed)?;
        let path = file.display().to_string();
        tool("mkfs.ext4", &[&["-q", "-F"], options, &[&*path]].concat())?;
        Ok(Self { file, at })
    }

    pub fn mount(&self, options: &str) -> Result<Mounted, Failure> {
        let (file, at) = (self.file.display().to_string(), self.at.display().to_string());
        tool("mount", &["-t", "ext4", "-o", &format!("loop,{options}"), &file, &at])?;
        Ok(Mounted { at: self.at.clone(), mounted: true })
    }
}

/// A mounted image; it is unmounted when this is dropped.
pub struct Mounted {
    at: PathBuf,
    mounted: bool,
}

impl Mounted {
    pub fn at(&self) -> &Path {
        &self.at
    }

    /// The power is lost.
    pub fn lose_power(&self) -> Result<(), Failure> {
        let lost = File::open(&self.at).and_then(|root| calls::shut_down(&root));
        lost.map_err(|error| format!("the file system could not be shut down: {error}"))
    }

    pub fn remount(&self, options: &str) -> Result<(), Failure> {
        tool("mount", &["-o", &format!("remount,{options}"), &self.at.display().to_string()])
    }

    /// Has the file system find an error of its own.
    pub fn turn_read_only(&self) -> Result<(), Failure> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let at = self.at.display().to_string();
        let device =
            mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|words| words.get(1) == Some(&&*at));
        let name =
            device.and_then(|words| words[0].rsplit('/').next().map(str::to_owned)).ok_or("it is not mounted")?;
        let trigger = Path::new("/sys/fs/ext4").join(name).join("trigger_fs_error");
        fs::write(trigger, "campaign").map_err(|error| format!("no error could be triggered: {error}"))
    }

    /// No process of the campaign may use it any more. Another program of the machine may look at it for a moment, so it is
    /// tried again for a while.
    pub fn unmount(mut self) -> Result<(), Failure> {
        let attempt = || tool("umount", &[&self.at.display().to_string()]);
        let mut unmounted = attempt();
        for _ in 0..100 {
            if unmounted.is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(50));
            unmounted = attempt();
        }
        // One that stays busy is at least out of the way of the next case.
        self.mounted = unmounted.is_err();
        unmounted
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.mounted {
            let _ = unmount(&self.at, UnmountFlags::DETACH);
        }
    }
}
