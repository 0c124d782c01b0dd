//! What readings say of a run's layers: sums of products, in blocks of time.

use nalgebra::{DMatrix, DVector};

/// Parts of an image that readings are counted in.
const PHASES: usize = 32;

/// The readings of one source over one run.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    pub(super) blocks: Vec<Block>,
    /// Readings by the part of an image that they look at.
    phases: [u64; PHASES],
    /// By how much readings would change with the clock of their sensor off by its standard error, times
    /// `x[i]`, summed: what that pulls a fit by.
    pub(super) shift: DVector<f64>,
    /// Variance by which readings are worth less, for they err together: 0 where they err on their own.
    pub(super) coherent: f64,
}

/// A stretch of the run. Columns are layers; a reading's weight in one is the part of what it
/// looks at that the layer took.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) readings: u64,
    /// `Σ x[i] x[j]` for `i ≤ j`, column by column.
    products: Vec<f64>,
    /// `Σ x[i] y`.
    with_value: Vec<f64>,
    /// `Σ x[i]`.
    weights: Vec<f64>,
    value: f64,
    value_squared: f64,
}

/// Normal equations of some readings.
#[derive(Debug, Clone)]
pub(super) struct Equations {
    pub(super) readings: f64,
    pub(super) products: DMatrix<f64>,
    pub(super) right: DVector<f64>,
    /// `Σ y`.
    pub(super) value: f64,
    /// `Σ y²`.
    pub(super) squares: f64,
    /// Variance of a reading beyond what its residual shows.
    pub(super) coherent: f64,
}

impl Sums {
    pub(super) fn new(columns: usize, blocks: usize) -> Self {
        let block = Block {
            readings: 0,
            products: vec![0.0; columns * (columns + 1) / 2],
            with_value: vec![0.0; columns],
            weights: vec![0.0; columns],
            value: 0.0,
            value_squared: 0.0,
        };
        Sums {
            blocks: vec![block; blocks],
            phases: [0; PHASES],
            shift: DVector::zeros(columns),
            coherent: 0.0,
        }
    }

    /// Adds a reading. `weights` name a column once, in ascending order; `phase` from 0 to 1 is
    /// the part of an image it looks at, if at any.
    pub(super) fn add(
        &mut self,
        block: usize,
        weights: &[(usize, f64)],
        value: f64,
        phase: Option<f64>,
    ) {
        if let Some(phase) = phase {
            self.phases[((phase * PHASES as f64) as usize).min(PHASES - 1)] += 1;
        }
        self.blocks[block].add(weights, value);
    }

    /// Adds by how much the reading just added would change with its clock off by its standard error.
    pub(super) fn add_shift(&mut self, weights: &[(usize, f64)], change: f64) {
        weights.iter().for_each(|&(column, weight)| self.shift[column] += weight * change);
    }

    pub(super) fn readings(&self) -> u64 {
        self.blocks.iter().map(|block| block.readings).sum()
    }

    /// How evenly readings fall over an image, from 0 to 1: with `f` the share of them in each of
    /// 32 parts of the image, `Σ min(f, 1/32)`. 1 is even; a sampler in step with the images,
    /// which sees one part of them alone, has 1/32.
    pub(super) fn coverage(&self) -> Option<f64> {
        let count: u64 = self.phases.iter().sum();
        let even = 1.0 / PHASES as f64;
        let share = |&part: &u64| (part as f64 / count as f64).min(even);
        (count > 0).then(|| self.phases.iter().map(share).sum())
    }
}

impl Block {
    fn add(&mut self, weights: &[(usize, f64)], value: f64) {
        self.readings += 1;
        self.value += value;
        self.value_squared += value * value;
        for (place, &(column, weight)) in weights.iter().enumerate() {
            self.with_value[column] += weight * value;
            self.weights[column] += weight;
            let start = column * (column + 1) / 2;
            for &(row, other) in &weights[..=place] {
                self.products[start + row] += weight * other;
            }
        }
    }

