//! A simulated file: what reads see, what the disk has, and what may become of the difference.

use fastrand::Rng;

/// What a disk writes whole or not at all. Real ones have 512 bytes at least; in smaller pieces more can be torn, and the
/// edges that have to be met by chance are eight times as many.
pub const SECTOR: usize = 64;

/// Bytes, kept in whole sectors, zeros behind the length.
#[derive(Clone, Default)]
struct Content {
    bytes: Vec<u8>,
    length: usize,
}

/// A disk gives space by blocks of so many bytes.
pub const BLOCK: usize = 4096;

impl Content {
    fn grow(&mut self, length: usize) {
        let sectors = length.div_ceil(SECTOR) * SECTOR;
        if self.bytes.len() < sectors {
            self.bytes.resize(sectors, 0);
        }
        self.length = self.length.max(length);
    }

    fn cut(&mut self, length: usize) {
        self.grow(length);
        self.length = length;
        self.bytes[length..].fill(0);
    }

    fn set_sector(&mut self, sector: usize, bytes: &[u8; SECTOR]) {
        let from = sector * SECTOR;
        if self.bytes.len() < from + SECTOR {
            self.bytes.resize(from + SECTOR, 0);
        }
        self.bytes[from..from + SECTOR].copy_from_slice(bytes);
    }

    fn sector(&self, sector: usize) -> [u8; SECTOR] {
        let mut bytes = [0; SECTOR];
        if let Some(found) = self.bytes.get(sector * SECTOR..(sector + 1) * SECTOR) {
            bytes.copy_from_slice(found);
        }
        bytes
    }
}

/// How much of what was not synced a power loss leaves.
#[derive(Clone, Copy, Debug)]
pub enum Survives {
    Nothing,
    Everything,
    /// The first so many changes of each file.
    First(usize),
    /// Any of them, each for itself.
    Any,
}

impl Survives {
    pub fn any(rng: &mut Rng) -> Self {
        match rng.u8(..8) {
            0 => Self::Nothing,
            1 => Self::Everything,
            2 => Self::First(rng.usize(..6)),
            _ => Self::Any,
        }
    }

    /// Which of `versions` is on the disk: 0 is what was synced.
    pub fn choose(self, versions: usize, rng: &mut Rng) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Everything => versions - 1,
            Self::First(count) => count.min(versions - 1),
            Self::Any => rng.usize(..versions),
        }
    }
}

/// A change that no sync has covered.
#[derive(Clone)]
enum Change {
    Sector(usize, Box<[u8; SECTOR]>),
    Length(usize),
}

/// See the module.
#[derive(Clone, Default)]
pub struct Inode {
    cache: Content,
    disk: Content,
    changes: Vec<Change>,
    /// Up to here there is space on the disk.
    reserved: usize,
    /// How often the disk has refused what it was to write.
    pub failures: u64,
}

impl Inode {
    pub fn len(&self) -> usize {
        self.cache.length
    }

    /// Up to where the file has its space on the disk already.
    pub fn space(&self) -> usize {
        self.reserved.max(self.cache.bytes.len())
    }

    /// How many blocks it takes.
    pub fn blocks(&self) -> usize {
        self.reserved.max(self.cache.length).div_ceil(BLOCK)
    }

    /// Whether all up to here has.
    pub fn has_space(&self, end: usize) -> bool {
        end <= self.space()
    }

    pub fn reserve(&mut self, end: usize) {
        self.reserved = self.reserved.max(end);
    }

    pub fn is_dirty(&self) -> bool {
        !self.changes.is_empty()
    }

    pub fn read(&self, into: &mut [u8], at: usize) -> usize {
        let from = at.min(self.cache.length);
        let count = into.len().min(self.cache.length - from);
        into[..count].copy_from_slice(&self.cache.bytes[from..from + count]);
        count
    }

