//! A frame: one entry of the write-ahead log, a head and a body. Its layout, byte by byte; no I/O here.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | length of the body |
//! | 4 | 4 | the statement: up to this offset of the segment, the writer knew the log to be durable |
//! | 8 | 8 | xxh3-64 of the body |
//! | 16 | 4 | the lower half of xxh3-64 of the head's other 33 bytes, in their order |
//! | 20 | 1 | kind |
//! | 21 | 16 | session key; zeros where the kind has none |
//! | 37 | length | body |
//!
//! Numbers are little-endian. The store's random salt and the frame's own position seed both checksums, so no bytes inside
//! a value can pass for a frame (protocol rule 10). The frames inside a batch have another seed: if the batch is torn, no
//! part of it passes for a frame of the log. No writer knows bytes beyond its frame's own position to be durable, so a head
//! that states so is invalid. The head has a check of its own, so a reader steps over a frame with a bad body whole, and
//! still learns which session the frame was about (rule 11). A head of zeros is no frame: there the written part of a
//! segment ends.
//!
//! | kind | | body |
//! |---|---|---|
//! | 1 | put | the record, see [`Record::to_bytes`](crate::Record::to_bytes), or the trace that is left in its place, see [`Trace::to_bytes`](crate::Trace::to_bytes): the first byte tells which. Its revision is the frame's position |
//! | 2 | touch | last seen, 8 bytes: milliseconds since the Unix epoch |
//! | 3 | destroy | empty: a tombstone |
//! | 4 | batch | frames, complete with heads: all of them or none |
//! | 5 | move | the revision, 8 bytes, then the record or the trace: a put that changes nothing |
//! | 6 | trim | 4 bytes: segments below this number are no longer part of the log |
//! | 7 | sweep | 8 bytes, time T: ends each session before this frame whose (end, key) is not above (T, the frame's key) |
//! | 8 | seal | empty: the segment ends here, and the log goes on in the next |
//! | 9 | mark | empty: only its statement counts; a clean close leaves one |
//! | 10 | clear | empty: ends each session before this frame |
//! | 11 | end owned | 1 byte, and an owner: ends each session of it before this frame; if the byte is 1, not the frame's own |

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::model::key::SessionKey;
use crate::store::file::format::position::Position;

/// Bytes of a frame's head.
pub(crate) const HEAD: usize = 37;

/// The key of frames that are about no session.
pub(crate) const NO_KEY: SessionKey = SessionKey::from_bytes([0; 16]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Put = 1,
    Touch = 2,
    Destroy = 3,
    Batch = 4,
    Move = 5,
    Trim = 6,
    Sweep = 7,
    Seal = 8,
    Mark = 9,
    Clear = 10,
    EndOwned = 11,
}

impl Kind {
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        use Kind::{Batch, Clear, Destroy, EndOwned, Mark, Move, Put, Seal, Sweep, Touch, Trim};
        let kinds = [Put, Touch, Destroy, Batch, Move, Trim, Sweep, Seal, Mark, Clear, EndOwned];
        kinds.get(usize::from(byte).checked_sub(1)?).copied()
    }
}

/// A frame's head whose check has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) key: SessionKey,
    /// Length of the body.
    pub(crate) body: u32,
    /// The statement: up to this offset of the segment, the writer knew the log to be durable.
    pub(crate) durable: u32,
    checksum: u64,
}

impl Head {
    /// Offset of the kind in the head.
    pub(crate) const KIND: u32 = 20;

    /// Parses a head that stands at this position.
    pub(crate) fn parse(bytes: &[u8], at: Position, salt: u64) -> Option<Self> {
        let head = bytes.first_chunk::<HEAD>()?;
        if head[20] == 0 || number(head, 4) > at.offset() || number(head, 16) != check(head, at, salt) {
            return None;
        }
        Self::read(head)
    }

