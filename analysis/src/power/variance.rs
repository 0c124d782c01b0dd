//! The variance of a run's active energy on one rail, term by term.
//!
//! For a run measured over `T` seconds in tiles of `Δ_k`, with window `w`, polling period `p`,
//! single-reading noise `σ²`, correlation `τ` and idle power as in `idle`:
//!
//! | term | variance | from |
//! |---|---|---|
//! | noise | `τ σ_run² Σ Δ_k²` | each reading errs by `σ_run`; its tile by `σ_run Δ_k` |
//! | idle | `T² Var(P_i)` | the idle mean is subtracted `T` times |
//! | lag | `(p²/12) Σ_jk d_j d_k ρ_jk` | `Σ P_k (Δ_k − w) = Σ d_k l_k`, by parts, with `d_k = P_k − P_{k+1}` and lags `l_k` uniform in `[0, p]` of which near ones follow one another: see `lag` |
//! | holes | `s² Σ h²` | a hole of `h` seconds holds any power the readings around it held (spread `s`) |
//! | edges | `D² (w²/48 + p²/3)` each | an unflanked edge: proportional splitting errs by up to `D w/4` (uniform), the unknown lag shifts it by up to `p`; `D` is the largest step of power |
//! | quantisation | `T² b_i + R² b_r` | see below |
//! | stamps | `2 A² (50 µs)²` | a reading and a span are stamped to 50 µs; `A` is mean active power |
//! | clock | `E² (500 ppm)²/3` | the kernel slews `CLOCK_MONOTONIC` by up to 500 ppm (adjtimex); a virtual clock is exact |
//!
//! **Noise under load** is not seen directly: readings of a run differ because the load does. It is
//! that of the converter's two inputs, which idle readings show and a load leaves as it is:
//! `σ_run² = V² σ_I² + I² σ_V²`, each with no less than rounding gives (`q²/12`). Where they are not
//! known, of a chip that tells power alone or from few idle readings, it is taken as in proportion to
//! power, `σ² (P_run/P_i)²`. It is at least the idle `σ²`, and at most half the mean square of
//! successive differences inside the run, which contains noise and load.
//!
//! **Quantisation** of noisy readings averages out and is already in `σ²`. Without noise it is a
//! bias that every reading shares: uniform within a step `q`, `q²/12`. Gaussian noise `s` (the
//! variance beyond quantisation's own) dithers that bias down by `a = exp(−2π² s²/q²)`. Volts and
//! amps are what is quantised, each with a noise of its own, which idle readings show and a load
//! leaves as it is: watts = volts · amps have `b = V² a_I² q_I²/12 + I² a_V² q_V²/12`, at idle
//! (`b_i`) and in the run of `R` seconds (`b_r`). That drivers round halves up is undone for voltages
//! when they are recorded; of currents, where it leaves an eighth of a step however noisy readings
//! are, it falls out with idle power.
//!
//! Gain errors of the sensor (its shunt's tolerance) are outside this interval: no reading tells
//! of them.

use std::f64::consts::PI;
use std::ops::AddAssign;

use super::student;

/// How far a time stamp may lie from the instant it stands for, in seconds.
const STAMP_S: f64 = 50e-6;
/// The fastest the kernel slews the monotonic clock.
pub(crate) const CLOCK_RATE: f64 = 500e-6;

/// Variances in J²; those of several rails add, save for the clock's, which all rails share.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Variance {
    /// Noise of readings and idle mean: the part that rests on few readings.
    pub(crate) sampled: f64,
    /// `Σ sampled²/freedom`, Welch and Satterthwaite's denominator.
    sampled_freedom: f64,
    /// Everything else but the clock.
    pub(crate) other: f64,
    /// Standard error by the clock's rate, in joules.
    clock_error: f64,
}

impl Variance {
    /// A variance whose `sampled` part has `freedom` degrees of freedom, of an energy that was drawn
    /// at a mean power of `watts` and that a wrong clock puts off by `clock_error` joules.
    pub(crate) fn new(
        sampled: f64,
        freedom: f64,
        other: f64,
        clock_error: f64,
        watts: f64,
    ) -> Self {
        Variance {
            sampled,
            sampled_freedom: sampled * sampled / freedom,
            other: other + 2.0 * (watts * STAMP_S).powi(2),
            clock_error,
        }
    }

    /// The variance of a fixed share of the energy.
    pub(crate) fn scaled(self, share: f64) -> Self {
        let square = share * share;
        Variance {
            sampled: square * self.sampled,
            sampled_freedom: square * square * self.sampled_freedom,
            other: square * self.other,
            clock_error: share.abs() * self.clock_error,
        }
    }

    /// Half of the 95 % interval, in joules.
    pub(crate) fn half_width(&self) -> f64 {
        let total = self.sampled + self.other + self.clock_error.powi(2);
        let freedom = if self.sampled_freedom > 0.0 {
            total * total / self.sampled_freedom
        } else {
            f64::INFINITY
        };
        student::quantile(freedom) * total.sqrt()
    }
}

impl AddAssign for Variance {
    fn add_assign(&mut self, other: Self) {
        self.sampled += other.sampled;
        self.sampled_freedom += other.sampled_freedom;
        self.other += other.other;
        self.clock_error += other.clock_error;
    }
}

/// Variance of the quantisation bias that readings share, in the step's unit squared: `a² q²/12`.
pub(crate) fn quantisation_bias(step: f64, noise: f64) -> f64 {
    let uniform = step * step / 12.0;
    if uniform == 0.0 {
        return 0.0;
    }
    let dither = (noise - uniform).max(0.0) / (step * step);
    let attenuation = (-2.0 * PI * PI * dither).exp();
    uniform * attenuation * attenuation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_readings_widen_the_interval_and_many_do_not() {
        let few = Variance::new(1.0, 3.0, 0.0, 0.0, 0.0);
        assert!((few.half_width() - 3.182).abs() < 1e-9);
        let many = Variance::new(1.0, 1e9, 0.0, 0.0, 0.0);
        assert!((many.half_width() - 1.96).abs() < 1e-6);
    }

    #[test]
    fn a_share_has_its_share_of_the_interval() {
        let whole = Variance::new(1.0, 7.0, 2.0, 0.03, 3.0);
        assert!((whole.scaled(0.25).half_width() - 0.25 * whole.half_width()).abs() < 1e-12);
    }

    #[test]
    fn rails_add_in_variance_and_in_the_clock_error_linearly() {
        let mut two = Variance::new(0.0, 1.0, 4.0, 0.0, 0.0);
        two += Variance::new(0.0, 1.0, 5.0, 0.0, 0.0);
        assert!((two.half_width() - 3.0 * 1.96).abs() < 1e-9);
        let mut clock = Variance::new(0.0, 1.0, 0.0, 1.0, 0.0);
        clock += Variance::new(0.0, 1.0, 0.0, 3.0, 0.0);
        let expected = 1.96 * 4.0;
        assert!((clock.half_width() - expected).abs() < 1e-9);
    }

    #[test]
    fn noise_dithers_quantisation_away() {
        assert!((quantisation_bias(0.006, 0.0) - 3e-6).abs() < 1e-12);
        assert!(quantisation_bias(0.006, 0.006f64.powi(2)) < 1e-15);
        assert_eq!(quantisation_bias(0.0, 0.0), 0.0);
    }
}
