//! Every name that the store gives to a file of its directory. Other files are left alone.

use crate::store::file::format::position::Position;

/// Held by a process while it opens the directory.
pub(crate) const OPENING_LOCK: &str = "opening.lock";
/// Held by each process that has the directory open.
pub(crate) const USERS_LOCK: &str = "users.lock";
/// Held by the process that writes.
pub(crate) const WRITER_LOCK: &str = "writer.lock";
/// The page that all processes share.
pub(crate) const SHARED_PAGE: &str = "tail.page";
/// The folder for what was found damaged.
pub(crate) const QUARANTINE: &str = "quarantine";

/// A segment.
pub(crate) fn segment(number: u32) -> String {
    format!("{number:08}.log")
}

/// The number of the segment with this name; `None` for any other file.
pub(crate) fn segment_number(name: &str) -> Option<u32> {
    let number = name.strip_suffix(".log")?.parse().ok()?;
    (segment(number) == name).then_some(number)
}

/// A segment's hint.
pub(crate) fn hint(segment: u32) -> String {
    format!("{segment:08}.hint")
}

/// The number of the segment whose hint has this name; `None` for any other file.
pub(crate) fn hint_number(name: &str) -> Option<u32> {
    let number = name.strip_suffix(".hint")?.parse().ok()?;
    (hint(number) == name).then_some(number)
}

/// What stood at a damaged place, in the quarantine.
pub(crate) fn set_aside(at: Position) -> String {
    format!("{}-{:08x}", segment(at.segment()), at.offset())
}

/// What the name of a file begins with until it is whole.
const HALF_WRITTEN: &str = ".half-written-";

/// A file that is being written.
pub(crate) fn half_written(random: u64) -> String {
    format!("{HALF_WRITTEN}{random:016x}")
}

/// Whether the file with this name was never finished, if no process is writing it now.
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
