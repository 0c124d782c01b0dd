//! A value that was measured several times.

/// How often something is measured, and for how long each time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Repeats {
    /// How often.
    pub count: usize,
    /// The least time of one, in seconds.
    pub least_s: f64,
}

impl Repeats {
    /// For numbers to keep: some three seconds a value.
    pub const THOROUGH: Repeats = Repeats { count: 11, least_s: 0.25 };
    /// To see that it works.
    pub const QUICK: Repeats = Repeats { count: 3, least_s: 0.02 };

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

/// The median of several measurements of one thing, and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The median.
    pub median: f64,
    /// Width of the 95 % interval of the median, between two of the sorted measurements, as a
    /// share of it. Of fewer than six all lie in it, and it holds less than 95 %.
    pub spread: f64,
}

impl Measured {
    /// More than this is no quiet machine.
    pub const QUIET: f64 = 0.05;

    /// Of some measurements; none of no measurements.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let median = 0.5 * (values[last / 2] + values[values.len() / 2]);
        let outer = left_out(values.len());
        Some(Measured { median, spread: (values[last - outer] - values[outer]) / median })
    }

    /// Whether it would come out nearly the same again.
    pub fn is_quiet(&self) -> bool {
        self.spread <= Self::QUIET
    }
}

/// How many of `count` sorted measurements on either side lie outside the 95 % interval of their
/// median. The median lies below the k-th smallest when at most k − 1 of `count` tosses of a coin
/// fall on one side, and above the k-th largest as often.
/// [David and Nagaraja, *Order Statistics*, 3rd ed., 7.1]
fn left_out(count: usize) -> usize {
    const EITHER_SIDE: f64 = 0.025;
    let mut one = 0.5f64.powi(count as i32);
    let mut below = 0.0;
    for outer in 0..count {
        below += one;
        if below > EITHER_SIDE {
            return outer.saturating_sub(1);
        }
        one *= (count - outer) as f64 / (outer + 1) as f64;
    }
    0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Table of the same book: for eleven the second and the tenth.
    #[test]
    fn the_interval_of_the_median() {
        let outer: Vec<_> = [1, 3, 5, 6, 8, 9, 11, 12, 20].map(left_out).to_vec();
        assert_eq!(outer, [0, 0, 0, 0, 0, 1, 1, 2, 5]);
    }

    proptest! {
        /// The median lies among the values, and values in another order or in another unit are
        /// as far apart.
        #[test]
        fn of_values(values in prop::collection::vec(1.0..1e12f64, 1..30), factor in 1e-3..1e3f64) {
            let it = Measured::of(values.clone()).unwrap();
            let below = values.iter().filter(|&&value| value <= it.median).count();
            let above = values.iter().filter(|&&value| value >= it.median).count();
            prop_assert!(2 * below >= values.len() && 2 * above >= values.len());
            prop_assert!(it.spread >= 0.0);
            let scaled = Measured::of(values.iter().rev().map(|value| factor * value).collect()).unwrap();
            prop_assert!((scaled.spread - it.spread).abs() <= 1e-9 * (1.0 + it.spread));
        }
    }

    #[test]
    fn nothing_has_no_median() {
        assert_eq!(Measured::of(Vec::new()), None);
    }
}
