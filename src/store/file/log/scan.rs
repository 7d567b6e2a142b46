//! Reading a segment from front to back: whole frames, and the bad places between them.
//!
//! A scan decides nothing about a bad place. Whether it is damage or a hole is for the caller to say.

use std::io;

use crate::store::file::disk::DiskFile;
use crate::store::file::disk::unreadable::read_past;
use crate::store::file::format::frame::{Frame, HEAD, Head};
use crate::store::file::format::position::Position;

/// What stands at the next place of a segment.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// A whole frame.
    Frame(Frame<'a>),
    /// A good head with a bad body. If the file ends inside the body, the head states the length that is there. The scan
    /// steps over the body and never looks for frames inside it (rule 10).
    BadBody(Position, Head),
    /// No frame begins at `from`, but one begins at `to`. The bytes between belong to no frame.
    Gap { from: u32, to: u32 },
    /// No whole head follows. `from..to` holds a torn write or damage; it is empty if only zeros follow, or nothing.
    End { from: u32, to: u32 },
}

/// Steps through `at..end` of a segment. Memory is bounded by the largest frame that the file really holds.
pub(crate) struct Scan<'f> {
    file: &'f dyn DiskFile,
    segment: u32,
    salt: u64,
    at: u32,
    end: u32,
    window: Vec<u8>,
    window_at: u32,
}

/// How many bytes are read at a time.
const CHUNK: usize = 256 * 1024;

impl<'f> Scan<'f> {
    pub(crate) fn new(file: &'f dyn DiskFile, from: Position, end: u32, salt: u64) -> Self {
        let at = from.offset();
        // A file may be shorter than its header.
        let end = end.max(at);
        Self { file, segment: from.segment(), salt, at, end, window: Vec::new(), window_at: at }
    }

