//! What the disk can be asked, and how it fails.

use std::io;
use std::sync::LazyLock;

use fastrand::Rng;

/// A call of the disk's; files by their names.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "what a call was about is read in traces only")]
pub enum Call<'a> {
    Names,
    SyncNames,
    Create(&'a str),
    Open(&'a str),
    Remove(&'a str),
    Rename(&'a str),
    Length(&'a str),
    Read(&'a str, u64, usize),
    /// The first bytes of a write; the rest comes with [`Call::Write`], if the process lives.
    Part(&'a str, u64, usize),
    Write(&'a str, u64, usize),
    Sync(&'a str),
    Cut(&'a str, u64),
    Reserve(&'a str),
    DropCache(&'a str),
    Lock(&'a str),
    Unlock(&'a str),
}

/// An error of the system's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errno {
    InputOutput,
    NoSpace,
    NoHandles,
}

impl Errno {
    pub const ALL: [Self; 3] = [Self::InputOutput, Self::NoSpace, Self::NoHandles];

    /// Whether this call can fail so.
    fn befalls(self, call: Call<'_>) -> bool {
        match self {
            Self::InputOutput => !matches!(call, Call::Part(..) | Call::Lock(_) | Call::Unlock(_)),
            Self::NoSpace => matches!(call, Call::Write(..) | Call::Reserve(_) | Call::Create(_)),
            Self::NoHandles => matches!(call, Call::Open(_) | Call::Create(_)),
        }
    }

    fn error(self) -> io::Error {
        match self {
            Self::InputOutput => input_output(),
            Self::NoSpace => no_space(),
            Self::NoHandles => io::Error::from_raw_os_error(24),
        }
    }
}

/// A call that is to fail.
#[derive(Clone, Copy, Debug)]
pub struct Armed {
    /// Counted from when it was armed.
    pub call: u64,
    pub errno: Errno,
    /// Whether all later calls fail that can fail so.
    pub lasts: bool,
}

/// How often what fails, in 1024 calls; all of it from one schedule's seed.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// A sync refuses what was written since the last.
    pub sync: u16,
    /// The system writes back by itself, in 1024 steps.
    pub write_back: u16,
    /// How many in 1024 of those fail, and nobody is told before the next sync.
    pub write_back_fails: u16,
    /// A read.
    pub read: u16,
    /// A file cannot be opened: no handles are left.
    pub open: u16,
    /// Any other call.
    pub other: u16,
    /// In so many of 1024 calls that need space the disk fills up, or has room again.
    pub space: u16,
    /// Whether the disk is full now.
    pub full: bool,
    /// So many blocks the disk has, if it has a limit.
    pub capacity: Option<usize>,
    /// In so many of 1024 turns another program takes all that is free, and all that is given back from then on; or it lets go
    /// of all that.
    pub competes: u16,
    /// Whether it has it.
    pub is_taken: bool,
    /// A full disk has no room for what was reserved on it either, as where what is written goes to a new place.
    pub breaks_reservations: bool,
    /// The one call that is to fail, and how many there were since.
    pub armed: Option<Armed>,
    pub calls: u64,
    /// Whether it has failed.
    pub struck: bool,
    /// Whether it alone has failed, and was a sync.
    pub struck_a_sync: bool,
    /// The sync that has begun is the one.
    pub sync_struck: bool,
}

/// Another program takes the space of small disks only where it is asked for: what it finds is open (`docs/protocol.md`, known
/// gaps of rule 24).
static COMPETES: LazyLock<bool> = LazyLock::new(|| std::env::var_os("CLOAKROOM_COMPETITOR").is_some());

impl Faults {
    /// What a schedule suffers; most of them nothing, or one kind.
    pub fn draw(rng: &mut Rng) -> Self {
        let mut faults = Self { write_back: [0, 20, 200][rng.usize(..3)], ..Self::default() };
        if rng.bool() {
            // The store's reserves alone take some thirty.
            if rng.u8(..4) == 0 {
                faults.capacity = Some(rng.usize(30..80));
                let competes = [0, 20, 200][rng.usize(..3)];
                faults.competes = if *COMPETES { competes } else { 0 };
            }
            return faults;
        }
        let chance = [3, 20, 100][rng.usize(..3)];
        let kinds = 1 << rng.u8(..5) | if rng.u8(..4) == 0 { rng.u8(..32) } else { 0 };
        let suffers = |kind: u8| if kinds >> kind & 1 == 1 { chance } else { 0 };
        (faults.sync, faults.read, faults.open) = (suffers(0) * 2, suffers(2), suffers(3));
        (faults.space, faults.write_back_fails) = (suffers(4), suffers(0) * 8);
        faults.other = suffers(1);
        faults.breaks_reservations = rng.bool();
        faults
    }

    /// Whether a call may fail at all.
    pub fn may_fail(&self) -> bool {
        let Self { sync, write_back_fails, read, open, other, space, .. } = self;
        [sync, write_back_fails, read, open, other, space].into_iter().any(|chance| *chance > 0) || self.armed.is_some()
    }

    /// Whether the disk may have no space left.
    pub fn may_fill_up(&self) -> bool {
        self.space > 0 || self.capacity.is_some() || self.armed.is_some_and(|armed| armed.errno == Errno::NoSpace)
    }

    /// Whether a write may.
    pub fn writes_may_fail(&self) -> bool {
        self.other > 0 || self.space > 0
    }

    /// A turn has passed: another program may have taken what is free, or let go of it.
    pub fn compete(&mut self, rng: &mut Rng) {
        if self.competes > 0 && rng.u16(..1024) < self.competes {
            self.is_taken = !self.is_taken;
        }
    }

    /// There is space, and will be.
    pub fn free(&mut self) {
        (self.capacity, self.competes, self.is_taken) = (Some(PLENTY), 0, false);
    }

    /// What this call fails with, if it does.
    pub fn strike(&mut self, call: Call<'_>, rng: &mut Rng) -> Option<io::Error> {
        self.calls += 1;
        if let Some(Armed { call: at, errno, lasts }) = self.armed
            && (self.calls == at || lasts && self.calls > at)
            && errno.befalls(call)
        {
            self.struck = true;
            self.struck_a_sync = !lasts && matches!(call, Call::Sync(_) | Call::SyncNames);
            if matches!(call, Call::Sync(_)) {
                self.sync_struck = true;
                return None;
            }
            return Some(errno.error());
        }
        let mut happens = |chance: u16| chance > 0 && rng.u16(..1024) < chance;
        match call {
            Call::Write(..) | Call::Reserve(_) | Call::Create(_) => {
                if happens(self.space) {
                    self.full = !self.full;
                }
                happens(self.other).then(input_output)
            }
            Call::Open(_) => happens(self.open).then(|| Errno::NoHandles.error()),
            // Not an error of the disk, whose bytes are another campaign's.
            Call::Read(..) => happens(self.read).then(|| io::Error::from_raw_os_error(12)),
            // A sync's failure is the file's business, and a part of a write fails with the rest.
            Call::Part(..) | Call::Sync(_) | Call::Unlock(_) | Call::DropCache(_) | Call::Lock(_) => None,
            Call::Names | Call::SyncNames | Call::Remove(_) | Call::Rename(_) | Call::Length(_) | Call::Cut(..) => {
                happens(self.other).then(input_output)
            }
        }
    }
}

/// More blocks than a schedule can take.
const PLENTY: usize = 1 << 20;

pub fn no_space() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

pub fn input_output() -> io::Error {
    io::Error::from_raw_os_error(5)
}
