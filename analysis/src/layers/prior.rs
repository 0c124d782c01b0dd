//! What is known of a layer's power before readings tell it apart from its neighbours'.
//!
//! Layers of a run draw alike, and more for the bytes that they move: with `b[l]` the DRAM bytes a second
//! of a layer, where a counter saw them,
//!
//! ```text
//! p[l] = α + β b[l] + d[l],      d[l] ~ N(0, τ²)
//! ```
//!
//! with any `α` and `β`. A layer that readings see well is hardly moved by that; of one that they do not
//! see apart it is all there is to say, and `τ` is how far off that may be, which its interval then holds.
//! Neither of two such layers silently takes the other's joules, as when both are taken for one. Gaps
//! between layers draw `N(0, α²)`: nothing runs there. With `R` the projection that takes `α` and `β` out,
//! `Q = σ² R/τ²` for layers and `σ²/α²` for gaps, the fit is that of
//!
//! ```text
//! (G + Q) p = r,      G = XᵀX,  r = Xᵀy
//! ```
//!
//! and `τ` comes from the readings themselves: its restricted likelihood [Patterson and Thompson 1971],
//! but for what does not depend on it, has the logarithm
//!
//! ```text
//! ½ rᵀ (G + Q)⁻¹ r / σ² − ½ ln det(G + Q) − (L − q) ln τ
//! ```
//!
//! for `L` layers and `q` of `α` and `β`. `ln τ` is its mean over the likelihood.

use nalgebra::{DMatrix, DVector};

use super::columns::Columns;
use super::sums::Equations;
use crate::least_squares::non_negative;

/// Values of `τ`, of what layers may differ by.
const LEAST: f64 = 0.01;
const MOST: f64 = 2.0;
const STEPS: i32 = 16;
/// Layers for each of `α` and `β`, at least: fewer would have none left to tell `τ` from.
const LAYERS_EACH: usize = 4;

/// How columns differ, and what that weighs beside readings.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Prior {
    /// `Q`.
    weights: DMatrix<f64>,
    /// Variance of each column about what is expected of it.
    pub(super) variance: DVector<f64>,
    /// Variance of a reading.
    noise: f64,
}

impl Prior {
    /// For columns that `all` readings look at, each with a variance of `noise`. `scale` is about what
    /// layers may differ by, if not by as much as they draw; `moved` what each column moves a second, where
    /// that is known.
    pub(super) fn new(
        all: &Equations,
        columns: &Columns,
        noise: f64,
        (scale, moved): (Option<f64>, Option<&DVector<f64>>),
    ) -> Option<Self> {
        let layers: Vec<usize> =
            (0..columns.count()).filter(|&column| columns.seconds[column] > 0.0).collect();
        let level = level(all, columns)?;
        let noise = noise.max(f64::EPSILON * level * level);
        let expected = expected(&layers, moved);
        let projection = without(&expected)?;
        let of = |tau: f64| {
            let mut variance = DVector::from_element(columns.count(), level * level);
            layers.iter().for_each(|&column| variance[column] = tau * tau);
            let mut weights = DMatrix::from_diagonal(&variance.map(|own| noise / own));
            for (row, &to) in layers.iter().enumerate() {
                for (column, &from) in layers.iter().enumerate() {
                    weights[(to, from)] = noise / (tau * tau) * projection[(row, column)];
                }
            }
            Prior { weights, variance, noise }
        };
        let free = (layers.len() - expected.ncols()) as f64;
        let likelihood = |tau: f64| {
            let factor = of(tau).products(all).cholesky()?;
            let explained = all.right.dot(&factor.solve(&all.right)) / noise;
            let determinant = 2.0 * factor.l_dirty().diagonal().map(f64::ln).sum();
            let likelihood = 0.5 * (explained - determinant) - free * tau.ln();
            likelihood.is_finite().then_some((tau, likelihood))
        };
        let ratio = (MOST / LEAST).powf(1.0 / f64::from(STEPS));
        let scale = scale.unwrap_or(level);
        let taus = (0..=STEPS).map(|step| LEAST * scale * ratio.powi(step));
        let likely: Vec<(f64, f64)> = taus.filter_map(likelihood).collect();
        let most = likely.iter().map(|it| it.1).fold(f64::NEG_INFINITY, f64::max);
        let weights = || likely.iter().map(|it| (it.0, (it.1 - most).exp()));
        let sum: f64 = weights().map(|it| it.1).sum();
        let mean = weights().map(|(tau, weight)| tau.ln() * weight).sum::<f64>() / sum;
        mean.is_finite().then(|| of(mean.exp()))
    }

