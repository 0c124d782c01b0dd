//! Sets of numbers that were given out one after another.

use std::collections::BTreeMap;

/// Numbers, as ranges: those of spans and of images follow each other, so that there are few.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Ids {
    /// The last of each range, by its first.
    ranges: BTreeMap<u64, u64>,
}

impl Ids {
    /// Adds a number; answers whether it is new.
    pub(crate) fn insert(&mut self, id: u64) -> bool {
        let before = self.ranges.range(..=id).next_back().map(|(&first, &last)| (first, last));
        if before.is_some_and(|(_, last)| id <= last) {
            return false;
        }
        let first = before.filter(|&(_, last)| last + 1 == id).map_or(id, |(first, _)| first);
        let after = id.checked_add(1).and_then(|next| self.ranges.remove(&next));
        self.ranges.insert(first, after.unwrap_or(id));
        true
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u64 {
        self.ranges.iter().map(|(first, last)| length(*first, *last)).sum()
    }

    /// How many of them are not among others.
    pub(crate) fn missing_from(&self, others: &Ids) -> u64 {
        self.len()
            - self.ranges.iter().map(|(&first, &last)| others.within(first, last)).sum::<u64>()
    }

    /// How many lie from one number to another.
    fn within(&self, first: u64, last: u64) -> u64 {
        let before = self.ranges.range(..first).next_back();
        let touching = before.into_iter().chain(self.ranges.range(first..=last));
        let parts = touching.map(|(&from, &to)| (from.max(first), to.min(last)));
        parts.filter(|(from, to)| from <= to).map(|(from, to)| length(from, to)).sum()
    }
}

/// Numbers in a range. That of all there are is one less than it holds.
fn length(first: u64, last: u64) -> u64 {
    (last - first).saturating_add(1)
}

impl Extend<u64> for Ids {
    fn extend<I: IntoIterator<Item = u64>>(&mut self, ids: I) {
        for id in ids {
            self.insert(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_new_once_and_ranges_grow_together() {
        let (mut ids, mut plain) = (Ids::default(), HashSet::new());
        for k in 0..2000u64 {
            let id = k * k * 7919 % 600;
            assert_eq!(ids.insert(id), plain.insert(id), "{id}");
        }
        for id in [u64::MAX, u64::MAX - 1, u64::MAX] {
            assert_eq!(ids.insert(id), plain.insert(id), "{id}");
        }
        (0..600).for_each(|id| assert_eq!(ids.insert(id), plain.insert(id)));
        assert_eq!(
            ids.ranges.into_iter().collect::<Vec<_>>(),
            [(0, 599), (u64::MAX - 1, u64::MAX)]
        );
    }

    proptest! {
        #[test]
        fn what_is_missing_is_what_a_plain_set_misses(
            one in proptest::collection::hash_set(0..60u64, 0..60),
            other in proptest::collection::hash_set(0..60u64, 0..60),
        ) {
            let (mut ids, mut others) = (Ids::default(), Ids::default());
            ids.extend(one.iter().copied());
            others.extend(other.iter().copied());
            prop_assert_eq!(ids.len(), one.len() as u64);
            prop_assert_eq!(ids.missing_from(&others), one.difference(&other).count() as u64);
        }
    }
}
