//! What the targets in `fuzz/` need of the crate's inside. It exists only with `--cfg fuzzing`, and is no part of the
//! interface.

use std::path::Path;
use std::sync::Arc;

use crate::model::error::Result;
use crate::model::key::SessionKey;
use crate::store::file::{self, FileOptions, FileStore, Frames, Header, Hint, Kind, MemoryDisk, Position, Seal};

/// The salt of forged segments and frames.
pub const SALT: u64 = 0x5eed;

/// Runs a future to its end on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    crate::store::block_on::block_on(future)
}

/// A directory in memory.
#[derive(Clone, Default)]
pub struct Disk(MemoryDisk);

impl Disk {
    /// Opens a store in it.
    ///
    /// # Errors
    ///
    /// The errors of [`FileStore::open`].
    pub fn open(&self, options: FileOptions) -> Result<FileStore> {
        FileStore::open_on(Arc::new(self.0.clone()), options.0, Path::new("simulated"))
    }

    /// A copy of the files as they are now, which no process uses: what a kill leaves.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self(self.0.copy())
    }

    /// Puts a segment's file there.
    pub fn put_segment(&self, number: u32, bytes: Vec<u8>) {
        self.0.set(&file::segment_name(number), bytes);
    }
}

/// The segment that forged hints are of, and its length.
pub const HINTED: (u32, u32) = (7, 1 << 16);

/// A hint that holds these bytes as `count` effects. All its checksums are right, whatever the bytes are.
pub fn hint(count: u32, effects: &[u8]) -> Vec<u8> {
    file::forged_hint(count, effects, HINTED.0, HINTED.1, &seal(), SALT)
}

/// The effects of a hint, parsed and written again; `None` if it is no hint.
pub fn rewritten(hint: &[u8]) -> Option<Vec<u8>> {
    let parsed = Hint::parse(hint, HINTED.0, HINTED.1, &seal(), SALT)?;
    Some(file::hint_bytes(&parsed.effects, HINTED.0, HINTED.1, &seal(), SALT))
}

/// The seal at the end of that segment.
fn seal() -> Seal {
    let seal = Frame::Plain { kind: Kind::Seal as u8, key: [0; 16], body: Vec::new() };
    let bytes = seal.write(HINTED.0, HINTED.1 - 37, None);
    *bytes.first_chunk().expect("a frame has a head")
}

/// A frame in decoded form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Any frame; the kinds are numbered 1 to 11.
    Plain {
        /// Its kind's number.
        kind: u8,
        /// Its key.
        key: [u8; 16],
        /// Its body.
        body: Vec<u8>,
    },
    /// Frames that count all together or not at all.
    Batch(Vec<Frame>),
}

impl Frame {
    /// The frame that begins these bytes at this place of the log, if there is one.
    pub fn read(bytes: &[u8], segment: u32, offset: u32) -> Option<Self> {
        Some(Self::of(&file::Frame::parse(bytes, Position::new(segment, offset), SALT)?))
    }

    /// The frame's bytes at this place of the log. The frame states that everything before `durable` is on disk; with
    /// `None`, that everything before the frame itself is.
    pub fn write(&self, segment: u32, offset: u32, durable: Option<u32>) -> Vec<u8> {
        let at = Position::new(segment, offset);
        let mut frames = Frames::at(at, Position::new(segment, durable.unwrap_or(offset)), SALT);
        self.push(&mut frames);
        frames.bytes().to_vec()
    }

    fn of(frame: &file::Frame<'_>) -> Self {
        match frame.head.kind {
            Kind::Batch => Self::Batch(frame.inner(SALT).map(|inner| Self::of(&inner)).collect()),
            kind => Self::Plain { kind: kind as u8, key: *frame.head.key.as_bytes(), body: frame.body.to_vec() },
        }
    }

    fn push(&self, frames: &mut Frames) {
        match self {
            Self::Plain { kind, key, body } => {
                let kind = Kind::from_byte(*kind).unwrap_or(Kind::Mark);
                frames.push(kind, &SessionKey::from_bytes(*key), &[body]);
            }
            Self::Batch(inner) => frames.batch(|frames| inner.iter().for_each(|frame| frame.push(frames))),
        }
    }
}

/// A segment of these frames, each with the `durable` that it states (see [`Frame::write`]). All its checksums are right,
/// whatever the frames say.
pub fn segment(number: u32, frames: &[(Option<u32>, Frame)]) -> Vec<u8> {
    let mut bytes = Header { number, salt: SALT }.to_bytes().to_vec();
    for (durable, frame) in frames {
        bytes.extend(frame.write(number, bytes.len() as u32, *durable));
    }
    bytes
}
