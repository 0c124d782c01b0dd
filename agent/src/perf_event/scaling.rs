//! From what a group of counters read to what it would have read had it always had its counters.
//!
//! Where more is counted than a CPU has counters for, the kernel lets groups take turns. A group
//! that ran for `running` of the `enabled` time is scaled by `enabled / running`. That is done here
//! for each stretch between two readings, and the stretches are summed:
//!
//! ```text
//! total += Δcount · Δenabled / Δrunning
//! ```
//!
//! The quotient over the whole run would be scaled anew at every reading: the total would go back
//! where the share of running time grows, and counts of long ago would change. Summed stretches
//! never go back, and a stretch without turns is exact to the count.

use super::system_call::{GroupReading, MOST_EVENTS};

/// What the counts of a stretch are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stretch {
    /// The group had its counters throughout.
    Whole,
    /// It had them some of the time: counts are scaled.
    Shared,
    /// It did not have them at all: nothing is known of it.
    Starved,
}

/// The totals of a group since it was first read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Totals {
    from: GroupReading,
    latest: GroupReading,
    counts: [u64; MOST_EVENTS],
    scaled: bool,
}

impl Totals {
    /// Zero, at the group's first reading.
    pub(crate) fn new(first: GroupReading) -> Self {
        Totals { from: first, latest: first, counts: [0; MOST_EVENTS], scaled: false }
    }

    /// Takes note of a reading. It is in the totals once the stretch is settled.
    pub(crate) fn observe(&mut self, reading: GroupReading) {
        self.latest = reading;
    }

    /// The stretch from the last that was settled to the latest reading.
    pub(crate) fn stretch(&self) -> Stretch {
        let (enabled_ns, running_ns) = self.times();
        match running_ns {
            _ if running_ns >= enabled_ns => Stretch::Whole,
            0 => Stretch::Starved,
            _ => Stretch::Shared,
        }
    }

    /// Adds the stretch to the totals. A starved one is left, to be part of the next.
    pub(crate) fn settle(&mut self) -> Stretch {
        let stretch = self.stretch();
        let (enabled_ns, running_ns) = self.times();
        let (enabled_ns, running_ns) = match stretch {
            Stretch::Starved => return stretch,
            Stretch::Whole => (1, 1),
            Stretch::Shared => (enabled_ns, running_ns),
        };
        let counts = self.latest.counts.iter().zip(&self.from.counts);
        for (total, (latest, from)) in self.counts.iter_mut().zip(counts) {
            let counted = latest.saturating_sub(*from);
            *total = total.saturating_add(scaled(counted, enabled_ns, running_ns));
        }
        self.scaled |= stretch == Stretch::Shared;
        self.from = self.latest;
        stretch
    }

    /// The total of the group's event of this index.
    pub(crate) fn count(&self, index: usize) -> u64 {
        self.counts[index]
    }

    /// Whether any part of the totals is scaled.
    pub(crate) fn is_scaled(&self) -> bool {
        self.scaled
    }

    /// The group's time, by its latest reading.
    pub(crate) fn enabled_ns(&self) -> u64 {
        self.latest.enabled_ns
    }

    fn times(&self) -> (u64, u64) {
        let enabled_ns = self.latest.enabled_ns.saturating_sub(self.from.enabled_ns);
        let running_ns = self.latest.running_ns.saturating_sub(self.from.running_ns);
        (enabled_ns, running_ns)
    }
}

/// `counted · enabled / running`, rounded to the nearest. `running` is not 0.
pub(crate) fn scaled(counted: u64, enabled_ns: u64, running_ns: u64) -> u64 {
    let [counted, enabled, running] = [counted, enabled_ns, running_ns].map(u128::from);
    u64::try_from((counted * enabled + running / 2) / running).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reading(enabled_ns: u64, running_ns: u64, count: u64) -> GroupReading {
        GroupReading { enabled_ns, running_ns, counts: [count; MOST_EVENTS] }
    }

    #[test]
    fn a_stretch_is_scaled_by_the_time_it_ran() {
        let mut totals = Totals::new(reading(100, 100, 7));
        totals.observe(reading(200, 200, 17));
        assert_eq!(
            (totals.settle(), totals.count(0), totals.is_scaled()),
            (Stretch::Whole, 10, false)
        );
        totals.observe(reading(500, 300, 27));
        assert_eq!(
            (totals.settle(), totals.count(0), totals.is_scaled()),
            (Stretch::Shared, 40, true)
        );
        // Once scaled, a total stays so.
        totals.observe(reading(600, 400, 28));
        assert_eq!(
            (totals.settle(), totals.count(0), totals.is_scaled()),
            (Stretch::Whole, 41, true)
        );
    }

    #[test]
    fn a_starved_stretch_gives_no_number_and_is_part_of_the_next() {
        let mut totals = Totals::new(reading(0, 0, 0));
        totals.observe(reading(1000, 0, 0));
        assert_eq!((totals.settle(), totals.count(0)), (Stretch::Starved, 0));
        totals.observe(reading(2000, 500, 50));
        assert_eq!((totals.settle(), totals.count(0)), (Stretch::Shared, 200));
    }

    proptest! {
        /// Whatever the kernel answers, even nonsense, totals never go back and nothing panics.
        #[test]
        fn totals_never_go_back(
            readings in proptest::collection::vec(any::<(u64, u64, u64)>(), 1..100),
        ) {
            let mut totals = Totals::new(GroupReading::default());
            let mut last = 0;
            for (enabled_ns, running_ns, count) in readings {
                totals.observe(reading(enabled_ns, running_ns, count));
                totals.settle();
                prop_assert!(totals.count(0) >= last);
                last = totals.count(0);
            }
        }

        /// A group that always runs is counted exactly, however it is read.
        #[test]
        fn a_group_with_its_counters_is_exact(
            steps in proptest::collection::vec((1u64..1 << 40, 0u64..1 << 40), 1..100),
        ) {
            let mut totals = Totals::new(reading(5, 5, 9));
            let (mut t_ns, mut count) = (5, 9);
            for (step_ns, step) in steps {
                (t_ns, count) = (t_ns + step_ns, count + step);
                totals.observe(reading(t_ns, t_ns, count));
                prop_assert_eq!(totals.settle(), Stretch::Whole);
                prop_assert_eq!(totals.count(0), count - 9);
                prop_assert!(!totals.is_scaled());
            }
        }

        /// Something that counts steadily comes out as it is, however its turns fall, within half
        /// a count a stretch and what the counter itself rounds.
        #[test]
        fn steady_counting_survives_turns(
            per_us in 1u64..4000,
            turns in proptest::collection::vec((1u64..100_000, 0u64..100_000), 1..100),
        ) {
            let mut totals = Totals::new(GroupReading::default());
            let (mut enabled_us, mut running_us, mut settled_us) = (0, 0, 0);
            for (on_us, off_us) in turns {
                running_us += on_us;
                enabled_us += on_us + off_us;
                totals.observe(reading(enabled_us * 1000, running_us * 1000, running_us * per_us));
                prop_assert_ne!(totals.settle(), Stretch::Starved);
                settled_us += 1;
                let wrong = totals.count(0).abs_diff(enabled_us * per_us);
                prop_assert!(wrong <= settled_us, "{wrong} after {settled_us} stretches");
            }
        }
    }
}
