//! A snapshot: what the index held when the log was closed cleanly. Its layout; no I/O here.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `cloaksn` and a zero byte |
//! | 8 | 2 | format version, 1 |
//! | 10 | 2 | zeros |
//! | 12 | 4 | how many sessions there are |
//! | 16 | 8 | the end of the log, behind its closing mark: offset, then segment |
//! | 24 | 8 | xxh3-64 of the last bytes of the log, [`LAST`] or fewer of them, seeded with the store's salt |
//! | 32 | 4 | the oldest segment, as the log's last trim states it |
//! | 36 | 12 | zeros |
//! | 48 | 8 | the checksum of the last block |
//! | 56 | 8 | xxh3-64 of the 56 bytes before, seeded with the store's salt |
//! | 64 | | blocks, one after another, up to the end of the file |
//!
//! The first block holds the segments but for the last one, in order: the number and the length of each, 4 bytes each. All
//! other blocks hold sessions, as [puts](crate::store::file::format::hint::effects). A block is:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | its length without these 12 bytes |
//! | 4 | 8 | xxh3-64 of what follows, seeded with the checksum of the block before; that of the first with the store's salt |
//! | 12 | length | what it holds |
//!
//! Numbers are little-endian. Since each checksum seeds the next, blocks of two snapshots make no third one, although two
//! processes may write to the file at once. A reader believes all of a snapshot or nothing.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::store::file::format::position::Position;

/// The length of the header, in bytes.
pub(crate) const HEADER: usize = 64;
/// Bytes of a block before what it holds.
pub(crate) const BLOCK_HEAD: usize = 12;
/// Of so many last bytes of the log the header has a checksum: two logs may end at one position, as after an old copy was
/// restored and written to.
pub(crate) const LAST: u32 = 4096;

const MAGIC: &[u8; 8] = b"cloaksn\0";
const VERSION: u16 = 1;

/// What a snapshot's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) sessions: u32,
    /// Where the log ended.
    pub(crate) end: Position,
    /// The checksum of the log's last bytes.
    pub(crate) last: u64,
    pub(crate) trimmed: u32,
    /// The checksum of the last block.
    pub(crate) blocks: u64,
}

impl Header {
    pub(crate) fn to_bytes(self, salt: u64) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.sessions.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.end.as_u64().to_le_bytes());
        bytes[24..32].copy_from_slice(&self.last.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.trimmed.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.blocks.to_le_bytes());
        let checksum = xxh3_64_with_seed(&bytes[..56], salt);
        bytes[56..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub(crate) fn parse(bytes: &[u8; HEADER], salt: u64) -> Option<Self> {
        let word = |from: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[from..from + 8]);
            u64::from_le_bytes(word)
        };
        let header = Self {
            sessions: (word(8) >> 32) as u32,
            end: Position::from_u64(word(16)),
            last: word(24),
            trimmed: word(32) as u32,
            blocks: word(48),
        };
        // Other bytes, or another version, make another header.
        (header.to_bytes(salt) == *bytes).then_some(header)
    }
}

/// The checksums of a snapshot's blocks, from the first to the last.
pub(crate) struct Chain(u64);

impl Chain {
    pub(crate) fn new(salt: u64) -> Self {
        Self(salt)
    }

    /// The checksum of the last block so far.
    pub(crate) fn checksum(&self) -> u64 {
        self.0
    }

    /// Completes the next block, whose head has room at the beginning of these bytes.
    pub(crate) fn write(&mut self, block: &mut [u8]) {
        let (head, body) = block.split_at_mut(BLOCK_HEAD);
        self.0 = xxh3_64_with_seed(body, self.0);
        head[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
        head[4..].copy_from_slice(&self.0.to_le_bytes());
    }

    /// Whether these are the head and the body of the next block.
    pub(crate) fn vouches_for(&mut self, head: &[u8; BLOCK_HEAD], body: &[u8]) -> bool {
        self.0 = xxh3_64_with_seed(body, self.0);
        length(head) == body.len() && head[4..] == self.0.to_le_bytes()
    }
}

/// The length of what a block holds, as its head claims it.
pub(crate) fn length(head: &[u8; BLOCK_HEAD]) -> usize {
    u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: u64 = 0x5eed;

    #[test]
    fn a_header_reads_back_and_every_flipped_bit_is_noticed() {
        let header = Header { sessions: 3, end: Position::new(7, 999), last: 5, trimmed: 2, blocks: u64::MAX };
        let bytes = header.to_bytes(SALT);
        assert_eq!(Header::parse(&bytes, SALT), Some(header));
        assert_eq!(Header::parse(&bytes, SALT + 1), None, "in another store");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::parse(&flipped, SALT), None, "bit {bit}");
        }
    }

    #[test]
    fn a_block_is_valid_behind_its_own_predecessor_only() {
        let block = |body: &[u8], chain: &mut Chain| {
            let mut bytes = [&[0; BLOCK_HEAD], body].concat();
            chain.write(&mut bytes);
            bytes
        };
        let reads = |bytes: &[u8], chain: &mut Chain| {
            let (head, body) = bytes.split_first_chunk().unwrap();
            chain.vouches_for(head, body)
        };
        let (mut one, mut other) = (Chain::new(SALT), Chain::new(SALT));
        let ones = [block(b"one", &mut one), block(b"two", &mut one)];
        let others = [block(b"uno", &mut other), block(b"two", &mut other)];
        for (first, second, is_whole) in [(&ones, &ones, true), (&ones, &others, false), (&others, &ones, false)] {
            let mut chain = Chain::new(SALT);
            assert!(reads(&first[0], &mut chain));
            assert_eq!(reads(&second[1], &mut chain), is_whole);
        }
        for bit in 0..ones[0].len() * 8 {
            let mut flipped = ones[0].clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!reads(&flipped, &mut Chain::new(SALT)), "bit {bit}");
        }
    }
}
