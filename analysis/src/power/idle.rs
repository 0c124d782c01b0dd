//! Idle power of a rail: its mean, how sure that is, and how noisy a single reading is.
//!
//! With `N` readings in `G` gaps, gap `g` having `n_g` readings with mean `m_g` about the overall
//! mean `m`:
//!
//! * noise `σ² = Σ_g Σ_k (P_k − m_g)² / (N − G)`, pooled within gaps, so that a drift from gap to
//!   gap does not pass for noise;
//! * correlation `τ = max(1, 8 · Var(means of 8 adjacent readings) / σ²)`, the factor by which the
//!   variance of a sum exceeds that of independent readings (batch means);
//! * drift `d² = (B − τσ²) / n₀`, with `B = Σ n_g (m_g − m)² / (G − 1)` and
//!   `n₀ = (N − Σ n_g²/N) / (G − 1)` (one-way random effects), taken into account where `B/τσ²`
//!   passes the F test at 5 %: idle power during a run is then one more draw from that spread;
//! * variance of the idle power assumed for a run: `τσ²/N + d² (1 + Σ n_g²/N²)`.
//!
//! With fewer than eight readings more than gaps the pooled variance says too little, and all of
//! `Var(P)` with `N − 1` degrees of freedom counts as noise.

use super::moments::Moments;

/// Adjacent readings to a batch.
const BATCH: u64 = 8;
/// Batches below which correlation is not estimated.
const FEWEST_BATCHES: u64 = 10;
/// Degrees of freedom below which gaps are not told apart.
const FEWEST_WITHIN: u64 = 8;

/// Idle readings of one rail, gathered gap by gap.
#[derive(Debug, Clone, Default)]
pub(crate) struct IdleReadings {
    gaps: Vec<GapReadings>,
    volts: Moments,
    amps: Moments,
}

#[derive(Debug, Clone, Default)]
struct GapReadings {
    readings: Moments,
    volts: Moments,
    amps: Moments,
    batches: Moments,
    batch: Moments,
}

/// Idle power of one rail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Idle {
    /// Mean, in watts.
    pub(crate) watts: f64,
    /// Variance of a single reading, in W².
    pub(crate) noise: f64,
    /// Factor by which correlation raises the variance of a sum.
    pub(crate) correlation: f64,
    /// Variance of `watts` as the idle power during any one run, in W².
    pub(crate) mean_variance: f64,
    /// Degrees of freedom behind `noise`.
    pub(crate) freedom: f64,
    /// Mean voltage, in volts.
    pub(crate) volts: f64,
    /// Mean current, in amperes.
    pub(crate) amps: f64,
    /// Variance of a single voltage, in V², as far as it is known.
    pub(crate) volts_noise: f64,
    /// Variance of a single current, in A².
    pub(crate) amps_noise: f64,
}

impl IdleReadings {
    pub(crate) fn add(&mut self, gap: usize, watts: f64, volts: f64, amps: f64) {
        if self.gaps.len() <= gap {
            self.gaps.resize_with(gap + 1, GapReadings::default);
        }
        self.gaps[gap].add(watts);
        self.gaps[gap].volts.add(volts);
        self.gaps[gap].amps.add(amps);
        self.volts.add(volts);
        self.amps.add(amps);
    }

    pub(crate) fn count(&self) -> u64 {
        self.gaps.iter().map(|gap| gap.readings.count).sum()
    }

    /// Idle power, from at least `least` readings.
    pub(crate) fn estimate(&self, least: u64) -> Option<Idle> {
        let gaps: Vec<&GapReadings> = self.gaps.iter().filter(|g| g.readings.count > 0).collect();
        let total = self.count();
        if total < least.max(2) {
            return None;
        }
        let count = total as f64;
        let sum = |of: &dyn Fn(&GapReadings) -> f64| gaps.iter().map(|gap| of(gap)).sum::<f64>();
        let mean = sum(&|g| g.readings.mean * g.readings.count as f64) / count;
        let within = sum(&|g| g.readings.squares);
        let between = sum(&|g| g.readings.count as f64 * (g.readings.mean - mean).powi(2));
        let known = Idle {
            watts: mean,
            noise: (within + between) / (count - 1.0),
            correlation: 1.0,
            mean_variance: (within + between) / (count - 1.0) / count,
            freedom: count - 1.0,
            volts: self.volts.mean,
            amps: self.amps.mean,
            volts_noise: 0.0,
            amps_noise: 0.0,
        };
        let within_freedom = total - gaps.len() as u64;
        if within_freedom < FEWEST_WITHIN {
            return Some(known);
        }
        let noise = within / within_freedom as f64;
        let correlation = correlation(&gaps, noise);
        let sum_variance = noise * correlation;
        let squares = sum(&|g| (g.readings.count as f64).powi(2)) / count;
        let drift = drift(between, sum_variance, gaps.len(), count, squares);
        Some(Idle {
            volts_noise: sum(&|g| g.volts.squares) / within_freedom as f64,
            amps_noise: sum(&|g| g.amps.squares) / within_freedom as f64,
            noise,
            correlation,
            mean_variance: sum_variance / count + drift * (1.0 + squares / count),
            freedom: (within_freedom as f64 / correlation).max(1.0),
            ..known
        })
    }
}