    /// `G + Q`.
    pub(super) fn products(&self, all: &Equations) -> DMatrix<f64> {
        &all.products + &self.weights
    }

    /// `Q` beside readings with another variance.
    pub(super) fn weights_by(&self, noise: f64) -> DMatrix<f64> {
        noise / self.noise * &self.weights
    }

    /// By how much columns that differ by `by` pull a fit away from themselves: `Q d`.
    pub(super) fn pull(&self, by: &DVector<f64>) -> DVector<f64> {
        &self.weights * by
    }
}

/// What the power of layers follows: a constant, and bytes a second where these differ.
fn expected(layers: &[usize], moved: Option<&DVector<f64>>) -> DMatrix<f64> {
    let constant = DVector::from_element(layers.len(), 1.0);
    let moved = moved.map(|all| DVector::from_fn(layers.len(), |row, _| all[layers[row]]));
    let moved = moved.filter(|_| layers.len() >= 2 * LAYERS_EACH).and_then(|moved| {
        let mean = moved.mean();
        let spread = moved.variance().sqrt();
        let differs = spread.is_finite() && spread > 1e-3 * mean.abs();
        differs.then(|| moved.map(|own| (own - mean) / spread))
    });
    match moved {
        Some(moved) => DMatrix::from_columns(&[constant, moved]),
        None => DMatrix::from_columns(&[constant]),
    }
}

/// The projection on what is orthogonal to columns.
fn without(columns: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let inner = columns.tr_mul(columns).cholesky()?.inverse();
    Some(
        DMatrix::identity(columns.nrows(), columns.nrows()) - columns * inner * columns.transpose(),
    )
}

/// What layers draw on average.
fn level(all: &Equations, columns: &Columns) -> Option<f64> {
    let gap = |own: &f64| usize::from(*own <= 0.0);
    let group_of: Vec<usize> = columns.seconds.iter().map(gap).collect();
    let groups = 1 + group_of.iter().max()?;
    let grouped = all.grouped(&group_of, groups);
    let fit = non_negative(&grouped.products, &grouped.right, None)?;
    (fit[0] > 0.0).then_some(fit[0])
}

#[cfg(test)]
mod tests {
    use super::super::sums::Sums;
    use super::*;

    /// Readings of one layer each, and of the sixth and seventh always together.
    fn fitted(watts: [f64; 8], moved: Option<[f64; 8]>) -> (DVector<f64>, Prior) {
        let mut sums = Sums::new(8, 1);
        for k in 0..400 {
            let noise = if k / 8 % 2 == 0 { 0.01 } else { -0.01 };
            let column = k % 8;
            match column {
                6 | 7 => {
                    let both = (watts[6] + watts[7]) / 2.0;
                    sums.add(0, &[(6, 0.5), (7, 0.5)], both + noise, None);
                }
                _ => sums.add(0, &[(column, 1.0)], watts[column] + noise, None),
            }
        }
        let all = sums.blocks[0].equations(0.0);
        let columns = Columns { seconds: vec![1.0; 8], ..Columns::default() };
        let moved = moved.map(|it| DVector::from_row_slice(&it));
        let prior = Prior::new(&all, &columns, 1e-4, (None, moved.as_ref())).unwrap();
        (non_negative(&prior.products(&all), &all.right, None).unwrap(), prior)
    }

    #[test]
    fn what_is_seen_stays_and_what_is_not_told_apart_is_alike() {
        let watts = [2.0, 2.6, 3.0, 2.4, 3.4, 2.2, 2.0, 3.0];
        let (fit, prior) = fitted(watts, None);
        (0..6).for_each(|it| assert!((fit[it] - watts[it]).abs() < 0.01, "{it}: {fit}"));
        assert!((fit[6] - 2.5).abs() < 0.02 && (fit[7] - 2.5).abs() < 0.02, "{fit}");
        // Layers differ by half a watt.
        let tau = prior.variance[0].sqrt();
        assert!((0.3..0.9).contains(&tau), "{tau}");
    }

    #[test]
    fn bytes_tell_layers_apart_that_readings_do_not() {
        let moved = [1.0, 4.0, 6.0, 3.0, 8.0, 2.0, 1.0, 6.0];
        let (fit, prior) = fitted(moved.map(|bytes| 1.8 + 0.2 * bytes), Some(moved));
        assert!((fit[6] - 2.0).abs() < 0.02 && (fit[7] - 3.0).abs() < 0.02, "{fit}");
        assert!(prior.variance[0].sqrt() < 0.1, "{}", prior.variance[0]);
    }
}
