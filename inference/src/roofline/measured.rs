//! A ceiling that was measured many times.
//!
//! Whatever else a machine does can only slow a kernel down: another program, an interrupt, a
//! hypervisor that runs somebody else. The fastest of many repeats is therefore the nearest to what
//! the machine can do, and comes out the same again where the middle one moves with the disturbance;
//! STREAM, which measures memory, reports the best of its repeats too (McCalpin, *Memory bandwidth
//! and machine balance in current high performance computers*, IEEE TCCA newsletter, 1995), and so do
//! tinymembench and lmbench's bandwidths. Repeats are many and short, since a short one has the
//! better chance of passing undisturbed.
//!
//! What the best does not show is a clock that falls as the chip warms, or a neighbour that never
//! rests. So the distance from the best down to the median stands beside it: where it is small,
//! half of all repeats or more were that near to the best.

/// How often something is measured, and for how long each time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Repeats {
    /// How often.
    pub count: usize,
    /// The least time of one, in seconds.
    pub least_s: f64,
}

impl Repeats {
    /// For numbers to keep: two seconds a value or somewhat more. A repeat is long beside the
    /// microseconds that cores start apart, and shorter than the slices of time in which a busy
    /// machine hands out its cores.
    pub const THOROUGH: Repeats = Repeats { count: 1000, least_s: 0.002 };
    /// To see that it works.
    pub const QUICK: Repeats = Repeats { count: 20, least_s: 0.002 };

    /// How many times all bandwidths are measured in turn, each time on freshly allocated memory:
    /// neither some seconds of disturbance nor one unlucky placement of pages then decides one of
    /// them.
    pub(crate) const SWEEPS: usize = 4;

    /// Those of one sweep.
    pub(crate) fn of_a_sweep(self) -> Self {
        Repeats { count: self.count.div_ceil(Self::SWEEPS), ..self }
    }

    /// Seconds of one pass for each repeat, by `round`, which runs a number of passes and answers
    /// the seconds of all of them. `step` hears of each repeat.
    ///
    /// # Errors
    /// Those of `round`.
    pub(crate) fn seconds_per_pass<E>(
        self,
        step: &mut dyn FnMut(),
        mut round: impl FnMut(u64) -> Result<f64, E>,
    ) -> Result<Vec<f64>, E> {
        // Once to wake the clocks up and fill what can be filled, once to know how long it takes.
        round(1)?;
        let passes_each = (self.least_s / round(1)?).ceil().clamp(1.0, 1e9) as u64;
        (0..self.count)
            .map(|_| {
                step();
                Ok(round(passes_each)? / passes_each as f64)
            })
            .collect()
    }
}

/// The best of several measurements of one thing, and how often it came near.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The largest.
    pub best: f64,
    /// How far the median lies below it, as a share of it.
    pub spread: f64,
}

impl Measured {
    /// More than this is no quiet machine.
    pub const QUIET: f64 = 0.05;

    /// Of some measurements, of which the largest are the least disturbed; none of no measurements.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let best = *values.last()?;
        let median = 0.5 * (values[(values.len() - 1) / 2] + values[values.len() / 2]);
        Some(Measured { best, spread: (best - median) / best })
    }

    /// Whether half of the repeats or more came out nearly the same.
    pub fn is_quiet(&self) -> bool {
        self.spread <= Self::QUIET
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The best is one of the values and none is better; what slows any number of repeats but
        /// one down leaves it where it is; values in another order or in another unit are as far
        /// apart.
        #[test]
        fn of_values(
            values in prop::collection::vec((1.0..1e12f64, 0.01..1.0f64), 1..30),
            factor in 1e-3..1e3f64,
        ) {
            let quiet: Vec<f64> = values.iter().map(|it| it.0).collect();
            let it = Measured::of(quiet.clone()).unwrap();
            prop_assert!(quiet.contains(&it.best) && quiet.iter().all(|&value| value <= it.best));
            prop_assert!((0.0..1.0).contains(&it.spread));
            let slowed = |&(value, share): &(f64, f64)| if value < it.best { value * share } else { value };
            let disturbed = Measured::of(values.iter().map(slowed).collect()).unwrap();
            prop_assert_eq!(disturbed.best, it.best);
            prop_assert!(disturbed.spread >= it.spread);
            let scaled = Measured::of(quiet.iter().rev().map(|value| factor * value).collect()).unwrap();
            prop_assert!((scaled.spread - it.spread).abs() <= 1e-9);
        }
    }

    #[test]
    fn the_spread_goes_down_to_the_median() {
        let it = Measured::of(vec![8.0, 10.0, 2.0, 9.0]).unwrap();
        assert_eq!((it.best, it.is_quiet()), (10.0, false));
        assert!((it.spread - 0.15).abs() < 1e-12);
    }

    #[test]
    fn nothing_has_no_best() {
        assert_eq!(Measured::of(Vec::new()), None);
    }
}
