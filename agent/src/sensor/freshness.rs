//! Which readings are new conversions, and which are one conversion read again.
//!
//! A sensor holds the last conversion until the next is done, one window later, and does not say
//! when. A poll that finds another value has found another conversion. A poll that finds the same
//! value has found either the same conversion or a new one that came out equal, and only time
//! tells them apart:
//!
//! * Let a changed value be found at `t`. Its conversion was done by `t`, so by `t` + W the next
//!   one is done too: an equal value found at or after `t` + W counts as a new conversion, one
//!   found before is a repeat.
//! * After counting an equal value the deadline moves on by whole windows, not to the time of the
//!   poll. Otherwise a poll slightly faster than the conversion (2.0 ms against 2.2 ms) would
//!   count every second conversion of a constant value, and one slightly slower (450 Hz against
//!   35.2 ms, where the value is found 16 polls later, at 35.6 ms) would fall behind.
//!
//! So every counted reading stands for a conversion of its own that was done before it: none is
//! counted twice. Each changed value is counted. Of a run of equal values at most one conversion
//! is missed where the run begins, and none as it goes on.
//!
//! Two cautions. A chip's clock is not exact, so W is taken [`TOLERANCE`] longer than nominal;
//! of a long run of equal values that share goes uncounted, which costs no energy, since the
//! value holds. And volts and amps are two reads between which a conversion may end; whoever reads
//! them makes sure that they belong together (see [`super::source`]).

/// How much slower than nominal a conversion may be, as a share: 1 in this many.
const TOLERANCE: u64 = 100;

/// A constant value is no reason for suspicion before this many windows.
const SILENT_WINDOWS: u64 = 64;

/// Tells conversions from repeats on one channel.
#[derive(Debug)]
pub(crate) struct Freshness {
    window_ns: u64,
    last: Option<[f64; 2]>,
    /// By then the last conversion that was counted was done.
    done_ns: u64,
    /// From then on the value was the same, or that was looked into.
    same_since_ns: u64,
}

impl Freshness {
    /// For a channel whose conversions take `window_ns`.
    pub(crate) fn new(window_ns: u64) -> Self {
        let window_ns = window_ns.saturating_add(window_ns / TOLERANCE).max(1);
        Freshness { window_ns, last: None, done_ns: 0, same_since_ns: 0 }
    }

    /// What was read last.
    pub(crate) fn last(&self) -> Option<[f64; 2]> {
        self.last
    }

    /// Whether what was read at `t_ns` counts as a conversion of its own.
    pub(crate) fn is_fresh(&mut self, t_ns: u64, value: [f64; 2]) -> bool {
        if self.last != Some(value) {
            self.last = Some(value);
            self.done_ns = t_ns;
            self.same_since_ns = t_ns;
            return true;
        }
        let windows = t_ns.saturating_sub(self.done_ns) / self.window_ns;
        self.done_ns += windows * self.window_ns;
        windows > 0
    }

    /// Whether the value has been the same for suspiciously long; asked again, it starts anew.
    pub(crate) fn is_suspiciously_silent(&mut self, t_ns: u64) -> bool {
        let silent = t_ns.saturating_sub(self.same_since_ns)
            >= self.window_ns.saturating_mul(SILENT_WINDOWS);
        if silent {
            self.same_since_ns = t_ns;
        }
        silent
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A chip that converts every `window_ns`, first at `phase_ns`, polled every `period_ns`.
    /// Answers which conversion each poll found, and whether it was counted.
    fn poll(
        nominal_ns: u64,
        window_ns: u64,
        phase_ns: u64,
        period_ns: u64,
        polls: u64,
        value_of: impl Fn(u64) -> f64,
    ) -> Vec<(u64, bool)> {
        let mut freshness = Freshness::new(nominal_ns);
        let found = |k: u64| {
            let t_ns = k * period_ns;
            let conversion = (t_ns + window_ns - phase_ns) / window_ns;
            (t_ns, conversion)
        };
        let polls = (0..polls).map(found);
        polls.map(|(t, it)| (it, freshness.is_fresh(t, [value_of(it), 1.0]))).collect()
    }

    proptest! {
        /// Values all different: each conversion that is found is counted exactly once.
        #[test]
        fn changed_values_are_counted_exactly_once(
            window in 1_000_000u64..300_000_000,
            clock_error in -90i64..=90,
            phase in 0.0f64..1.0,
            period in 0.02f64..1.5,
        ) {
            let actual = window.saturating_add_signed(window as i64 * clock_error / 10_000);
            let phase = (actual as f64 * phase) as u64;
            let period_ns = (window as f64 * period) as u64;
            let found = poll(window, actual, phase, period_ns, 500, |it| it as f64);
            let mut last = None;
            for (conversion, fresh) in found {
                prop_assert_eq!(fresh, last != Some(conversion));
                if period_ns <= actual && let Some(last) = last {
                    prop_assert!(conversion <= last + 1, "polled as fast as it converts");
                }
                last = Some(conversion);
            }
        }

        /// Values of few kinds: never more counted than converted, at any time; and of a
        /// constant value no more lost than the tolerance allows.
        #[test]
        fn equal_values_are_never_counted_twice(
            window in 1_000_000u64..300_000_000,
            clock_error in -90i64..=90,
            phase in 0.0f64..1.0,
            period in 0.02f64..1.5,
            kinds in 1u64..4,
            seed in any::<u64>(),
        ) {
            let actual = window.saturating_add_signed(window as i64 * clock_error / 10_000);
            let phase = (actual as f64 * phase) as u64;
            let period_ns = (window as f64 * period) as u64;
            let mixed = |it: u64| (it ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60;
            let found =
                poll(window, actual, phase, period_ns, 2000, |it| (mixed(it) % kinds) as f64);
            let first = found[0].0;
            let mut counted = 0;
            for &(conversion, fresh) in &found {
                counted += u64::from(fresh);
                prop_assert!(counted <= conversion - first + 1);
            }
            if kinds == 1 && period_ns <= actual {
                let converted = found[found.len() - 1].0 - first + 1;
                prop_assert!(counted + 3 >= converted - converted / 45, "{counted}/{converted}");
            }
        }
    }

    #[test]
    fn a_constant_value_polled_slightly_faster_than_it_converts_is_not_halved() {
        let found = poll(2_200_000, 2_200_000, 0, 2_000_000, 1100, |_| 1.0);
        let counted = found.iter().filter(|(_, fresh)| *fresh).count();
        assert!((985..=1000).contains(&counted), "{counted} of 1000");
    }

    #[test]
    fn at_450_hz_every_conversion_of_the_fastest_ina231_counts() {
        let found = poll(2_200_000, 2_200_000, 0, 2_222_222, 450, |_| 1.0);
        assert!(found.iter().all(|(_, fresh)| *fresh));
        let found = poll(35_200_000, 35_200_000, 0, 2_222_222, 4500, |it| it as f64);
        assert_eq!(found.iter().filter(|(_, fresh)| *fresh).count(), 285);
    }

    #[test]
    fn silence_is_looked_into_every_64_windows() {
        let mut freshness = Freshness::new(1000);
        freshness.is_fresh(0, [1.0, 1.0]);
        assert!(!freshness.is_suspiciously_silent(64_000));
        assert!(freshness.is_suspiciously_silent(65_000));
        assert!(!freshness.is_suspiciously_silent(66_000));
    }
}
