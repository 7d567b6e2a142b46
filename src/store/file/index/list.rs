//! Chains of things that are kept by number: each says which comes before and which behind it. To join and to leave costs
//! the same wherever in the chain, and takes no memory but the two numbers.

/// No number: a chain's end.
pub(crate) const NONE: u32 = u32::MAX;

/// What comes before the first thing of a chain is the chain: its own number with this bit. So numbers, of things and of
/// chains, are below it.
const CHAIN: u32 = 1 << 31;

/// A thing's place in a chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    before: u32,
    pub(crate) behind: u32,
}

impl Default for Link {
    fn default() -> Self {
        Self::before(NONE)
    }
}

impl Link {
    /// In no chain, but for what is behind it.
    pub(crate) fn before(behind: u32) -> Self {
        Self { before: NONE, behind }
    }
}

/// Things that can be chained.
pub(crate) trait Linked {
    fn link(&self, number: u32) -> Link;
    fn link_mut(&mut self, number: u32) -> &mut Link;

    /// Puts a thing in front of a chain.
    fn join(&mut self, chain: u32, first: &mut u32, number: u32) {
        *self.link_mut(number) = Link { before: CHAIN | chain, behind: *first };
        if *first != NONE {
            self.link_mut(*first).before = number;
        }
        *first = number;
    }

    /// Takes a thing out of its chain. If it was the first, says of which chain, and which is the first now.
    fn leave(&mut self, number: u32) -> Option<(u32, u32)> {
        let Link { before, behind } = std::mem::take(self.link_mut(number));
        if behind != NONE {
            self.link_mut(behind).before = before;
        }
        if before & CHAIN != 0 {
            return Some((before & !CHAIN, behind));
        }
        self.link_mut(before).behind = behind;
        None
    }

    /// The numbers of a chain.
    fn chain(&self, first: u32) -> impl Iterator<Item = u32>
    where
        Self: Sized,
    {
        let next = |number: u32| (number != NONE).then_some(number);
        std::iter::successors(next(first), move |number| next(self.link(*number).behind))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Linked for Vec<Link> {
        fn link(&self, number: u32) -> Link {
            self[number as usize]
        }

        fn link_mut(&mut self, number: u32) -> &mut Link {
            &mut self[number as usize]
        }
    }

    proptest! {
        #[test]
        fn chains_hold_what_joined_and_did_not_leave(steps in prop::collection::vec((0usize..3, 0u32..8), 0..100)) {
            let mut links = vec![Link::default(); 8];
            let (mut firsts, mut expected) = ([NONE; 3], [const { Vec::new() }; 3]);
            for (chain, number) in steps {
                if let Some(chain) = expected.iter().position(|chain| chain.contains(&number)) {
                    expected[chain].retain(|other| *other != number);
                    if let Some((left, first)) = links.leave(number) {
                        prop_assert_eq!(left as usize, chain);
                        firsts[chain] = first;
                    }
                } else {
                    expected[chain].insert(0, number);
                    links.join(chain as u32, &mut firsts[chain], number);
                }
                for (first, expected) in firsts.iter().zip(&expected) {
                    prop_assert_eq!(&links.chain(*first).collect::<Vec<_>>(), expected);
                }
            }
        }
    }
}
