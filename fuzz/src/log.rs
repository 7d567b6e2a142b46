//! Whole logs of forged frames.

use std::ops::Range;

use cloakroom::fuzzing::{self, Disk, Frame};
use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};

use crate::Many;
use crate::forged::Forged;

/// Bytes of a segment's header and of a frame's head.
pub const HEADER: usize = 64;
const HEAD: usize = 37;

/// Segments of frames. Each frame says what is durable: everything before the number, or without one everything before
/// itself.
#[derive(Debug)]
pub struct Log {
    /// The number of the last segment.
    number: u32,
    sealed: Vec<Frames>,
    last: Frames,
}

type Frames = Vec<(Option<u32>, Frame)>;

impl<'a> Arbitrary<'a> for Log {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let first: u8 = input.arbitrary()?;
        let Many(frames) = Many::<(u8, Option<u16>, Forged)>::arbitrary(input)?;
        let (mut sealed, mut last) = (Vec::new(), Frames::new());
        for (begins, durable, forged) in frames {
            if begins >= 0xf8 && sealed.len() < 3 {
                sealed.push(std::mem::take(&mut last));
            }
            last.push((durable.map(u32::from), forged.frame()));
        }
        Ok(Self { number: u32::from(first) + sealed.len() as u32, sealed, last })
    }
}

/// Where a frame of the last segment stands.
#[derive(Debug)]
pub struct Place {
    pub start: usize,
    pub body: Range<usize>,
    /// What it says to be durable.
    pub durable: usize,
    /// Whose record it is, if it is one's.
    pub record_of: Option<u8>,
}

impl Log {
    pub fn last_segment(&self) -> Vec<u8> {
        fuzzing::segment(self.number, &self.last)
    }

    /// A directory with the log, whose last segment has these bytes.
    pub fn disk(&self, last: Vec<u8>) -> Disk {
        let disk = Disk::default();
        for (number, frames) in (self.number - self.sealed.len() as u32..).zip(&self.sealed) {
            disk.put_segment(number, fuzzing::segment(number, frames));
        }
        disk.put_segment(self.number, last);
        disk
    }

    /// The frames of the last segment.
    pub fn places(&self) -> Vec<Place> {
        let mut start = HEADER;
        let place = |(durable, frame): &(Option<u32>, Frame)| {
            let end = start + frame.write(self.number, start as u32, *durable).len();
            let durable = durable.map_or(start, |durable| durable as usize);
            let record_of = match frame {
                Frame::Plain { kind: 1 | 5, key, .. } => Some(key[0]),
                _ => None,
            };
            let place = Place { start, body: start + HEAD..end, durable, record_of };
            start = end;
            place
        };
        self.last.iter().map(place).collect()
    }

    /// Leaves out of the last segment what no writer would write: statements about what comes later or that end inside a
    /// frame, and frames behind the seal.
    pub fn make_honest(&mut self) {
        let is_seal = |(_, frame): &(Option<u32>, Frame)| matches!(frame, Frame::Plain { kind: 8, .. });
        if let Some(seal) = self.last.iter().position(is_seal) {
            self.last.truncate(seal + 1);
        }
        let places = self.places();
        for (place, (durable, _)) in places.iter().zip(&mut self.last) {
            let before = durable.filter(|durable| (*durable as usize) < place.start);
            let end = before.and_then(|before| places.iter().rfind(|other| other.start <= before as usize));
            *durable = end.map(|end| end.start as u32);
        }
    }

    /// Leaves out of the last segment what does not end by there.
    pub fn cut(&mut self, at: usize) {
        let whole = self.places().iter().take_while(|place| place.body.end <= at).count();
        self.last.truncate(whole);
    }

    /// Whether nothing behind a frame says anything about this session but that it was seen.
    pub fn leaves_alone(&self, which: usize, n: u8) -> bool {
        self.last[which + 1..].iter().all(|(_, frame)| match frame {
            Frame::Plain { kind: 1 | 3 | 5, key, .. } => key[0] != n,
            Frame::Plain { kind: 2 | 8 | 9, .. } => true,
            _ => false,
        })
    }

    /// Puts a frame that says nothing in a frame's place.
    pub fn silence(&mut self, which: usize) {
        let body = vec![0; self.places()[which].body.len()];
        self.last[which].1 = Frame::Plain { kind: 9, key: [0; 16], body };
    }
}