    /// Reads a head that is known to be whole.
    fn read(head: &[u8; HEAD]) -> Option<Self> {
        let mut key = [0; 16];
        key.copy_from_slice(&head[21..]);
        Some(Self {
            kind: Kind::from_byte(head[20])?,
            key: SessionKey::from_bytes(key),
            body: number(head, 0),
            durable: number(head, 4),
            checksum: u64::from(number(head, 8)) | u64::from(number(head, 12)) << 32,
        })
    }

    /// Whether this is the body that the head was written with.
    pub(crate) fn vouches_for(&self, body: &[u8], at: Position, salt: u64) -> bool {
        body.len() == self.body as usize && self.checksum == xxh3_64_with_seed(body, seed(at, salt))
    }

    /// Bytes of the whole frame.
    pub(crate) const fn frame_bytes(&self) -> usize {
        HEAD + self.body as usize
    }

    /// The same head for a frame of which only this many bytes are there.
    pub(crate) const fn cut_to(self, frame_bytes: u32) -> Self {
        Self { body: frame_bytes - HEAD as u32, ..self }
    }

    fn write(&self, at: Position, salt: u64, into: &mut [u8]) {
        let head = into.first_chunk_mut::<HEAD>().expect("room for a head was reserved");
        head[0..4].copy_from_slice(&self.body.to_le_bytes());
        head[4..8].copy_from_slice(&self.durable.to_le_bytes());
        head[8..16].copy_from_slice(&self.checksum.to_le_bytes());
        head[20] = self.kind as u8;
        head[21..].copy_from_slice(self.key.as_bytes());
        let check = check(head, at, salt);
        head[16..20].copy_from_slice(&check.to_le_bytes());
    }
}

/// The salt of the frames inside a batch.
const fn inside(salt: u64) -> u64 {
    !salt
}

/// Four bytes of a head as a number.
fn number(head: &[u8; HEAD], from: usize) -> u32 {
    u32::from_le_bytes([head[from], head[from + 1], head[from + 2], head[from + 3]])
}

fn seed(at: Position, salt: u64) -> u64 {
    salt ^ at.as_u64().wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn check(head: &[u8; HEAD], at: Position, salt: u64) -> u32 {
    let mut others = [0; HEAD - 4];
    others[..16].copy_from_slice(&head[..16]);
    others[16..].copy_from_slice(&head[20..]);
    xxh3_64_with_seed(&others, seed(at, salt)) as u32
}

/// A whole frame whose checks have passed. The check of a batch's body covers the frames inside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) at: Position,
    pub(crate) head: Head,
    pub(crate) body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Parses the frame at the beginning of these bytes.
    pub(crate) fn parse(bytes: &'a [u8], at: Position, salt: u64) -> Option<Self> {
        let head = Head::parse(bytes, at, salt)?;
        let body = bytes.get(HEAD..head.frame_bytes())?;
        head.vouches_for(body, at, salt).then_some(Self { at, head, body })
    }

    /// Parses a frame that stands in the log itself or inside a batch: the index holds positions of both.
    pub(crate) fn parse_anywhere(bytes: &'a [u8], at: Position, salt: u64) -> Option<Self> {
        Self::parse(bytes, at, salt).or_else(|| Self::parse(bytes, at, inside(salt)))
    }

    /// The frames inside a batch. Their bodies are not hashed: the batch's own check covers them.
    pub(crate) fn inner(&self, salt: u64) -> impl Iterator<Item = Frame<'a>> {
        each(self.body, self.at.plus(HEAD), move |bytes, at| Head::parse(bytes, at, inside(salt)))
    }

    /// The time in the body of a touch or a sweep.
    pub(crate) fn millis(&self) -> Option<u64> {
        Some(u64::from_le_bytes(self.body.try_into().ok()?))
    }

    /// The oldest segment that stays, from the body of a trim.
    pub(crate) fn oldest(&self) -> Option<u32> {
        Some(u32::from_le_bytes(self.body.try_into().ok()?))
    }

    /// The revision and the record's bytes that a put or a move holds.
    pub(crate) fn record(&self) -> Option<(u64, &'a [u8])> {
        match self.head.kind {
            Kind::Put => Some((self.at.as_u64(), self.body)),
            Kind::Move => {
                let (revision, record) = self.body.split_first_chunk()?;
                Some((u64::from_le_bytes(*revision), record))
            }
            _ => None,
        }
    }
}

