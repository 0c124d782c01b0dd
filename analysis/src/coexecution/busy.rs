//! When a component was at work.

use crate::held::Held;
use crate::images::Image;
use crate::interval::Interval;
use crate::spans::{Run, seconds};

/// Disjoint intervals, ascending.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Busy(Held<Interval>);

impl Busy {
    /// The time that any of a run's images takes.
    pub(crate) fn of(run: &Run) -> Self {
        Busy::merged(run.images.iter().map(Image::interval))
    }

    /// The time that any of several is at work.
    pub(crate) fn any<'a>(all: impl Iterator<Item = &'a Busy>) -> Self {
        Busy::merged(all.flat_map(|busy| busy.0.iter().copied()))
    }

    fn merged(intervals: impl Iterator<Item = Interval>) -> Self {
        let mut intervals: Held<Interval> = intervals.collect();
        intervals.sort_by_key(|interval| *interval);
        let mut merged: Held<Interval> = Held::default();
        for &interval in &intervals {
            match merged.last_mut().filter(|last| interval.from <= last.to) {
                Some(last) => last.to = last.to.max(interval.to),
                None => merged.push(interval),
            }
        }
        Busy(merged)
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.0.iter().map(|interval| interval.seconds()).sum()
    }

    /// Busy seconds between two instants.
    pub(crate) fn seconds_within(&self, from: u64, to: u64) -> f64 {
        let first = self.0.partition_point(|interval| interval.to <= from);
        let touching = self.0[first..].iter().take_while(|interval| interval.from < to);
        touching.map(|interval| seconds(interval.from.max(from), interval.to.min(to))).sum()
    }

    /// Seconds when both are at work.
    pub(crate) fn seconds_with(&self, other: &Busy) -> f64 {
        self.0.iter().map(|it| other.seconds_within(it.from, it.to)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn busy(intervals: &[(u64, u64)]) -> Busy {
        Busy::merged(intervals.iter().map(|&(from, to)| Interval { from, to }))
    }

    #[test]
    fn intervals_are_merged_cut_and_intersected() {
        let some = busy(&[(5 * S, 6 * S), (S, 2 * S), (2 * S, 3 * S), (S, S)]);
        assert_eq!(some, busy(&[(S, 3 * S), (5 * S, 6 * S)]));
        assert_eq!(some.seconds(), 3.0);
        assert_eq!(some.seconds_within(2 * S, 5 * S + S / 2), 1.5);
        assert_eq!(some.seconds_within(3 * S, 5 * S), 0.0);
        assert_eq!(some.seconds_with(&busy(&[(0, 2 * S), (4 * S, 9 * S)])), 2.0);
        let all = Busy::any([some, busy(&[(2 * S, 5 * S)])].iter());
        assert_eq!(all, busy(&[(S, 6 * S)]));
    }
}
