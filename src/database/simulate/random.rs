//! Numbers that look random and are the same for the same seed everywhere (SplitMix64): a run can be had again by its
//! seed, in any version and on any machine.

/// A generator of numbers.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The numbers of a seed.
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Numbers of their own for one part of the work, so that leaving out other parts does not change them.
    pub(super) fn part(seed: u64, part: usize) -> Random {
        let mut random = Random(seed ^ (part as u64).wrapping_mul(0xd6e8_feb8_6659_fd93));
        random.next();
        random
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is at least 1. That some come up a little more often does not matter here.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Whether something happens that does so this often.
    pub(super) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of some, which are at least one.
    pub(super) fn one<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }

    /// Puts them in a random order.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_for_ever() {
        let mut random = Random::new(1234567);
        // The numbers of the algorithm's own reference for this seed.
        assert_eq!(
            [random.next(), random.next(), random.next()],
            [6457827717110365317, 3203168211198807973, 9817491932198370423]
        );
        let parts: Vec<u64> = (0..3).map(|part| Random::part(7, part).next()).collect();
        assert!(parts[0] != parts[1] && parts[1] != parts[2]);
    }

    #[test]
    fn a_shuffle_keeps_all_and_reaches_every_order() {
        let mut random = Random::new(1);
        let orders: std::collections::BTreeSet<Vec<u8>> = (0..200)
            .map(|_| {
                let mut items = vec![0, 1, 2];
                random.shuffle(&mut items);
                items
            })
            .collect();
        assert_eq!(orders.len(), 6);
    }
}