/// The frames that stand one after the other, as long as `head` finds a head.
fn each(
    mut rest: &[u8],
    mut at: Position,
    head: impl Fn(&[u8], Position) -> Option<Head>,
) -> impl Iterator<Item = Frame<'_>> {
    std::iter::from_fn(move || {
        let head = head(rest, at)?;
        let frame = Frame { at, head, body: rest.get(HEAD..head.frame_bytes())? };
        rest = &rest[head.frame_bytes()..];
        at = at.plus(head.frame_bytes());
        Some(frame)
    })
}

/// The frames of one write, as bytes. Their positions are known beforehand, because positions seed the checksums.
pub(crate) struct Frames {
    salt: u64,
    start: Position,
    durable: u32,
    bytes: Vec<u8>,
}

impl Frames {
    /// Frames that will stand at `start` and state that the log is durable up to `durable`.
    pub(crate) fn at(start: Position, durable: Position, salt: u64) -> Self {
        Self::within(Vec::new(), start, durable, salt)
    }

    /// The same, in memory that an earlier write has used.
    pub(crate) fn within(mut bytes: Vec<u8>, start: Position, durable: Position, salt: u64) -> Self {
        bytes.clear();
        let durable = if durable.segment() == start.segment() { durable.offset() } else { 0 };
        Self { salt, start, durable, bytes }
    }

