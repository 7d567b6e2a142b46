//! Every name that the store gives to a file of its directory. The store leaves other files alone.

use crate::store::file::format::position::Position;

/// The openers' lock: a process holds it while it opens the directory (rule 9), or looks through it while no process uses it.
pub(crate) const OPENING_LOCK: &str = "opening.lock";
/// The users' lock: all other processes that have the directory open hold it shared (rule 9).
pub(crate) const USERS_LOCK: &str = "users.lock";
/// The writer lock: the process that holds it may append.
pub(crate) const WRITER_LOCK: &str = "writer.lock";
/// The directory itself, which is locked beside the users' lock: that lock goes with no file (rule 22).
pub(crate) const DIRECTORY: &str = ".";
/// The page that all processes share.
pub(crate) const SHARED_PAGE: &str = "tail.page";
/// The spare: space on the disk, which the next roll makes the next segment (rule 24).
pub(crate) const SPARE: &str = "next.segment";
/// What the index held when the log was closed.
pub(crate) const SNAPSHOT: &str = "index.snapshot";
/// The folder for damaged bytes that were set aside.
pub(crate) const QUARANTINE: &str = "quarantine";

/// The name of a segment.
pub(crate) fn segment(number: u32) -> String {
    format!("{number:08}.log")
}

/// The number of the segment with this name; `None` for any other file.
pub(crate) fn segment_number(name: &str) -> Option<u32> {
    let number = name.strip_suffix(".log")?.parse().ok()?;
    (segment(number) == name).then_some(number)
}

/// The name of a segment's hint.
pub(crate) fn hint(segment: u32) -> String {
    format!("{segment:08}.hint")
}

/// The number of the segment whose hint has this name; `None` for any other file.
pub(crate) fn hint_number(name: &str) -> Option<u32> {
    let number = name.strip_suffix(".hint")?.parse().ok()?;
    (hint(number) == name).then_some(number)
}

/// The name, in the quarantine, of the bytes that stood at a damaged place.
pub(crate) fn set_aside(at: Position) -> String {
    format!("{}-{:08x}", segment(at.segment()), at.offset())
}

/// The name of a file begins with this until the file is whole.
const HALF_WRITTEN: &str = ".half-written-";

/// The name of a file that is being written.
pub(crate) fn half_written(random: u64) -> String {
    format!("{HALF_WRITTEN}{random:016x}")
}

/// Whether this names a file that is being written. Where no process uses the directory, a crash has left it.
pub(crate) fn is_half_written(name: &str) -> bool {
    name.starts_with(HALF_WRITTEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_segments_own_name_is_one() {
        assert_eq!(segment_number("00000012.log"), Some(12));
        assert_eq!(segment_number(&segment(u32::MAX)), Some(u32::MAX));
        for stray in ["12.log", "00000012.log~", "+0000012.log", "00000012.LOG", "00000012.hint", "lock", ""] {
            assert_eq!(segment_number(stray), None, "{stray}");
        }
    }

    #[test]
    fn only_a_hints_own_name_is_one() {
        assert_eq!(hint_number("00000012.hint"), Some(12));
        assert_eq!(hint_number(&hint(u32::MAX)), Some(u32::MAX));
        for stray in ["12.hint", "00000012.hint~", "+0000012.hint", "00000012.HINT", "00000012.log", ""] {
            assert_eq!(hint_number(stray), None, "{stray}");
        }
    }
}
