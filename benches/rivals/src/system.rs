//! What only the system knows: memory, room on the disk, the page cache, a clock that processes share.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::Advice;
use rustix::process::{Pid, Signal};
use rustix::time::ClockId;

/// How many bytes of memory are a process's own. Pages of files do not count, since the kernel can take them back.
pub(crate) fn own_memory(process: u32) -> u64 {
    kilobytes(&fs::read_to_string(format!("/proc/{process}/status")).unwrap(), "RssAnon:").unwrap()
}

/// How many bytes of memory a process can still get.
pub(crate) fn available_memory() -> u64 {
    kilobytes(&fs::read_to_string("/proc/meminfo").unwrap(), "MemAvailable:").unwrap()
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}

/// How many bytes still fit into a directory.
pub(crate) fn free_disk(directory: &Path) -> u64 {
    let disk = rustix::fs::statvfs(directory).unwrap();
    disk.f_bavail * disk.f_frsize
}

/// What a directory takes on the disk, with all that is in it. Files count by whole blocks. All data is written out
/// first, since the kernel may allocate blocks only then.
pub(crate) fn disk_bytes(directory: &Path) -> u64 {
    write_out(directory);
    blocks(directory)
}

fn blocks(path: &Path) -> u64 {
    let metadata = fs::symlink_metadata(path).unwrap();
    let own = metadata.blocks() * 512;
    if !metadata.is_dir() {
        return own;
    }
    own + fs::read_dir(path).unwrap().map(|entry| blocks(&entry.unwrap().path())).sum::<u64>()
}

/// Takes the files of a directory out of the page cache. No process may have them open, since mapped pages would stay.
pub(crate) fn make_cold(directory: &Path) {
    write_out(directory);
    drop_pages(directory);
}

fn drop_pages(path: &Path) {
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| drop_pages(&entry.unwrap().path()));
    } else if path.is_file() {
        rustix::fs::fadvise(File::open(path).unwrap(), 0, None, Advice::DontNeed).unwrap();
    }
}

fn write_out(directory: &Path) {
    rustix::fs::syncfs(File::open(directory).unwrap()).unwrap();
}

/// Kills a process that a child of this program started. The process is gone when this returns.
pub(crate) fn kill(process: u32) {
    let pid = Pid::from_raw(process as i32).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    while is_running(process) {
        thread::sleep(Duration::from_millis(1));
    }
}

fn is_running(process: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { return false };
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    !matches!(state, Some('Z' | 'X'))
}

/// Nanoseconds by a clock that all processes share.
pub(crate) fn monotonic_nanos() -> u64 {
    let time = rustix::time::clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
