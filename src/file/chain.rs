//! Chains of things that are kept by number: each says which comes before and which behind it. To join and to leave costs
//! the same wherever in the chain, and takes no memory but the two numbers.

/// No number: a chain's end.
pub(crate) const NONE: u32 = u32::MAX;

/// A thing's place in a chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) before: u32,
    pub(crate) behind: u32,
}

impl Default for Link {
    fn default() -> Self {
        Self { before: NONE, behind: NONE }
    }
}

/// Things that can be chained.
pub(crate) trait Linked {
    fn link(&self, number: u32) -> Link;
    fn link_mut(&mut self, number: u32) -> &mut Link;

    /// Puts a thing in front of a chain.
    fn join(&mut self, first: &mut u32, number: u32) {
        *self.link_mut(number) = Link { before: NONE, behind: *first };
        if *first != NONE {
            self.link_mut(*first).before = number;
        }
        *first = number;
    }

    /// Takes a thing out of its chain; says which is the first now, if it was this one.
    fn leave(&mut self, number: u32) -> Option<u32> {
        let Link { before, behind } = std::mem::take(self.link_mut(number));
        if behind != NONE {
            self.link_mut(behind).before = before;
        }
        if before == NONE {
            return Some(behind);
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
        fn a_chain_holds_what_joined_and_did_not_leave(steps in prop::collection::vec(0u32..8, 0..100)) {
            let mut links = vec![Link::default(); 8];
            let (mut first, mut expected) = (NONE, Vec::new());
            for number in steps {
                if let Some(at) = expected.iter().position(|other| *other == number) {
                    expected.remove(at);
                    first = links.leave(number).unwrap_or(first);
                } else {
                    expected.insert(0, number);
                    links.join(&mut first, number);
                }
                prop_assert_eq!(links.chain(first).collect::<Vec<_>>(), expected.clone());
            }
        }
    }
}
