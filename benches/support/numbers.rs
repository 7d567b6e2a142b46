//! Numbers that look random and are the same in every run.

/// A stream of numbers (SplitMix64).
#[derive(Clone)]
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Puts things into an order of its own choice (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            things.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffled_order_has_everything_once() {
        let mut things: Vec<u32> = (0..50).collect();
        Numbers(7).shuffle(&mut things);
        assert_ne!(things, (0..50).collect::<Vec<_>>());
        things.sort_unstable();
        assert_eq!(things, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn the_same_seed_gives_the_same_order() {
        let order = |seed| {
            let mut things: Vec<u32> = (0..14).collect();
            Numbers(seed).shuffle(&mut things);
            things
        };
        assert_eq!(order(3), order(3));
        assert_ne!(order(3), order(4));
    }

    #[test]
    fn everything_comes_first_at_times() {
        let mut numbers = Numbers(1);
        let mut firsts = [0; 5];
        for _ in 0..1_000 {
            let mut things = [0, 1, 2, 3, 4];
            numbers.shuffle(&mut things);
            firsts[things[0]] += 1;
        }
        assert!(firsts.iter().all(|&times| (120..280).contains(&times)), "{firsts:?}");
    }
}
