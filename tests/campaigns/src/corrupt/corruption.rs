//! One corruption of a store's segments, and the list of all that a store is put through.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::log::{Frame, HEAD, HEADER, Hints, Segments};
use super::store::{Left, bodies};

/// What happens to the files. Places are bytes of a file.
#[derive(Clone, Debug)]
pub enum Corruption {
    /// One bit, by chance.
    Flip {
        file: u32,
        at: usize,
    },
    /// The file ends here.
    Cut {
        file: u32,
        at: usize,
    },
    /// The file's end was never written: zeros instead.
    Zeroed {
        file: u32,
        at: usize,
    },
    Missing {
        files: Vec<u32>,
    },
    Swapped {
        files: [u32; 2],
    },
    /// A file is there a second time, under this number.
    Duplicate {
        of: u32,
        at: u32,
    },
    Headless {
        files: Vec<u32>,
    },
    /// A block of a disk or of a file system.
    Block(Block),
    /// A whole frame from another place of the store, in the place of one.
    CopiedFrame,
    /// A head that promises a body of this length, and passes its own check (or does not).
    ForgedLength {
        frame: usize,
        length: u32,
        checked: bool,
    },
    Appended {
        file: u32,
        what: Appended,
    },
    /// Nothing happens to a segment.
    Hint(OfHint),
}

/// What happens to a hint.
#[derive(Clone, Copy, Debug)]
pub enum OfHint {
    Flip {
        file: u32,
        at: usize,
    },
    Cut {
        file: u32,
        at: usize,
    },
    Zeroed {
        file: u32,
        at: usize,
    },
    Appended {
        file: u32,
    },
    /// Another's in its place.
    Copied {
        of: u32,
        at: u32,
    },
    /// Noise over a part of it, or all.
    Noise {
        file: u32,
    },
}

impl OfHint {
    fn all(hints: &Hints) -> impl Iterator<Item = Self> {
        hints.iter().flat_map(|(&file, bytes)| {
            let flips = (0..bytes.len()).map(move |at| Self::Flip { file, at });
            let cuts = (0..bytes.len()).map(move |at| Self::Cut { file, at });
            let zeroed = (0..bytes.len()).step_by(7).map(move |at| Self::Zeroed { file, at });
            let others = (0..20).flat_map(move |_| [Self::Appended { file }, Self::Noise { file }]);
            let copied = hints.keys().copied().chain([file + 1]).filter(move |at| *at != file);
            let copied = copied.map(move |at| Self::Copied { of: file, at });
            flips.chain(cuts).chain(zeroed).chain(others).chain(copied)
        })
    }

