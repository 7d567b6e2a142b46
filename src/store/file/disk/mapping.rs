//! The shared page, mapped into this process's memory. The only module of the crate that uses `unsafe`.
#![allow(unsafe_code)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use memmap2::{MmapOptions, MmapRaw};

use crate::store::file::disk::line::Line;
use crate::store::file::disk::page::{PAGE, Page};
use crate::store::file::disk::page_file::APART;
use crate::store::file::disk::signal::Signal;
use crate::store::file::threads::AtomicU64;

/// A handle on the page.
#[derive(Debug)]
pub enum SharedPage {
    /// Mapped from a file of a page's length. The page's words lie in the mapping.
    Mapped(Page, #[allow(dead_code, reason = "it is kept for the words")] MmapRaw),
    /// Read and written by calls.
    ByCalls(Page),
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
        let map = if writes { options.map_raw(file) } else { options.map_raw_read_only(file) }?;
        Ok(Self::Mapped(in_it(&map), map))
    }

    pub(crate) fn page(&self) -> &Page {
        match self {
            Self::Mapped(page, _) | Self::ByCalls(page) => page,
            Self::InMemory(page) => page,
        }
    }
}

fn in_it(map: &MmapRaw) -> Page {
    if cfg!(shuttle) {
        panic!("a page of shuttle's atomics lies in memory only");
    }
    // SAFETY: the mapping is PAGE bytes long and page-aligned, and the page has no word beyond that. It lives as long as the
    // page, which hands out no word. Every bit pattern is a valid word, and all access goes through atomics. The file is
    // never shortened after it was mapped.
    let word = |number: usize| unsafe { &*map.as_ptr().add(number * APART).cast::<AtomicU64>() };
    // SAFETY: as above.
    let signal = unsafe { &*map.as_ptr().add(Page::SYNCED * APART).cast::<AtomicU32>() };
    Page::of(|number| Line::Mapped(word(number)), Signal::Mapped(signal))
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