    pub fn write(&mut self, bytes: &[u8], at: usize) {
        if bytes.is_empty() {
            return;
        }
        let end = at + bytes.len();
        if end > self.cache.length {
            self.cache.grow(end);
            self.changes.push(Change::Length(end));
        }
        self.cache.bytes[at..end].copy_from_slice(bytes);
        for sector in at / SECTOR..end.div_ceil(SECTOR) {
            self.changes.push(Change::Sector(sector, Box::new(self.cache.sector(sector))));
        }
    }

    pub fn cut(&mut self, length: usize) {
        self.reserved = 0;
        if length == self.cache.length {
            return;
        }
        self.cache.cut(length);
        self.changes.push(Change::Length(length));
        if !length.is_multiple_of(SECTOR) {
            let sector = length / SECTOR;
            self.changes.push(Change::Sector(sector, Box::new(self.cache.sector(sector))));
        }
    }

    /// All that was written is on the disk.
    pub fn sync(&mut self) {
        for change in std::mem::take(&mut self.changes) {
            self.write_back(&change);
        }
        // What was cut off and reached again in between is zeros.
        self.disk.cut(self.disk.length);
    }

    fn write_back(&mut self, change: &Change) {
        match change {
            Change::Sector(sector, bytes) => self.disk.set_sector(*sector, bytes),
            Change::Length(length) => {
                self.disk.grow(*length);
                self.disk.length = *length;
            }
        }
    }

    /// The disk refuses some of what was written. The page cache takes all of it for clean from now on, and still shows
    /// it. Lengths are the journal's business, and get through.
    pub fn fail(&mut self, rng: &mut Rng) {
        self.failures += 1;
        let all = rng.bool();
        let refused = rng.u64(..);
        for change in std::mem::take(&mut self.changes) {
            let refuse = matches!(change, Change::Sector(sector, _) if all || refused >> (sector % 64) & 1 == 1);
            if !refuse {
                self.write_back(&change);
            }
        }
    }

    /// The system writes the oldest changes to the disk by itself.
    pub fn write_some_back(&mut self, rng: &mut Rng) {
        let count = rng.usize(..=self.changes.len());
        for change in self.changes.drain(..count).collect::<Vec<_>>() {
            self.write_back(&change);
        }
    }

    /// What is clean is read from the disk again.
    pub fn drop_cache(&mut self) {
        let mut cache = self.disk.clone();
        let length = self.cache.length;
        for change in &self.changes {
            if let Change::Sector(sector, bytes) = change {
                cache.set_sector(*sector, bytes);
            }
        }
        cache.cut(length);
        self.cache = cache;
    }

    /// The machine stops: each sector is as it was synced, or as it was written since, and so is the length.
    pub fn lose_power(&mut self, survives: Survives, rng: &mut Rng) {
        let changes = std::mem::take(&mut self.changes);
        let mut sectors: Vec<usize> = Vec::new();
        let mut lengths = vec![self.disk.length];
        for change in &changes {
            match change {
                Change::Sector(sector, _) if !sectors.contains(sector) => sectors.push(*sector),
                Change::Sector(..) => {}
                Change::Length(length) => lengths.push(*length),
            }
        }
        // The first so many changes of all, in their order.
        if let Survives::First(count) = survives {
            for change in changes.iter().take(count) {
                self.write_back(change);
            }
        } else {
            for sector in sectors {
                let versions = changes.iter().filter_map(|change| match change {
                    Change::Sector(number, bytes) if *number == sector => Some(bytes),
                    _ => None,
                });
                let versions: Vec<_> = versions.collect();
                let chosen = survives.choose(versions.len() + 1, rng);
                if chosen > 0 {
                    self.disk.set_sector(sector, versions[chosen - 1]);
                }
            }
            let length = lengths[survives.choose(lengths.len(), rng)];
            self.disk.grow(length);
            self.disk.length = length;
        }
        self.disk.cut(self.disk.length);
        self.cache = self.disk.clone();
        self.failures = 0;
    }
}

/// A name's file: on the disk, and since.
#[derive(Default)]
pub struct Name {
    pub durable: Option<usize>,
    pub since: Vec<Option<usize>>,
}

impl Name {
    pub fn now(&self) -> Option<usize> {
        self.since.last().copied().unwrap_or(self.durable)
    }
}
