//! The log as its files say, read here by the written layout (`src/store/file/format/frame.rs`) and not by the code that is tested.
//!
//! Nothing is checked: this reads what a store has just written.

use std::collections::BTreeMap;

use cloakroom::SessionKey;

/// A store's segments by their numbers.
pub type Segments = BTreeMap<u32, Vec<u8>>;

/// The hints of sealed segments by their segments' numbers.
pub type Hints = BTreeMap<u32, Vec<u8>>;

pub const HEADER: usize = 64;
pub const HEAD: usize = 37;

pub fn name(number: u32) -> String {
    format!("{number:08}.log")
}

pub fn hint_name(number: u32) -> String {
    format!("{number:08}.hint")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Put = 1,
    Touch,
    Destroy,
    Batch,
    Move,
    Trim,
    Sweep,
    Seal,
    Mark,
    Clear,
    EndOwned,
}

impl Kind {
    pub const ALL: [Self; 11] = [
        Self::Put,
        Self::Touch,
        Self::Destroy,
        Self::Batch,
        Self::Move,
        Self::Trim,
        Self::Sweep,
        Self::Seal,
        Self::Mark,
        Self::Clear,
        Self::EndOwned,
    ];
}

/// One entry of the log, and which bytes are its.
#[derive(Debug)]
pub struct Frame {
    pub segment: u32,
    pub from: usize,
    pub to: usize,
    pub kind: Kind,
    pub key: SessionKey,
    /// Up to where its writer knew the segment to be on disk.
    pub durable: usize,
    /// What a batch holds.
    pub inner: Vec<Frame>,
}

impl Frame {
    pub fn body<'a>(&self, segments: &'a Segments) -> &'a [u8] {
        &segments[&self.segment][self.from + HEAD..self.to]
    }

    /// Its place as a number, which is the revision of what it puts.
    pub fn position(&self) -> u64 {
        u64::from(self.segment) << 32 | self.from as u64
    }
}

pub fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// All frames of a log, in order.
pub fn frames(segments: &Segments) -> Vec<Frame> {
    segments.iter().flat_map(|(segment, bytes)| frames_between(*segment, bytes, HEADER, bytes.len())).collect()
}

fn frames_between(segment: u32, bytes: &[u8], mut from: usize, end: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    while from + HEAD <= end && bytes[from + 20] != 0 {
        let to = from + HEAD + number(bytes, from) as usize;
        let kind = Kind::ALL[usize::from(bytes[from + 20]) - 1];
        let mut key = [0; 16];
        key.copy_from_slice(&bytes[from + 21..from + HEAD]);
        let inner = if kind == Kind::Batch { frames_between(segment, bytes, from + HEAD, to) } else { Vec::new() };
        let durable = number(bytes, from + 4) as usize;
        frames.push(Frame { segment, from, to, kind, key: SessionKey::from_bytes(key), durable, inner });
        from = to;
    }
    assert!(from == end || bytes[from..end].iter().all(|byte| *byte == 0), "a store's own log reads to its end");
    frames
}
