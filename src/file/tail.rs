//! The shared tail: one page, mapped by every process that uses the directory, that says how far the log reaches.
//! The only module of the crate that uses `unsafe`.
#![allow(unsafe_code)]

use std::io;
use std::sync::atomic::AtomicU64;

use memmap2::{MmapOptions, MmapRaw};

/// Bytes of the page's file.
pub(crate) const PAGE: usize = 4096;

/// The page, a cache line for each word. A zeroed page is a valid one: an empty log of which nothing is known.
///
/// | offset | what |
/// |---|---|
/// | 0 | tail: where the log ends; stored with release after the write, loaded with acquire before the read |
/// | 64 | durable: up to here everything is on disk |
/// | 128 | intent: where the write under way will end; 0 when there is none |
/// | 192 | poison: not 0 after a failed sync, for every process |
/// | 256 | version of this layout, 1 |
#[repr(C)]
#[derive(Default, Debug)]
pub(crate) struct Page {
    pub(crate) tail: Line,
    pub(crate) durable: Line,
    pub(crate) intent: Line,
    pub(crate) poison: Line,
    pub(crate) version: Line,
}

/// A word alone in its cache line.
#[repr(C, align(64))]
#[derive(Default, Debug)]
pub(crate) struct Line(pub(crate) AtomicU64);

/// A handle on the page: mapped from a file, or (for a simulated disk) in memory.
#[derive(Debug)]
pub(crate) enum Tail {
    /// Mapped from a file of a page's length.
    Mapped(MmapRaw),
    /// Shared by the handles of one simulated disk.
    #[cfg(any(test, fuzzing))]
    InMemory(std::sync::Arc<Page>),
}

impl Tail {
    /// Maps the first page of a file that was written to its full length and synced (protocol rule 17).
    pub(crate) fn map(file: &std::fs::File) -> io::Result<Self> {
        if file.metadata()?.len() < PAGE as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the shared page is shorter than a page"));
        }
        MmapOptions::new().len(PAGE).map_raw(file).map(Self::Mapped)
    }

    pub(crate) fn page(&self) -> &Page {
        match self {
            // SAFETY: the mapping is PAGE bytes long and page-aligned, which is enough for `Page` (320 bytes, aligned
            // to 64); it lives as long as `self`; every bit pattern is a valid `Page`; and all access, here and in the
            // other processes, goes through its atomics. The file is never shortened after it was mapped.
            Self::Mapped(map) => unsafe { &*map.as_ptr().cast::<Page>() },
            #[cfg(any(test, fuzzing))]
            Self::InMemory(page) => page,
        }
    }
}

const _: () = assert!(size_of::<Page>() <= PAGE && align_of::<Page>() <= PAGE);