    /// The next step. After [`Step::End`] it is the end again.
    pub(crate) fn next(&mut self) -> io::Result<Step<'_>> {
        let (at, salt) = (Position::new(self.segment, self.at), self.salt);
        let Some(head) = Head::parse(self.bytes(self.at, HEAD)?, at, salt) else {
            return self.gap();
        };
        let (from, left) = (self.at, self.end - self.at);
        if head.frame_bytes() as u64 > u64::from(left) {
            // The frame is cut off. Its head still names the session, which must not get an older version back (rule 11).
            self.at = self.end;
            return Ok(Step::BadBody(at, head.cut_to(left)));
        }
        self.at += head.frame_bytes() as u32;
        let body = &self.bytes(from, head.frame_bytes())?[HEAD..];
        Ok(if head.vouches_for(body, at, salt) {
            Step::Frame(Frame { at, head, body })
        } else {
            Step::BadBody(at, head)
        })
    }

    /// No frame begins at `self.at`: looks for the next good head, byte by byte. A good head ends the gap even if its body
    /// is bad. So the scan never searches inside a damaged value, and the damaged session is known by name.
    fn gap(&mut self) -> io::Result<Step<'_>> {
        let (from, salt) = (self.at, self.salt);
        let mut last_written = from;
        let mut at = from;
        while at < self.end {
            let position = Position::new(self.segment, at);
            let bytes = self.bytes(at, HEAD)?;
            if bytes[0] != 0 {
                last_written = at + 1;
            }
            if at > from && Head::parse(bytes, position, salt).is_some() {
                self.at = at;
                return Ok(Step::Gap { from, to: at });
            }
            // No head consists of zeros alone, so a run of zeros is skipped at once; its last bytes may begin one.
            at += self.zeros_at_hand(at).saturating_sub(HEAD as u32 - 1).max(1);
        }
        Ok(Step::End { from, to: last_written })
    }

    /// How many zeros follow from here, within the window.
    fn zeros_at_hand(&self, at: u32) -> u32 {
        const ZEROS: [u8; 64] = [0; 64];
        let bytes = &self.window[(at - self.window_at) as usize..];
        let whole =
            bytes.chunks(ZEROS.len()).take_while(|chunk| **chunk == ZEROS[..chunk.len()]).map(<[u8]>::len).sum();
        let rest = bytes[whole..].iter().take_while(|byte| **byte == 0).count();
        (whole + rest) as u32
    }

    /// `count` bytes at this offset, or fewer if the end comes first.
    fn bytes(&mut self, at: u32, count: usize) -> io::Result<&[u8]> {
        let count = count.min((self.end - at) as usize);
        let have = self.window_at as usize + self.window.len();
        if (at as usize) < self.window_at as usize || at as usize + count > have {
            let want = count.max(CHUNK).min((self.end - at) as usize);
            self.window.resize(want, 0);
            let read = read_past(self.file, &mut self.window, u64::from(at))?;
            // Beyond the end of a short file the window holds zeros, in which no frame is found.
            self.window[read..].fill(0);
            self.window_at = at;
        }
        let from = (at - self.window_at) as usize;
        Ok(&self.window[from..from + count])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::file::disk::Disk;
    use crate::store::file::disk::memory::MemoryDisk;
    use crate::store::file::format::frame::{Frames, Kind, NO_KEY};
    use crate::store::file::format::segment;

    const SALT: u64 = 7;

    fn file(bodies: &[&[u8]]) -> (Vec<u8>, Vec<u32>) {
        let mut frames = Frames::at(segment::start(1), segment::start(1), SALT);
        let at = bodies.iter().map(|body| frames.push(Kind::Put, &NO_KEY, &[body]).offset()).collect();
        ([&[0; 64][..], frames.bytes()].concat(), at)
    }

    fn steps(bytes: Vec<u8>) -> Vec<String> {
        let end = bytes.len() as u32;
        let disk = MemoryDisk::default();
        let file = disk.create("segment").unwrap();
        file.write_at(&bytes, 0).unwrap();
        let mut scan = Scan::new(&*file, segment::start(1), end, SALT);
        let mut steps = Vec::new();
        loop {
            match scan.next().unwrap() {
                Step::Frame(frame) => steps.push(String::from_utf8_lossy(frame.body).into_owned()),
                Step::BadBody(..) => steps.push("bad".into()),
                Step::Gap { from, to } => steps.push(format!("gap {}", to - from)),
                Step::End { from, to } => {
                    steps.push(format!("end {}", to - from));
                    return steps;
                }
            }
        }
    }

    #[test]
    fn whole_frames_come_in_order_and_zeros_end_them() {
        let (mut bytes, _) = file(&[b"one", b"two"]);
        assert_eq!(steps(bytes.clone()), ["one", "two", "end 0"]);
        bytes.resize(bytes.len() + 100_000, 0);
        assert_eq!(steps(bytes), ["one", "two", "end 0"]);
    }

    #[test]
    fn what_stands_behind_zeros_is_found_however_many_they_are() {
        let few = 0..3 * HEAD as u32;
        let many = (1..8).flat_map(|n| CHUNK as u32 - n * HEAD as u32..CHUNK as u32 - n * HEAD as u32 + 8);
        for zeros in few.chain(many) {
            let (mut bytes, _) = file(&[b"one"]);
            let from = bytes.len() as u32;
            let at = Position::new(1, from + zeros);
            // The head of a frame without a body begins with zeros itself.
            let mut frames = Frames::at(at, segment::start(1), SALT);
            frames.push(Kind::Mark, &NO_KEY, &[]);
            bytes.resize(at.offset() as usize, 0);
            // The second file has a torn write in the place of the frame.
            let torn = [&bytes[..], b"torn"].concat();
            bytes.extend_from_slice(frames.bytes());
            let gap = (zeros > 0).then(|| format!("gap {zeros}"));
            let expected = [Some("one".into()), gap, Some(String::new()), Some("end 0".into())];
            assert_eq!(steps(bytes), expected.into_iter().flatten().collect::<Vec<_>>());
            assert_eq!(steps(torn), ["one".into(), format!("end {}", zeros + 4)]);
        }
    }

    #[test]
    fn a_bad_body_is_stepped_over_and_a_bad_head_looked_behind() {
        let (bytes, at) = file(&[b"one", b"two", b"three"]);
        let mut bad_body = bytes.clone();
        bad_body[at[1] as usize + HEAD] ^= 1;
        assert_eq!(steps(bad_body), ["one", "bad", "three", "end 0"]);
        let mut bad_head = bytes;
        bad_head[at[1] as usize + 3] ^= 1;
        assert_eq!(steps(bad_head), ["one", "gap 40", "three", "end 0"]);
    }

    #[test]
    fn a_gap_ends_at_a_good_head_whatever_its_body_is() {
        let (mut bytes, at) = file(&[b"one", b"two", b"three"]);
        bytes[at[0] as usize] ^= 1;
        bytes[at[1] as usize + HEAD] ^= 1;
        assert_eq!(steps(bytes), ["gap 40", "bad", "three", "end 0"]);
    }

    #[test]
    fn a_torn_last_frame_is_what_is_left_at_the_end() {
        let (bytes, at) = file(&[b"one", b"two"]);
        for cut in at[1] as usize + 1..bytes.len() {
            let left = cut - at[1] as usize;
            let got = steps(bytes[..cut].to_vec());
            // Zeros at the end may never have been written.
            let last = bytes[at[1] as usize..cut].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            // A whole head names the session whose body is cut off.
            let expected = if left < HEAD {
                vec!["one".into(), format!("end {last}")]
            } else {
                ["one", "bad", "end 0"].map(str::to_owned).into()
            };
            assert_eq!(got, expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_frame_inside_a_value_is_never_taken_for_one() {
        let (inner, _) = file(&[b"forged"]);
        let (bytes, at) = file(&[&inner[64..], b"two"]);
        let mut bad_body = bytes.clone();
        bad_body[at[1] as usize - 1] ^= 1;
        assert_eq!(steps(bad_body), ["bad", "two", "end 0"]);
        let mut bad_head = bytes;
        bad_head[at[0] as usize] ^= 1;
        assert!(steps(bad_head)[0].starts_with("gap"));
    }
}
