//! Least squares of rows that are gone through anew with every guess of a clock.

use nalgebra::{DMatrix, DVector};

use super::sums::Equations;

/// Normal equations of weighted rows, most of whose entries are 0.
pub(super) struct Normal {
    products: DMatrix<f64>,
    right: DVector<f64>,
    sum: f64,
    squares: f64,
    count: f64,
    touched: Vec<usize>,
}

impl Normal {
    pub(super) fn new(columns: usize) -> Self {
        Normal {
            products: DMatrix::zeros(columns, columns),
            right: DVector::zeros(columns),
            sum: 0.0,
            squares: 0.0,
            count: 0.0,
            touched: Vec::new(),
        }
    }

    /// Adds a row that counts with a weight.
    pub(super) fn add(&mut self, row: &[f64], value: f64, weight: f64) {
        self.touched.clear();
        self.touched.extend((0..row.len()).filter(|&column| row[column] != 0.0));
        self.count += weight;
        self.sum += weight * value;
        self.squares += weight * value * value;
        for &column in &self.touched {
            let weighted = weight * row[column];
            self.right[column] += weighted * value;
            for &other in &self.touched {
                self.products[(other, column)] += weighted * row[other];
            }
        }
    }

    /// The same, for whoever does not care for weights.
    pub(super) fn equations(&self) -> Equations {
        Equations {
            readings: self.count,
            products: self.products.clone(),
            right: self.right.clone(),
            value: self.sum,
            squares: self.squares,
            coherent: 0.0,
        }
    }

    /// The solution with a prior's weights, and the inverse.
    pub(super) fn solve(&self, prior: &DMatrix<f64>) -> Option<(DVector<f64>, DMatrix<f64>)> {
        let factor = (&self.products + prior).cholesky()?;
        let fit = factor.solve(&self.right);
        fit.iter().all(|it| it.is_finite()).then(|| (fit, factor.inverse()))
    }

    /// Variance of what was observed.
    pub(super) fn spread(&self) -> f64 {
        self.squares / self.count - (self.sum / self.count).powi(2)
    }

    /// Mean squared residual of a fit.
    pub(super) fn variance(&self, fit: &DVector<f64>) -> f64 {
        let explained = 2.0 * fit.dot(&self.right) - fit.dot(&(&self.products * fit));
        (self.squares - explained) / self.count
    }
}
