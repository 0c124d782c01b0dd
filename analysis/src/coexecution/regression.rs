//! Watts of each component while busy, from how a rail's readings follow who is busy.
//!
//! A reading's power above idle is `Σ p[c] · f[c]`, with `f[c]` the share of its window that `c`
//! was busy. Over the readings of a co-execution the `p[c] ≥ 0` that fit best are found from the
//! normal equations, of which only sums of products are kept.
//!
//! Components that are always busy together cannot be told apart. `f[c]` must keep a twentieth of
//! its square once the other columns are projected out of it (a variance inflation of 20), or
//! nothing is given. Readings within an image differ by its layers: standard errors count images,
//! and not readings, as independent.

use nalgebra::{DMatrix, DVector};
use wattline_trace::BundleReader;
use wattline_trace::rows::PowerRow;

use super::busy::Busy;
use crate::error::AnalysisError;
use crate::least_squares::{inverse, non_negative};
use crate::spans::{Spans, seconds};
use crate::table::for_each_row;

/// Least share of a column's square that the others do not explain.
const LEAST_OWN: f64 = 0.05;
/// Fewest readings for each unknown.
const FEWEST_READINGS: u64 = 20;

/// The sums of one rail over one co-execution.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    readings: u64,
    /// `Σ f[c] f[d]`.
    products: Vec<Vec<f64>>,
    /// `Σ f[c] P`, `Σ f[c]`, and `Σ P²`, `Σ P`, so that idle power can be taken off afterwards.
    with_watts: Vec<f64>,
    columns: Vec<f64>,
    watts_squared: f64,
    watts: f64,
}

/// Watts of one component while busy, and their standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Watts {
    pub(crate) watts: f64,
    pub(crate) error: f64,
}

/// Sums of each co-execution and rail, by index; read in a pass of their own.
///
/// # Errors
/// If `power.csv` cannot be read.
pub(crate) fn read(bundle: &BundleReader, spans: &Spans) -> Result<Vec<Vec<Sums>>, AnalysisError> {
    let rails = &bundle.manifest().rails;
    let busy: Vec<Vec<Busy>> = spans
        .coexecutions
        .iter()
        .map(|it| it.lanes.iter().map(|&lane| Busy::of(&spans.runs[lane])).collect())
        .collect();
    let mut sums: Vec<Vec<Sums>> =
        busy.iter().map(|lanes| vec![Sums::new(lanes.len()); rails.len()]).collect();
    // What is to be said of the table was said when it was read first.
    let mut said = Vec::new();
    for_each_row::<PowerRow>(bundle, &mut said, |_, row, _| {
        let Some(rail) = rails.iter().position(|rail| row.rail == *rail.name) else {
            return Ok(());
        };
        let from = row.t_ns.saturating_sub(row.window_ns);
        for ((it, busy), sums) in spans.coexecutions.iter().zip(&busy).zip(&mut sums) {
            let all = &spans.runs[it.all];
            if all.start <= from && row.t_ns <= all.end && from < row.t_ns {
                let window = seconds(from, row.t_ns);
                let shares = busy.iter().map(|busy| busy.seconds_within(from, row.t_ns) / window);
                sums[rail].add(&shares.collect::<Vec<_>>(), row.watts);
            }
        }
        Ok(())
    })?;
    Ok(sums)
}

impl Sums {
    fn new(columns: usize) -> Self {
        Sums {
            readings: 0,
            products: vec![vec![0.0; columns]; columns],
            with_watts: vec![0.0; columns],
            columns: vec![0.0; columns],
            watts_squared: 0.0,
            watts: 0.0,
        }
    }

    fn add(&mut self, shares: &[f64], watts: f64) {
        self.readings += 1;
        self.watts += watts;
        self.watts_squared += watts * watts;
        for (row, share) in shares.iter().enumerate() {
            self.with_watts[row] += share * watts;
            self.columns[row] += share;
            for (sum, other) in self.products[row].iter_mut().zip(shares) {
                *sum += share * other;
            }
        }
    }

    /// How many readings they are of.
    pub(crate) fn readings(&self) -> f64 {
        self.readings as f64
    }

    /// Watts above `idle` of some of the components, the others taken to draw nothing here; none
    /// where they cannot be told apart. `correlation` is by how much the variance of a sum of
    /// readings exceeds that of independent ones.
    pub(crate) fn watts(&self, lanes: &[usize], idle: f64, correlation: f64) -> Option<Vec<Watts>> {
        let unknowns = lanes.len() as u64;
        if self.readings < FEWEST_READINGS * unknowns.max(1) {
            return None;
        }
        let products = DMatrix::from_fn(lanes.len(), lanes.len(), |row, column| {
            self.products[lanes[row]][lanes[column]]
        });
        let right = DVector::from_iterator(
            lanes.len(),
            lanes.iter().map(|&c| self.with_watts[c] - idle * self.columns[c]),
        );
        // What of a column's square the others do not explain.
        let own: Vec<f64> = inverse(&products)?.diagonal().iter().map(|it| it.recip()).collect();
        let apart = own.iter().enumerate().all(|(c, own)| *own > LEAST_OWN * products[(c, c)]);
        if !apart {
            return None;
        }
        let fit = non_negative(&products, &right, None)?;
        let readings = self.readings as f64;
        let squares = self.watts_squared - 2.0 * idle * self.watts + readings * idle * idle;
        let explained = fit.dot(&right);
        // At the optimum of a constrained fit Σ p r = Σ p (G p).
        let noise = ((squares - explained) / (readings - unknowns as f64)).max(0.0);
        let watts = fit
            .iter()
            .zip(&own)
            .map(|(&watts, own)| Watts { watts, error: (noise * correlation / own).sqrt() });
        let watts: Vec<Watts> = watts.collect();
        watts.iter().all(|it| it.watts.is_finite() && it.error.is_finite()).then_some(watts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn watts_are_found_where_components_take_turns(
            truth in prop::collection::vec(0.0..5.0f64, 3),
            shares in prop::collection::vec(prop::collection::vec(0.0..1.0f64, 3), 100..200),
        ) {
            let mut sums = Sums::new(3);
            for shares in &shares {
                let active: f64 = shares.iter().zip(&truth).map(|(f, p)| f * p).sum();
                sums.add(shares, 0.4 + active);
            }
            let found = sums.watts(&[0, 1, 2], 0.4, 1.0).unwrap();
            for (found, truth) in found.iter().zip(&truth) {
                prop_assert!((found.watts - truth).abs() < 1e-6, "{found:?} {truth}");
            }
        }
    }

    #[test]
    fn components_that_are_always_busy_together_are_not_told_apart() {
        let mut sums = Sums::new(2);
        (0..100).for_each(|_| sums.add(&[1.0, 1.0], 3.0));
        assert_eq!(sums.watts(&[0, 1], 0.0, 1.0), None);
        assert!((sums.watts(&[1], 1.0, 1.0).unwrap()[0].watts - 2.0).abs() < 1e-9);
        assert_eq!(Sums::new(1).watts(&[0], 0.0, 1.0), None);
    }
}