    /// The block's part of the normal equations of `y − idle`.
    pub(super) fn equations(&self, idle: f64) -> Equations {
        let columns = self.weights.len();
        let mut products = DMatrix::zeros(columns, columns);
        for column in 0..columns {
            let start = column * (column + 1) / 2;
            for row in 0..=column {
                products[(row, column)] = self.products[start + row];
                products[(column, row)] = self.products[start + row];
            }
        }
        let right = (0..columns).map(|c| self.with_value[c] - idle * self.weights[c]);
        let readings = self.readings as f64;
        Equations {
            readings,
            products,
            right: DVector::from_iterator(columns, right),
            value: self.value - readings * idle,
            squares: self.value_squared - 2.0 * idle * self.value + readings * idle * idle,
            coherent: 0.0,
        }
    }
}

impl Equations {
    /// All of several blocks, each so many times.
    pub(super) fn sum<'a>(parts: impl Iterator<Item = (&'a Equations, f64)>) -> Option<Equations> {
        parts.fold(None, |sum: Option<Equations>, (part, times)| {
            let mut sum = sum.unwrap_or_else(|| Equations {
                readings: 0.0,
                products: DMatrix::zeros(part.right.len(), part.right.len()),
                right: DVector::zeros(part.right.len()),
                value: 0.0,
                squares: 0.0,
                coherent: part.coherent,
            });
            sum.readings += times * part.readings;
            sum.value += times * part.value;
            sum.squares += times * part.squares;
            sum.right.axpy(times, &part.right, 1.0);
            sum.products.zip_apply(&part.products, |sum, part| *sum += times * part);
            Some(sum)
        })
    }

    /// The same with columns added up that are in one group.
    pub(super) fn grouped(&self, group_of: &[usize], groups: usize) -> Equations {
        let mut products = DMatrix::zeros(groups, groups);
        let mut right = DVector::zeros(groups);
        for (column, &group) in group_of.iter().enumerate() {
            right[group] += self.right[column];
            for (row, &other) in group_of.iter().enumerate() {
                products[(other, group)] += self.products[(row, column)];
            }
        }
        Equations { products, right, ..*self }
    }

    /// Variance that a single reading about a fit counts with.
    pub(super) fn noise(&self, fit: &DVector<f64>) -> f64 {
        let explained = 2.0 * fit.dot(&self.right) - fit.dot(&(&self.products * fit));
        let freedom = self.readings - fit.len() as f64;
        if freedom < 1.0 {
            return f64::INFINITY;
        }
        ((self.squares - explained) / freedom).max(0.0) + self.coherent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_add_their_columns() {
        let mut sums = Sums::new(3, 2);
        let rows = [([0.2, 0.3, 0.5], 4.0), ([0.0, 1.0, 0.0], 2.0), ([0.5, 0.0, 0.5], 7.0)];
        for (index, (weights, value)) in rows.iter().enumerate() {
            let some = weights.iter().copied().enumerate().filter(|(_, weight)| *weight > 0.0);
            sums.add(index % 2, &some.collect::<Vec<_>>(), *value, Some(0.5));
        }
        let parts: Vec<_> = sums.blocks.iter().map(|block| block.equations(1.0)).collect();
        let all = Equations::sum(parts.iter().map(|part| (part, 1.0))).unwrap();
        let all = all.grouped(&[0, 1, 1], 2);
        let grouped = rows.map(|(x, y)| ([x[0], x[1] + x[2]], y - 1.0));
        for i in 0..2 {
            let right: f64 = grouped.iter().map(|(x, y)| x[i] * y).sum();
            assert!((all.right[i] - right).abs() < 1e-12);
            for j in 0..2 {
                let product: f64 = grouped.iter().map(|(x, _)| x[i] * x[j]).sum();
                assert!((all.products[(i, j)] - product).abs() < 1e-12, "{i} {j}");
            }
        }
        let squares: f64 = grouped.iter().map(|(_, y)| y * y).sum();
        assert!((all.squares - squares).abs() < 1e-12);
        assert!((all.value - 10.0).abs() < 1e-12);
        assert_eq!(sums.readings(), 3);
        assert_eq!(sums.coverage(), Some(1.0 / 32.0));
    }
}
