//! Chains: doubly linked lists of items that are kept by number. To join and to leave takes the same time everywhere in a
//! chain, and a link takes no memory but two numbers.

/// No number: a chain's end.
pub(crate) const NONE: u32 = u32::MAX;

/// No item stands before the first of a chain, which stores the chain's number with this bit instead. So the numbers of
/// items and of chains are below this bit.
const CHAIN: u32 = 1 << 31;

/// An item's place in a chain: the item before it and the next one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    before: u32,
    pub(crate) next: u32,
}

impl Default for Link {
    fn default() -> Self {
        Self { before: NONE, next: NONE }
    }
}

/// Items that can be chained.
pub(crate) trait Linked {
    fn link(&self, number: u32) -> Link;
    fn link_mut(&mut self, number: u32) -> &mut Link;

    /// Puts an item in front of a chain.
    fn join(&mut self, chain: u32, first: &mut u32, number: u32) {
        *self.link_mut(number) = Link { before: CHAIN | chain, next: *first };
        if *first != NONE {
            self.link_mut(*first).before = number;
        }
        *first = number;
    }

    /// Takes an item out of its chain. If it was the first, returns the chain and the item that is the first now.
    fn leave(&mut self, number: u32) -> Option<(u32, u32)> {
        let Link { before, next } = std::mem::take(self.link_mut(number));
        if next != NONE {
            self.link_mut(next).before = before;
        }
        if before & CHAIN != 0 {
            return Some((before & !CHAIN, next));
        }
        self.link_mut(before).next = next;
        None
    }

    /// Tells its neighbours that an item of a chain stands at this number: it was moved with its link. If it is the first,
    /// returns the chain.
    fn moved(&mut self, number: u32) -> Option<u32> {
        let Link { before, next } = self.link(number);
        if next != NONE {
            self.link_mut(next).before = number;
        }
        if before & CHAIN != 0 {
            return Some(before & !CHAIN);
        }
        self.link_mut(before).next = number;
        None
    }

    /// The chain that this item is the first of.
    fn chain_of(&self, first: u32) -> u32 {
        self.link(first).before & !CHAIN
    }

    /// The items of a chain, by number.
    fn chain(&self, first: u32) -> impl Iterator<Item = u32>
    where
        Self: Sized,
    {
        let next = |number: u32| (number != NONE).then_some(number);
        std::iter::successors(next(first), move |number| next(self.link(*number).next))
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
        fn chains_hold_what_joined_and_did_not_leave(steps in prop::collection::vec((0usize..4, 0u32..8), 0..100)) {
            // One more than are used, for one that moves.
            let mut links = vec![Link::default(); 9];
            let (mut firsts, mut expected) = ([NONE; 3], [const { Vec::new() }; 3]);
            for (chain, number) in steps {
                if chain == 3 {
                    // An item moves away and back.
                    for (from, to) in [(number, 8), (8, number)] {
                        if let Some(of) = expected.iter().position(|chain| chain.contains(&from)) {
                            links[to as usize] = links[from as usize];
                            expected[of].iter_mut().filter(|other| **other == from).for_each(|other| *other = to);
                            if let Some(chain) = links.moved(to) {
                                prop_assert_eq!(chain as usize, of);
                                firsts[of] = to;
                            }
                            prop_assert_eq!(&links.chain(firsts[of]).collect::<Vec<_>>(), &expected[of]);
                        }
                    }
                } else if let Some(chain) = expected.iter().position(|chain| chain.contains(&number)) {
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
