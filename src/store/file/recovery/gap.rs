//! The gap between what the last page knew to be durable and what an opener finds of the log (rule 28).
//!
//! A page on disk is never ahead of the log, for its words are stored after the sync that they tell of; it may be as old as it
//! likes. So a log that ends before the page's mark lacks what was durable once: a segment was removed, an old copy was put in
//! its place, or the disk has lied.

use crate::store::file::disk::page::Legacy;
use crate::store::file::format::position::Position;
use crate::store::file::format::segment;

/// Up to where the log was durable, if it ends before that. Also if a recovery that had found this did not come to its end.
pub(crate) fn find(legacy: Legacy, end: Position) -> Option<Position> {
    let (known, gap) = (Position::from_u64(legacy.known), Position::from_u64(legacy.gap));
    // A recovery leaves a place in a segment, and no later one than was known. Another word is a garbled one, and must not make
    // a healthy log look cut.
    let is_left = gap.segment() > 0 && gap.offset() >= segment::HEADER && gap <= known;
    Some(known).filter(|known| end < *known).or(Some(gap).filter(|_| is_left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_what_was_known_beyond_the_end_or_what_a_recovery_has_left() {
        let [one, two, three] = [1, 2, 3].map(|segment| Position::new(segment, 64));
        let find = |known: Position, gap: Position, end| {
            super::find(Legacy { salt: 0, known: known.as_u64(), gap: gap.as_u64() }, end)
        };
        let none = Position::default();
        assert_eq!(find(none, none, one), None);
        assert_eq!(find(two, none, two), None);
        assert_eq!(find(two, none, three), None);
        assert_eq!(find(two, none, one), Some(two));
        assert_eq!(find(three, two, three), Some(two));
        assert_eq!(find(three, two, two), Some(three));
    }

    #[test]
    fn a_garbled_word_is_no_gap() {
        let known = Position::new(3, 1_000);
        for bit in 0..64 {
            let legacy = Legacy { salt: 0, known: known.as_u64(), gap: 1 << bit };
            assert_eq!(find(legacy, known), None, "bit {bit}");
        }
        let noise = Legacy { salt: 0, known: known.as_u64(), gap: 0xa5a5_a5a5_a5a5_a5a5 };
        assert_eq!(find(noise, known), None);
    }
}
