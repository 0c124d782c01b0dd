//! Least squares of rows that are gone through anew with every guess of a clock.

use nalgebra::{DMatrix, DVector};

use super::sums::Equations;

/// Normal equations of weighted rows, most of whose entries are 0.
pub(super) struct Normal {
    /// The lower half: the upper one is the same.
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
            for &other in self.touched.iter().filter(|&&other| other >= column) {
                self.products[(other, column)] += weighted * row[other];
            }
        }
    }

    /// The same, for whoever does not care for weights.
    pub(super) fn equations(&self) -> Equations {
        Equations {
            readings: self.count,
            products: self.whole(),
            right: self.right.clone(),
            value: self.sum,
            squares: self.squares,
            coherent: 0.0,
        }
    }

    fn whole(&self) -> DMatrix<f64> {
        let mut whole = self.products.clone();
        whole.fill_upper_triangle_with_lower_triangle();
        whole
    }

    /// The solution with a prior's weights, and the inverse's rows and columns of the `last` unknowns.
    pub(super) fn solve(
        &self,
        prior: &DMatrix<f64>,
        last: usize,
    ) -> Option<(DVector<f64>, DMatrix<f64>)> {
        let factor = (&self.products + prior).cholesky()?;
        let fit = factor.solve(&self.right);
        let first = fit.len() - last;
        let unit = |row, column| f64::from(u8::from(row == first + column));
        let inverse = factor.solve(&DMatrix::from_fn(fit.len(), last, unit));
        let known = fit.iter().all(|it| it.is_finite());
        known.then(|| (fit, inverse.rows(first, last).into_owned()))
    }

    /// Variance of what was observed.
    pub(super) fn spread(&self) -> f64 {
        self.squares / self.count - (self.sum / self.count).powi(2)
    }

    /// Mean squared residual of a fit.
    pub(super) fn variance(&self, fit: &DVector<f64>) -> f64 {
        let explained = 2.0 * fit.dot(&self.right) - fit.dot(&(self.whole() * fit));
        (self.squares - explained) / self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_through_points() {
        let mut sums = Normal::new(2);
        for (x, y, weight) in [(0.0, 1.0, 1.0), (1.0, 3.0, 2.0), (2.0, 5.0, 1.0), (3.0, 99.0, 0.0)]
        {
            sums.add(&[1.0, x], y, weight);
        }
        let (fit, inverse) = sums.solve(&DMatrix::zeros(2, 2), 1).unwrap();
        assert!((fit[0] - 1.0).abs() < 1e-9 && (fit[1] - 2.0).abs() < 1e-9, "{fit}");
        // One over Σ w (x − mean)².
        assert!((inverse[(0, 0)] - 0.5).abs() < 1e-9, "{inverse}");
        assert!(sums.variance(&fit).abs() < 1e-9);
        assert!((sums.spread() - 2.0).abs() < 1e-9);
        assert_eq!(sums.equations().products[(0, 1)], sums.equations().products[(1, 0)]);
    }
}