    /// Gives the memory back, for the next write.
    pub(crate) fn into_memory(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends a frame whose body has these parts; returns its position.
    pub(crate) fn push(&mut self, kind: Kind, key: &SessionKey, body: &[&[u8]]) -> Position {
        let from = self.open();
        for part in body {
            self.bytes.extend_from_slice(part);
        }
        self.close(from, kind, key)
    }

    /// Appends one batch, which holds the frames that `fill` appends.
    pub(crate) fn batch<T>(&mut self, fill: impl FnOnce(&mut Self) -> T) -> T {
        let from = self.open();
        let salt = self.salt;
        self.salt = inside(salt);
        let filled = fill(self);
        self.salt = salt;
        self.close(from, Kind::Batch, &NO_KEY);
        filled
    }

    /// The position of the first frame.
    pub(crate) fn start(&self) -> Position {
        self.start
    }

    /// The position of the next frame.
    pub(crate) fn end(&self) -> Position {
        self.start.plus(self.bytes.len())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The frames of the log among these: a batch, and not what is in it. Nothing is checked, since the bytes were made here.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Frame<'_>> {
        each(self.bytes(), self.start, |bytes, _| Head::read(bytes.first_chunk()?))
    }

    fn open(&mut self) -> usize {
        let from = self.bytes.len();
        self.bytes.resize(from + HEAD, 0);
        from
    }

    fn close(&mut self, from: usize, kind: Kind, key: &SessionKey) -> Position {
        let at = self.start.plus(from);
        let (head, body) = self.bytes[from..].split_at_mut(HEAD);
        let length = u32::try_from(body.len()).expect("the writer keeps groups below 2^32 bytes");
        let checksum = xxh3_64_with_seed(body, seed(at, self.salt));
        Head { kind, key: *key, body: length, durable: self.durable, checksum }.write(at, self.salt, head);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Position = Position::new(3, 64);
    const SALT: u64 = 0x5eed;
    const KEY: SessionKey = SessionKey::from_bytes([9; 16]);

    fn one() -> Vec<u8> {
        let mut frames = Frames::at(AT, AT, SALT);
        frames.push(Kind::Put, &KEY, &[b"re", b"cord"]);
        frames.bytes().to_vec()
    }

    #[test]
    fn a_frame_reads_back() {
        let bytes = one();
        let frame = Frame::parse(&bytes, AT, SALT).unwrap();
        assert_eq!((frame.head.kind, frame.head.key, frame.body), (Kind::Put, KEY, &b"record"[..]));
        assert_eq!(frame.head.durable, 64);
        assert_eq!(frame.record(), Some((AT.as_u64(), &b"record"[..])));
    }

    #[test]
    fn a_frame_is_valid_only_at_its_own_position_in_its_own_store() {
        for salt in [0, SALT, u64::MAX] {
            let mut frames = Frames::at(AT, AT, salt);
            frames.push(Kind::Put, &KEY, &[b"record"]);
            let bytes = frames.bytes();
            assert!(Frame::parse(bytes, AT, salt).is_some());
            assert!(Frame::parse(bytes, AT.plus(1), salt).is_none());
            assert!(Frame::parse(bytes, Position::new(4, 64), salt).is_none());
            assert!(Frame::parse(bytes, AT, salt ^ 1).is_none());
        }
    }

    #[test]
    fn a_kind_reads_back_and_no_other_byte_is_one() {
        use Kind::*;
        let kinds = [Put, Touch, Destroy, Batch, Move, Trim, Sweep, Seal, Mark, Clear, EndOwned];
        for byte in 0..=u8::MAX {
            let expected = kinds.into_iter().find(|kind| *kind as u8 == byte);
            assert_eq!(Kind::from_byte(byte), expected);
        }
    }

    #[test]
    fn a_head_of_which_less_is_there_says_so_and_nothing_else() {
        let head = Head::parse(&one(), AT, SALT).unwrap();
        let cut = head.cut_to(40);
        assert_eq!((cut.frame_bytes(), cut.kind, cut.key), (40, Kind::Put, KEY));
        assert_eq!(head.frame_bytes(), HEAD + 6);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = one();
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(Frame::parse(&flipped, AT, SALT).is_none(), "bit {at}");
        }
        for cut in 0..bytes.len() {
            assert!(Frame::parse(&bytes[..cut], AT, SALT).is_none(), "cut at {cut}");
        }
    }

    #[test]
    fn a_frame_that_claims_to_know_what_comes_after_it_is_none() {
        let mut frames = Frames::at(AT, AT.plus(1), SALT);
        frames.push(Kind::Mark, &NO_KEY, &[]);
        assert!(Frame::parse(frames.bytes(), AT, SALT).is_none());
    }

    #[test]
    fn zeros_are_no_frame() {
        assert!(Frame::parse(&[0; 256], AT, SALT).is_none());
    }

    #[test]
    fn a_batch_holds_frames_that_are_valid_there_and_nowhere_else() {
        let mut frames = Frames::at(AT, Position::new(2, 999), SALT);
        let put = frames.batch(|frames| {
            frames.push(Kind::Destroy, &NO_KEY, &[]);
            frames.push(Kind::Put, &KEY, &[b"new"])
        });
        let batch = Frame::parse(frames.bytes(), AT, SALT).unwrap();
        let inner: Vec<_> = batch.inner(SALT).collect();
        assert_eq!(inner.iter().map(|frame| frame.head.kind).collect::<Vec<_>>(), [Kind::Destroy, Kind::Put]);
        assert_eq!(inner[1].at, put);
        let from = (put.offset() - AT.offset()) as usize;
        assert_eq!(Frame::parse_anywhere(&frames.bytes()[from..], put, SALT).unwrap().body, b"new");
        assert!(Frame::parse_anywhere(&frames.bytes()[from..], put, SALT + 1).is_none(), "nor in another store");
        assert!(
            Frame::parse(&frames.bytes()[from..], put, SALT).is_none(),
            "in the log itself it would be half a batch"
        );
        assert_eq!(batch.head.durable, 0, "a statement about an earlier segment says nothing about this one");
    }
}