    fn happen_to(self, hints: &mut Hints, bit: u64, random: &mut fastrand::Rng) {
        let (Self::Flip { file, .. }
        | Self::Cut { file, .. }
        | Self::Zeroed { file, .. }
        | Self::Appended { file }
        | Self::Noise { file }
        | Self::Copied { of: file, .. }) = self;
        let hint = hints.get_mut(&file).expect("the list names the store's own hints");
        match self {
            Self::Flip { at, .. } => hint[at] ^= 1 << bit,
            Self::Cut { at, .. } => hint.truncate(at),
            Self::Zeroed { at, .. } => hint[at..].fill(0),
            Self::Appended { .. } => hint.extend((0..random.usize(1..3000)).map(|_| random.u8(..))),
            Self::Noise { .. } => {
                let from = random.usize(..hint.len());
                hint[from..].iter_mut().for_each(|byte| *byte = random.u8(..));
            }
            Self::Copied { at, .. } => {
                let copy = hint.clone();
                hints.insert(at, copy);
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Block {
    Swapped,
    Zeros,
    Noise,
    Copied,
    CopiedIntoBody,
}

#[derive(Clone, Copy, Debug)]
pub enum Appended {
    Zeros,
    Noise,
    /// The segment's own frames once more.
    Itself,
}

/// What a store is put through once; bits and blocks are others the next time.
pub fn all(left: &Left, twin: &Left) -> Vec<Corruption> {
    let mut all = Vec::new();
    let lengths: Vec<(u32, usize)> = left.segments.iter().map(|(file, bytes)| (*file, bytes.len())).collect();
    let files: Vec<u32> = lengths.iter().map(|(file, _)| *file).collect();
    for (file, length) in lengths {
        // What two stores have in common is damaged in one of them.
        if twin.segments.get(&file) == left.segments.get(&file) && !std::ptr::eq(left, twin) {
            continue;
        }
        all.extend((0..length).map(|at| Corruption::Flip { file, at }));
        all.extend((0..=length).map(|at| Corruption::Cut { file, at }));
        all.extend((HEADER..length).step_by(7).map(|at| Corruption::Zeroed { file, at }));
        for what in [Appended::Zeros, Appended::Noise, Appended::Itself] {
            all.extend((0..10).map(|_| Corruption::Appended { file, what }));
        }
    }
    for (n, file) in files.iter().enumerate() {
        for other in &files[n + 1..] {
            all.push(Corruption::Swapped { files: [*file, *other] });
        }
        for at in files.iter().chain(&[files[files.len() - 1] + 1, files[files.len() - 1] + 3]) {
            all.extend((at != file).then_some(Corruption::Duplicate { of: *file, at: *at }));
        }
        // A log without a file is not one that has lost one.
        for missing in 1..files.len() - n + usize::from(n > 0) {
            all.push(Corruption::Missing { files: files[n..(n + missing).min(files.len())].to_vec() });
        }
        all.push(Corruption::Headless { files: files[n..].to_vec() });
        all.push(Corruption::Headless { files: files[..=n].to_vec() });
    }
    for (frame, _) in left.frames.iter().enumerate() {
        for length in [u32::MAX, 1 << 31, 1 << 20, 1] {
            all.extend([true, false].map(|checked| Corruption::ForgedLength { frame, length, checked }));
        }
    }
    if std::ptr::eq(left, twin) {
        all.extend(OfHint::all(&left.hints).map(Corruption::Hint));
    }
    all.extend((0..1000).map(|_| Corruption::CopiedFrame));
    for block in [Block::Swapped, Block::Zeros, Block::Noise, Block::Copied, Block::CopiedIntoBody] {
        all.extend((0..500).map(|_| Corruption::Block(block)));
    }
    all
}

impl Corruption {
    /// Whether it is one of a hundred thousand that differ in a byte.
    pub fn is_single(&self) -> bool {
        matches!(self, Self::Flip { .. } | Self::Cut { .. } | Self::Zeroed { .. } | Self::Hint(_))
    }

    /// The files as they are afterwards. `pass` says how often the whole list was gone through before: a byte has eight bits.
    pub fn applied(&self, left: &Left, pass: u64, random: &mut fastrand::Rng) -> Segments {
        let mut files = left.segments.clone();
        match self {
            Self::Flip { file, at } => {
                bytes(&mut files, *file)[*at] ^= 1 << bit_of(*at, pass);
            }
            Self::Cut { file, at } => bytes(&mut files, *file).truncate(*at),
            Self::Zeroed { file, at } => bytes(&mut files, *file)[*at..].fill(0),
            Self::Missing { files: missing } => missing.iter().for_each(|file| drop(files.remove(file))),
            Self::Swapped { files: [one, two] } => {
                let kept = std::mem::take(bytes(&mut files, *one));
                let kept = std::mem::replace(bytes(&mut files, *two), kept);
                *bytes(&mut files, *one) = kept;
            }
            Self::Duplicate { of, at } => {
                let copy = files[of].clone();
                files.insert(*at, copy);
            }
            Self::Headless { files: headless } => {
                for file in headless {
                    let bytes = bytes(&mut files, *file);
                    // The first block of a disk, or less.
                    let length = if random.bool() { HEADER } else { 4096.min(bytes.len()) };
                    bytes[..length].fill(if random.bool() { 0 } else { random.u8(..) });
                }
            }
            Self::Block(block) => damage_block(*block, left, &mut files, random),
            Self::CopiedFrame => {
                let frame = |random: &mut fastrand::Rng| &left.frames[random.usize(..left.frames.len())];
                let (from, onto) = (frame(random), frame(random));
                write(&mut files, onto.segment, onto.from, &left.segments[&from.segment][from.from..from.to]);
            }
            Self::ForgedLength { frame, length, checked } => {
                forge(left, &left.frames[*frame], *length, *checked, &mut files)
            }
            Self::Appended { file, what } => {
                let count = random.usize(1..5000);
                let bytes = bytes(&mut files, *file);
                match what {
                    Appended::Zeros => bytes.resize(bytes.len() + count, 0),
                    Appended::Noise => bytes.extend((0..count).map(|_| random.u8(..))),
                    Appended::Itself => bytes.extend_from_within(HEADER..),
                }
            }
            Self::Hint(_) => {}
        }
        files
    }

    /// The hints that lie beside the files afterwards: for half of all cases none, as if nobody had made any, and of the others
    /// some have lost one or two.
    pub fn hints(&self, left: &Left, pass: u64, random: &mut fastrand::Rng) -> Hints {
        let mut hints = left.hints.clone();
        match self {
            Self::Hint(of_hint) => {
                let at = match of_hint {
                    OfHint::Flip { at, .. } => *at,
                    _ => 0,
                };
                of_hint.happen_to(&mut hints, bit_of(at, pass), random);
            }
            _ if random.bool() => hints.clear(),
            _ if random.bool() => hints.retain(|_, _| random.bool()),
            _ => {}
        }
        hints
    }
}

/// All bits of a byte in eight passes, and another one first for each byte.
fn bit_of(at: usize, pass: u64) -> u64 {
    let bit = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 61;
    (bit + pass) % 8
}

fn bytes(files: &mut Segments, file: u32) -> &mut Vec<u8> {
    files.get_mut(&file).expect("the list names the store's own files")
}

/// Writes as far as the file goes.
fn write(files: &mut Segments, file: u32, at: usize, new: &[u8]) {
    let old = &mut bytes(files, file)[at..];
    let length = new.len().min(old.len());
    old[..length].copy_from_slice(&new[..length]);
}

fn damage_block(block: Block, left: &Left, files: &mut Segments, random: &mut fastrand::Rng) {
    let size = if random.bool() { 512 } else { 4096 };
    let numbers: Vec<u32> = files.keys().copied().collect();
    let place = |random: &mut fastrand::Rng| {
        let file = numbers[random.usize(..numbers.len())];
        (file, random.usize(..left.segments[&file].len().div_ceil(size)) * size)
    };
    let ((file, at), (other, from)) = (place(random), place(random));
    let copy = |file: u32, at: usize| {
        let bytes = &left.segments[&file];
        bytes[at..(at + size).min(bytes.len())].to_vec()
    };
    match block {
        Block::Swapped => {
            let length = copy(file, at).len().min(copy(other, from).len());
            write(files, file, at, &copy(other, from)[..length]);
            write(files, other, from, &copy(file, at)[..length]);
        }
        Block::Zeros => write(files, file, at, &vec![0; size]),
        Block::Noise => {
            let noise: Vec<u8> = (0..size).map(|_| random.u8(..)).collect();
            write(files, file, at, &noise);
        }
        Block::Copied => write(files, file, at, &copy(other, from)),
        // Whole frames where a value was: nothing inside a damaged value may count.
        Block::CopiedIntoBody => {
            let bodies: Vec<&Frame> = bodies(&left.frames).collect();
            let onto = bodies[random.usize(..bodies.len())];
            let start = left.frames[random.usize(..left.frames.len())].from;
            let frames = &left.segments[&onto.segment];
            let frames = &frames[start.min(frames.len())..];
            let room = onto.to - onto.from - HEAD;
            write(files, onto.segment, onto.from + HEAD, &frames[..room.min(frames.len())]);
        }
    }
}

/// A head with another length. With the right check it is what a bug or a hand that knows the salt would write; nobody may
/// believe it further than the file goes.
fn forge(left: &Left, frame: &Frame, length: u32, checked: bool, files: &mut Segments) {
    let segment = bytes(files, frame.segment);
    let salt = u64::from_le_bytes(segment[16..24].try_into().expect("the salt has eight bytes"));
    let head = &mut segment[frame.from..frame.from + HEAD];
    // Longer than the file in any case: else it would tell where its body ends, and rightly so.
    let length = length.max(left.segments[&frame.segment].len() as u32);
    head[..4].copy_from_slice(&length.to_le_bytes());
    if checked {
        let others = [&head[..16], &head[20..]].concat();
        let seed = salt ^ frame.position().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        head[16..20].copy_from_slice(&(xxh3_64_with_seed(&others, seed) as u32).to_le_bytes());
    }
}
