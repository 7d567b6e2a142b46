//! The two calls that have no safe form.

use std::fs::File;
use std::io;

use rustix::ioctl::{Setter, ioctl, opcode};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// `EXT4_IOC_SHUTDOWN` of ext4(5): `_IOR('X', 125, __u32)`.
const SHUTDOWN: rustix::ioctl::Opcode = opcode::read::<u32>(b'X', 125);
/// Neither the journal nor the data are written first.
const NO_LOG_FLUSH: u32 = 2;

/// What a power loss does to an ext4: from now on nothing reaches its disk.
pub fn shut_down(file_system: &File) -> io::Result<()> {
    // SAFETY: the call reads one number, which is what it is given; to another file system it is an unknown call.
    unsafe { Ok(ioctl(file_system, Setter::<SHUTDOWN, u32>::new(NO_LOG_FLUSH))?) }
}

/// Gives this thread, and whatever it starts, mounts of its own.
pub fn leave_mounts() -> io::Result<()> {
    // SAFETY: only a table of file descriptors that is no longer shared could harm, and that is not asked for.
    unsafe { Ok(unshare_unsafe(UnshareFlags::NEWNS)?) }
}
