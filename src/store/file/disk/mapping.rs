//! The shared page, mapped into this process's memory. The only module of the crate that uses `unsafe`.
#![allow(unsafe_code)]

use std::io;
use std::sync::Arc;

use memmap2::{MmapOptions, MmapRaw};

use crate::store::file::disk::page::{PAGE, Page};

/// A handle on the page.
#[derive(Debug)]
pub enum SharedPage {
    /// Mapped from a file of a page's length.
    Mapped(MmapRaw),
    /// In this process's memory: for a lone reader of a directory that it does not write to, and for simulated disks.
    InMemory(Arc<Page>),
}

impl SharedPage {
    /// Maps the first page of a file that was written to its full length and synced (protocol rule 17).
    /// Without `writes` the mapping is read-only: a store to it would kill the process.
    pub(crate) fn map(file: &std::fs::File, writes: bool) -> io::Result<Self> {
        if file.metadata()?.len() < PAGE as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the shared page is shorter than a page"));
        }
        let mut options = MmapOptions::new();
        let options = options.len(PAGE);
        if writes { options.map_raw(file) } else { options.map_raw_read_only(file) }.map(Self::Mapped)
    }

    pub(crate) fn page(&self) -> &Page {
        match self {
            // SAFETY: the mapping is PAGE bytes long and page-aligned, which is enough for `Page` (960 bytes, aligned
            // to 64); it lives as long as `self`; every bit pattern is a valid `Page`; and all access, here and in the
            // other processes, goes through its atomics. The file is never shortened after it was mapped.
            #[cfg(not(shuttle))]
            Self::Mapped(map) => unsafe { &*map.as_ptr().cast::<Page>() },
            #[cfg(shuttle)]
            Self::Mapped(_) => panic!("a page of shuttle's atomics lies in memory only"),
            Self::InMemory(page) => page,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_holds_less_than_a_page_is_refused() {
        // Memory beyond a file's end can be mapped, but an access to it would kill the process.
        for (length, is_mapped) in [(0, false), (PAGE as u64 - 1, false), (PAGE as u64, true), (PAGE as u64 + 1, true)]
        {
            let file = tempfile::tempfile().unwrap();
            file.set_len(length).unwrap();
            for writes in [false, true] {
                assert_eq!(SharedPage::map(&file, writes).is_ok(), is_mapped, "{length} bytes");
            }
        }
    }
}
