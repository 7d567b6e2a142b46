//! Live bytes: how many bytes of each segment are still needed.

/// Bytes of the frames that are needed. Nearly all additions are to the newest segment, which is looked at first.
#[derive(Default)]
pub(crate) struct LiveBytes {
    /// The segments that hold needed frames, in order, and the bytes of these.
    segments: Vec<(u32, u64)>,
    all: u64,
}

impl LiveBytes {
    pub(crate) fn add(&mut self, segment: u32, bytes: u64) {
        self.all += bytes;
        match self.find(segment) {
            Ok(at) => self.segments[at].1 += bytes,
            Err(at) => self.segments.insert(at, (segment, bytes)),
        }
    }

    /// This many bytes, which were added, are needed no longer.
    pub(crate) fn take(&mut self, segment: u32, bytes: u64) {
        self.all -= bytes;
        let at = self.find(segment).expect("what is taken was added");
        self.segments[at].1 -= bytes;
        if self.segments[at].1 == 0 {
            self.segments.remove(at);
        }
    }

    pub(crate) fn all(&self) -> u64 {
        self.all
    }

    pub(crate) fn within(&self, segment: u32) -> u64 {
        self.find(segment).map_or(0, |at| self.segments[at].1)
    }

    /// The oldest segment that holds a needed frame.
    pub(crate) fn first(&self) -> Option<u32> {
        self.segments.first().map(|(segment, _)| *segment)
    }

    fn find(&self, segment: u32) -> Result<usize, usize> {
        match self.segments.last() {
            Some((last, _)) if *last == segment => Ok(self.segments.len() - 1),
            _ => self.segments.binary_search_by_key(&segment, |(segment, _)| *segment),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_is_what_was_added_and_not_taken() {
        let mut live = LiveBytes::default();
        for (segment, bytes) in [(3, 10), (3, 5), (7, 1), (5, 20), (7, 2)] {
            live.add(segment, bytes);
        }
        assert_eq!([2, 3, 5, 7].map(|segment| live.within(segment)), [0, 15, 20, 3]);
        assert_eq!((live.all(), live.first()), (38, Some(3)));
        live.take(3, 10);
        live.take(3, 5);
        assert_eq!((live.all(), live.first(), live.within(3)), (23, Some(5), 0));
        live.take(5, 20);
        live.take(7, 3);
        assert_eq!((live.all(), live.first()), (0, None));
    }
}
