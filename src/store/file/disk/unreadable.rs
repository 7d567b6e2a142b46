//! Reading past blocks that the disk cannot read any more (rule 23). What lies in such a block reads as bytes that no writer
//! wrote, and so as damage. What is to be written again is never read this way: the false bytes would last.

use std::io;

use rustix::io::Errno;

use crate::store::file::disk::DiskFile;

/// The smallest part of a file that is read by itself. Disks report failures of no smaller ones.
const BLOCK: u64 = 4096;

/// What stands for a byte that cannot be read. No frame, header or hint holds a run of it where a zero could be.
const UNREADABLE: u8 = 0xff;

/// How often a block is read that fails. A whim of the disk is over by then, and an index that has taken a block for damage
/// does not read it again.
const ATTEMPTS: u32 = 5;

/// How many other places of a file are tried before the whole file counts as unreadable.
const TRIED: u64 = 16;

/// Reads up to `into.len()` bytes, fewer only at the file's end, and passes over blocks that cannot be read.
///
/// # Errors
///
/// The error of the disk if nothing of the file can be read: a disk that has vanished must not look like an empty log. And
/// any error that says nothing about what is on the disk.
pub(crate) fn read_past(file: &dyn DiskFile, into: &mut [u8], at: u64) -> io::Result<usize> {
    let error = match file.read_at(into, at) {
        Err(error) if is_of_the_disk(&error) => error,
        read => return read,
    };
    let end = file.len()?.min(at + into.len() as u64);
    let (mut from, mut is_readable) = (at, false);
    while from < end {
        let to = (from / BLOCK * BLOCK + BLOCK).min(end);
        let block = &mut into[(from - at) as usize..(to - at) as usize];
        let mut attempt = || file.read_at(block, from);
        let is_lost = |read: &io::Result<usize>| read.as_ref().is_err_and(is_of_the_disk);
        let read = (1..ATTEMPTS).map(|_| attempt()).find(|read| !is_lost(read));
        match read.unwrap_or_else(attempt) {
            Ok(_) => is_readable = true,
            Err(error) if is_of_the_disk(&error) => block.fill(UNREADABLE),
            Err(error) => return Err(error),
        }
        from = to;
    }
    if is_readable || reads_anywhere(file)? { Ok(end.saturating_sub(at) as usize) } else { Err(error) }
}

/// Writes the first bytes of a file, also where its first block cannot be read. A part of such a block cannot be written, so
/// all of it is: what is lost of it then stands for itself, as bytes that no writer wrote.
pub(crate) fn write_past(file: &dyn DiskFile, bytes: &[u8]) -> io::Result<()> {
    match file.write_at(bytes, 0) {
        Err(error) if is_of_the_disk(&error) && is_unreadable(file, 0) => {
            let mut block = vec![0; BLOCK as usize];
            let read = read_past(file, &mut block, 0)?;
            block.truncate(read.max(bytes.len()));
            block[..bytes.len()].copy_from_slice(bytes);
            file.write_at(&block, 0)
        }
        written => written,
    }
}

/// Cuts a file to this length, also in the middle of a block that cannot be read. What is lost of that block already is cut
/// with it, and stands for itself again as bytes that no writer wrote.
pub(crate) fn cut_past(file: &dyn DiskFile, length: u64) -> io::Result<()> {
    match file.cut(length) {
        Err(error) if is_of_the_disk(&error) && is_unreadable(file, length) => {
            let from = length / BLOCK * BLOCK;
            file.cut(from)?;
            file.write_at(&vec![UNREADABLE; (length - from) as usize], from)
        }
        cut => cut,
    }
}

/// Whether the block around this byte cannot be read.
fn is_unreadable(file: &dyn DiskFile, at: u64) -> bool {
    let read = file.read_at(&mut [0; BLOCK as usize], at / BLOCK * BLOCK);
    read.is_err_and(|error| is_of_the_disk(&error))
}

fn reads_anywhere(file: &dyn DiskFile) -> io::Result<bool> {
    let length = file.len()?;
    let mut byte = [0];
    Ok((0..TRIED)
        .any(|n| file.read_at(&mut byte, length.saturating_sub(1) / (TRIED - 1) * n).is_ok_and(|read| read > 0)))
}

/// Whether the disk has lost the bytes. Reads through the page cache say it with this number, whatever the device has said.
pub(crate) fn is_of_the_disk(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::IO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::file::disk::Disk as _;
    use crate::store::file::disk::memory::MemoryDisk;

    #[test]
    fn what_cannot_be_read_reads_as_no_byte_that_was_written_and_all_else_as_it_is() {
        let disk = MemoryDisk::default();
        let bytes: Vec<u8> = (0..5 * BLOCK as u32 - 100).map(|n| (n % 251) as u8).collect();
        disk.set("file", bytes.clone());
        let file = disk.open("file").unwrap();
        for bad in [vec![0], vec![4], vec![1, 3], vec![0, 1, 2, 3]] {
            disk.make_unreadable("file", &bad);
            for (from, to) in [(0, bytes.len()), (5, 4095), (4095, 4097), (8192, 12_288), (100, bytes.len() + 50)] {
                let mut into = vec![7; to - from];
                let read = read_past(&*file, &mut into, from as u64).unwrap();
                assert_eq!(read, to.min(bytes.len()) - from);
                for (n, byte) in into[..read].iter().enumerate() {
                    let place = from + n;
                    let is_bad = bad.contains(&(place as u64 / BLOCK));
                    assert_eq!(*byte, if is_bad { UNREADABLE } else { bytes[place] }, "{place} of {bad:?}");
                }
            }
        }
    }

    #[test]
    fn a_file_of_which_nothing_reads_is_an_error_and_so_is_what_says_nothing_of_the_disk() {
        let disk = MemoryDisk::default();
        for length in [1, 100, BLOCK, 3 * BLOCK + 1] {
            disk.set("file", vec![1; length as usize]);
            let file = disk.open("file").unwrap();
            disk.make_unreadable("file", &[0, 1, 2, 3]);
            let error = read_past(&*file, &mut [0; 10], 0).unwrap_err();
            assert!(is_of_the_disk(&error), "{error}");
        }
        for errno in [Errno::NOMEM, Errno::MFILE, Errno::NOENT, Errno::ACCESS, Errno::NOSPC] {
            assert!(!is_of_the_disk(&errno.into()));
        }
        assert!(!is_of_the_disk(&io::Error::other("any")));
    }
}