impl GapReadings {
    fn add(&mut self, watts: f64) {
        self.readings.add(watts);
        self.batch.add(watts);
        if self.batch.count == BATCH {
            self.batches.add(self.batch.mean);
            self.batch = Moments::default();
        }
    }
}

/// `τ`: see the module's text.
fn correlation(gaps: &[&GapReadings], noise: f64) -> f64 {
    let with_batches = gaps.iter().filter(|gap| gap.batches.count > 0).count() as u64;
    let batches: u64 = gaps.iter().map(|gap| gap.batches.count).sum();
    if batches < FEWEST_BATCHES + with_batches || noise <= 0.0 {
        return 1.0;
    }
    let squares: f64 = gaps.iter().map(|gap| gap.batches.squares).sum();
    let variance = squares / (batches - with_batches) as f64;
    (BATCH as f64 * variance / noise).max(1.0)
}

/// `d²`: see the module's text.
fn drift(between: f64, sum_variance: f64, gaps: usize, count: f64, squares: f64) -> f64 {
    if gaps < 2 {
        return 0.0;
    }
    let freedom = (gaps - 1) as f64;
    let mean_square = between / freedom;
    if mean_square <= sum_variance * critical_ratio(freedom) {
        return 0.0;
    }
    let readings_a_gap = (count - squares) / freedom;
    (mean_square - sum_variance) / readings_a_gap
}

/// The 95 % quantile of χ²/freedom (Wilson and Hilferty's cube), which is that of F where the
/// denominator has many degrees of freedom.
pub(crate) fn critical_ratio(freedom: f64) -> f64 {
    let spread = 2.0 / (9.0 * freedom);
    (1.0 - spread + 1.645 * spread.sqrt()).powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alternate(gap: usize, about: f64, count: usize, into: &mut IdleReadings) {
        for index in 0..count {
            into.add(gap, about + if index % 2 == 0 { 0.1 } else { -0.1 }, 5.0, 0.2);
        }
    }

    #[test]
    fn too_few_readings_give_no_idle_power() {
        let mut readings = IdleReadings::default();
        readings.add(0, 1.0, 5.0, 0.2);
        assert_eq!(readings.estimate(3), None);
    }

    #[test]
    fn steady_gaps_show_no_drift() {
        let mut readings = IdleReadings::default();
        (0..3).for_each(|gap| alternate(gap, 1.0, 40, &mut readings));
        let idle = readings.estimate(3).unwrap();
        assert!((idle.watts - 1.0).abs() < 1e-12);
        assert!((idle.noise - 0.01 * 120.0 / 117.0).abs() < 1e-12);
        assert!((idle.mean_variance - idle.noise / 120.0).abs() < 1e-12);
    }

    #[test]
    fn a_drift_from_gap_to_gap_widens_the_mean_and_not_the_noise() {
        let mut readings = IdleReadings::default();
        [1.0, 1.2, 1.4].iter().enumerate().for_each(|(g, &w)| alternate(g, w, 40, &mut readings));
        let idle = readings.estimate(3).unwrap();
        assert!(idle.noise < 0.011);
        // Three gaps 0.2 W apart: variance 0.04 between gaps, and a third of it in their mean.
        assert!((idle.mean_variance - 0.04 * 4.0 / 3.0).abs() < 2e-3, "{}", idle.mean_variance);
    }

    #[test]
    fn slow_noise_is_seen_as_correlation() {
        let mut readings = IdleReadings::default();
        for index in 0..640 {
            readings.add(0, if (index / 8) % 2 == 0 { 1.0 } else { 1.1 }, 5.0, 0.2);
        }
        let idle = readings.estimate(3).unwrap();
        assert!(idle.correlation > 7.5 && idle.correlation < 8.5, "{}", idle.correlation);
    }
}
