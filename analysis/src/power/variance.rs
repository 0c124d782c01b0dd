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
//! | holes | `s² Σ h² + D²/3 Σ h_e²` | a hole of `h` seconds holds any power the readings around it held (spread `s`); one that reaches over an edge (`h_e`) that of either side |
//! | edges | `D² (w²/48 + p²/3)` each | an unflanked edge: proportional splitting errs by up to `D w/4` (uniform), the unknown lag shifts it by up to `p`; `D` is the largest step of power |
//! | quantisation | `T² b_i + R² b_r` | see below |
//! | stamps | `2 A² (50 µs)²` | a reading and a span are stamped to 50 µs; `A` is mean active power |
//! | clock | `E² (500 ppm)²/3` | the kernel slews `CLOCK_MONOTONIC` by up to 500 ppm (adjtimex); a virtual clock is exact |
//! | tolerance | `E² τ²/3` | see below |
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
//! **Tolerance** is not in the readings: the sensor's gain, its shunt included, lies off by at most
//! `τ`, evenly, always the same way. It is a parameter (`--sensor-tolerance`, or what the board's
//! description says), does not shrink with more images, and is each sensor's own: over rails it adds in
//! squares, over runs on one rail straight.
//!
//! What of the half-width each kind of term has is told apart ([`Variance::terms`]): *sampling* (noise,
//! lag, holes, edges, stamps), *idle*, *quantisation*, *tolerance* and *clock*; their squares add up.

use std::f64::consts::PI;
use std::ops::AddAssign;

use super::student;
use crate::results::IntervalTerms;

/// How far a time stamp may lie from the instant it stands for, in seconds.
pub(crate) const STAMP_S: f64 = 50e-6;
/// The fastest the kernel slews the monotonic clock.
pub(crate) const CLOCK_RATE: f64 = 500e-6;

/// What is not in the readings: by what share time and power may lie off, at most.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Shares {
    pub(crate) clock: f64,
    pub(crate) tolerance: f64,
}

/// Variances in J²; those of several rails add, save for the clock's, which all rails share.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Variance {
    /// Noise of a run's readings.
    pub(crate) noise: f64,
    /// Of the idle power that is taken off.
    pub(crate) idle: f64,
    /// `Σ (noise + idle)²/freedom`, Welch and Satterthwaite's denominator.
    pub(crate) freedom: f64,
    /// Lag, holes, edges and stamps.
    pub(crate) placing: f64,
    pub(crate) quantisation: f64,
    pub(crate) tolerance: f64,
    /// Standard error by the clock's rate, in joules.
    pub(crate) clock_error: f64,
}

impl Variance {
    /// Adds what does not depend on readings, of an energy that was drawn over `seconds`.
    pub(crate) fn with_shares(mut self, joules: f64, seconds: f64, shares: Shares) -> Self {
        let of_share = |share: f64| joules.abs() * share / 3f64.sqrt();
        self.placing += 2.0 * (joules / seconds * STAMP_S).powi(2);
        self.tolerance = of_share(shares.tolerance).powi(2);
        self.clock_error = of_share(shares.clock);
        self
    }

    /// `freedom` for noise and idle power that rest on so many degrees of freedom.
    pub(crate) fn with_freedom(mut self, freedom: f64) -> Self {
        self.freedom = (self.noise + self.idle).powi(2) / freedom;
        self
    }

    /// The variance of a fixed share of the energy.
    pub(crate) fn scaled(self, share: f64) -> Self {
        let square = share * share;
        Variance {
            noise: square * self.noise,
            idle: square * self.idle,
            freedom: square * square * self.freedom,
            placing: square * self.placing,
            quantisation: square * self.quantisation,
            tolerance: square * self.tolerance,
            clock_error: share.abs() * self.clock_error,
        }
    }

    /// What readings have for themselves: neither the sensor's gain and steps nor the clock.
    pub(crate) fn own(&self) -> f64 {
        self.noise + self.idle + self.placing
    }

    /// Half of the 95 % interval, in joules.
    pub(crate) fn half_width(&self) -> f64 {
        self.quantile() * self.total().sqrt()
    }

