//! When a component was at work.

use crate::spans::{Run, seconds};

/// Disjoint intervals, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Busy(Vec<(u64, u64)>);

impl Busy {
    /// The time that any of a run's images takes.
    pub(crate) fn of(run: &Run) -> Self {
        Busy::merged(run.images.iter().map(|image| (image.start, image.end)).collect())
    }

    /// The time that any of several is at work.
    pub(crate) fn any<'a>(all: impl Iterator<Item = &'a Busy>) -> Self {
        Busy::merged(all.flat_map(|busy| busy.0.iter().copied()).collect())
    }

    fn merged(mut intervals: Vec<(u64, u64)>) -> Self {
        intervals.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::new();
        for (from, to) in intervals {
            match merged.last_mut().filter(|last| from <= last.1) {
                Some(last) => last.1 = last.1.max(to),
                None => merged.push((from, to)),
            }
        }
        Busy(merged)
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.0.iter().map(|&(from, to)| seconds(from, to)).sum()
    }

    /// Busy seconds between two instants.
    pub(crate) fn seconds_within(&self, from: u64, to: u64) -> f64 {
        let first = self.0.partition_point(|interval| interval.1 <= from);
        let touching = self.0[first..].iter().take_while(|interval| interval.0 < to);
        touching.map(|interval| seconds(interval.0.max(from), interval.1.min(to))).sum()
    }

    /// Seconds when both are at work.
    pub(crate) fn seconds_with(&self, other: &Busy) -> f64 {
        self.0.iter().map(|&(from, to)| other.seconds_within(from, to)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn intervals_are_merged_cut_and_intersected() {
        let busy = Busy::merged(vec![(5 * S, 6 * S), (S, 2 * S), (2 * S, 3 * S), (S, S)]);
        assert_eq!(busy, Busy(vec![(S, 3 * S), (5 * S, 6 * S)]));
        assert_eq!(busy.seconds(), 3.0);
        assert_eq!(busy.seconds_within(2 * S, 5 * S + S / 2), 1.5);
        assert_eq!(busy.seconds_within(3 * S, 5 * S), 0.0);
        assert_eq!(busy.seconds_with(&Busy(vec![(0, 2 * S), (4 * S, 9 * S)])), 2.0);
        let all = Busy::any([busy, Busy(vec![(2 * S, 5 * S)])].iter());
        assert_eq!(all, Busy(vec![(S, 6 * S)]));
    }
}