    /// The same term by term, and `split` on top.
    pub(crate) fn terms(&self, split: f64) -> IntervalTerms {
        let quantile = self.quantile();
        let half_width = |variance: f64| quantile * variance.sqrt();
        IntervalTerms {
            sampling: half_width(self.noise + self.placing),
            idle: half_width(self.idle),
            quantisation: half_width(self.quantisation),
            tolerance: half_width(self.tolerance),
            clock: quantile * self.clock_error,
            split,
        }
    }

    fn total(&self) -> f64 {
        self.own() + self.quantisation + self.tolerance + self.clock_error.powi(2)
    }

    fn quantile(&self) -> f64 {
        student::satterthwaite(self.total(), self.freedom)
    }
}

impl AddAssign for Variance {
    fn add_assign(&mut self, other: Self) {
        self.noise += other.noise;
        self.idle += other.idle;
        self.freedom += other.freedom;
        self.placing += other.placing;
        self.quantisation += other.quantisation;
        self.tolerance += other.tolerance;
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

    fn noise(noise: f64, freedom: f64) -> Variance {
        Variance { noise, ..Variance::default() }.with_freedom(freedom)
    }

    #[test]
    fn few_readings_widen_the_interval_and_many_do_not() {
        assert!((noise(1.0, 3.0).half_width() - 3.182).abs() < 1e-9);
        assert!((noise(1.0, 1e9).half_width() - 1.96).abs() < 1e-6);
    }

    #[test]
    fn a_share_has_its_share_of_the_interval() {
        let shares = Shares { clock: 0.01, tolerance: 0.02 };
        let whole = Variance { quantisation: 2.0, ..noise(1.0, 7.0) }.with_shares(3.0, 1.0, shares);
        assert!((whole.scaled(0.25).half_width() - 0.25 * whole.half_width()).abs() < 1e-12);
    }

    /// Rails have sensors of their own and one clock.
    #[test]
    fn rails_add_in_squares_and_in_the_clock_error_straight() {
        let of = |joules, clock, tolerance| {
            Variance::default().with_shares(joules, 1e9, Shares { clock, tolerance })
        };
        let mut rails = of(3.0, 0.0, 0.02);
        rails += of(4.0, 0.0, 0.02);
        let expected = 1.96 * 5.0 * 0.02 / 3f64.sqrt();
        assert!((rails.half_width() - expected).abs() < 1e-9);
        let mut clock = of(3.0, 0.02, 0.0);
        clock += of(4.0, 0.02, 0.0);
        assert!((clock.half_width() - 1.96 * 7.0 * 0.02 / 3f64.sqrt()).abs() < 1e-9);
    }

    /// A tolerance is a share of the energy: ten times the images have ten times the error.
    #[test]
    fn a_tolerance_does_not_shrink_with_more_images() {
        let relative = |images: f64| {
            let shares = Shares { clock: 0.0, tolerance: 0.01 };
            let run = noise(1e-4 * images, 1e9).with_shares(images, images, shares);
            run.half_width() / images
        };
        assert!(relative(1.0) > 2.0 * 0.0113 && relative(1e6) > 0.0113);
        assert!(relative(1e6) < 1.001 * 0.0114);
    }

    #[test]
    fn squares_of_terms_add_up() {
        let shares = Shares { clock: 5e-4, tolerance: 0.02 };
        let all = Variance { idle: 2e-3, placing: 3e-4, quantisation: 1e-5, ..noise(1e-3, 9.0) }
            .with_shares(2.0, 3.0, shares);
        let terms = all.terms(0.7);
        let squares: f64 =
            [terms.sampling, terms.idle, terms.quantisation, terms.tolerance, terms.clock]
                .map(|term| term * term)
                .iter()
                .sum();
        assert!((squares.sqrt() - all.half_width()).abs() < 1e-12);
        assert_eq!((terms.split, terms.largest()), (0.7, "split"));
        assert!((terms.half_width() - all.half_width() - 0.7).abs() < 1e-12);
        assert_eq!(all.terms(0.0).largest(), "idle");
    }

    #[test]
    fn noise_dithers_quantisation_away() {
        assert!((quantisation_bias(0.006, 0.0) - 3e-6).abs() < 1e-12);
        assert!(quantisation_bias(0.006, 0.006f64.powi(2)) < 1e-15);
        assert_eq!(quantisation_bias(0.0, 0.0), 0.0);
    }
}
