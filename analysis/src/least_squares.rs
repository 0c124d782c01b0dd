//! Least squares on normal equations `G p = r`, with `G = XᵀX` and `r = Xᵀy`: only sums of products
//! are kept of however many observations.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

/// Relative to columns scaled to length 1: less than this is nothing.
const NEARLY_NOTHING: f64 = 1e-12;

/// The `p ≥ 0` that fits best; none where columns cannot be told apart at all. `likely` are the
/// components that are probably not zero, which only saves time.
///
/// Lawson and Hanson's active set on the normal equations (Bro and de Jong's FNNLS, J. Chemometrics
/// 11, 1997), begun with the likely set.
pub(crate) fn non_negative(
    products: &DMatrix<f64>,
    right: &DVector<f64>,
    likely: Option<&[bool]>,
) -> Option<DVector<f64>> {
    let scale = lengths(products)?;
    let (products, right) = (scaled(products, &scale), right.component_div(&scale));
    let count = right.len();
    let mut free = likely.map_or_else(|| vec![true; count], <[bool]>::to_vec);
    let mut fit = loop {
        let fit = solve_free(&products, &right, &free)?;
        let negative: Vec<usize> = (0..count).filter(|&c| free[c] && fit[c] <= 0.0).collect();
        if negative.is_empty() {
            break fit;
        }
        negative.into_iter().for_each(|c| free[c] = false);
    };
    let tolerance = NEARLY_NOTHING * right.amax().max(f64::MIN_POSITIVE) * count as f64;
    // Each round lowers the sum of squares, so that no set comes twice; the bound is for rounding.
    for _ in 0..10 * count {
        let slope = &right - &products * &fit;
        let steepest = (0..count).filter(|&c| !free[c] && slope[c] > tolerance);
        let Some(next) = steepest.max_by(|&a, &b| slope[a].total_cmp(&slope[b])) else { break };
        free[next] = true;
        fit = descend(&products, &right, &mut free, fit)?;
    }
    Some(fit.component_div(&scale))
}

/// From a fit that is possible towards the best on the free set, freeing no more than that; what
/// would become negative on the way is held at zero.
fn descend(
    products: &DMatrix<f64>,
    right: &DVector<f64>,
    free: &mut [bool],
    mut fit: DVector<f64>,
) -> Option<DVector<f64>> {
    loop {
        let wanted = solve_free(products, right, free)?;
        let blocking = (0..fit.len()).filter(|&c| free[c] && wanted[c] <= 0.0);
        let step = |c: usize| fit[c] / (fit[c] - wanted[c]).max(f64::MIN_POSITIVE);
        let Some(first) = blocking.min_by(|&a, &b| step(a).total_cmp(&step(b))) else {
            return Some(wanted);
        };
        let share = step(first);
        fit += share * (wanted - &fit);
        (free[first], fit[first]) = (false, 0.0);
    }
}

/// The best fit with everything held at zero that is not free.
fn solve_free(
    products: &DMatrix<f64>,
    right: &DVector<f64>,
    free: &[bool],
) -> Option<DVector<f64>> {
    let chosen: Vec<usize> = (0..right.len()).filter(|&c| free[c]).collect();
    let mut fit = DVector::zeros(right.len());
    if chosen.is_empty() {
        return Some(fit);
    }
    let part = products.select_rows(&chosen).select_columns(&chosen);
    let solved = factor(part)?.solve(&right.select_rows(&chosen));
    chosen.iter().zip(solved.iter()).for_each(|(&c, &value)| fit[c] = value);
    fit.iter().all(|value| value.is_finite()).then_some(fit)
}

/// `G⁻¹`: with the variance of an observation it gives the covariances of the fit. None where
/// columns cannot be told apart at all.
pub(crate) fn inverse(products: &DMatrix<f64>) -> Option<DMatrix<f64>> {
    let scale = lengths(products)?;
    Some(scaled(&factor(scaled(products, &scale))?.inverse(), &scale))
}

/// The condition number of `X`, its columns scaled to length 1: by how much an error of what was
/// observed may grow in the fit. Infinite where columns cannot be told apart at all.
pub(crate) fn condition(products: &DMatrix<f64>) -> f64 {
    let Some(scale) = lengths(products) else { return f64::INFINITY };
    let values = scaled(products, &scale).symmetric_eigenvalues();
    let (least, most) = (values.min(), values.max());
    if least > NEARLY_NOTHING * most { (most / least).sqrt() } else { f64::INFINITY }
}

fn factor(products: DMatrix<f64>) -> Option<Cholesky<f64, Dyn>> {
    let cholesky = Cholesky::new(products)?;
    // Columns of length 1: what is left of one beside the others.
    let own = cholesky.l_dirty().diagonal();
    own.iter().all(|own| own * own > NEARLY_NOTHING).then_some(cholesky)
}

/// Lengths of the columns of `X`; none if one is not longer than nothing.
fn lengths(products: &DMatrix<f64>) -> Option<DVector<f64>> {
    let lengths = products.diagonal().map(f64::sqrt);
    lengths.iter().all(|length| length.is_finite() && *length > 0.0).then_some(lengths)
}

fn scaled(products: &DMatrix<f64>, scale: &DVector<f64>) -> DMatrix<f64> {
    DMatrix::from_fn(scale.len(), scale.len(), |row, column| {
        products[(row, column)] / (scale[row] * scale[column])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COLUMNS: usize = 6;

    fn normal(rows: &[Vec<f64>], observed: &[f64]) -> (DMatrix<f64>, DVector<f64>) {
        let matrix = DMatrix::from_fn(rows.len(), COLUMNS, |row, column| rows[row][column]);
        let right = matrix.tr_mul(&DVector::from_column_slice(observed));
        (matrix.tr_mul(&matrix), right)
    }

    proptest! {
        /// The conditions that hold at the optimum and nowhere else (Karush, Kuhn and Tucker).
        #[test]
        fn the_fit_is_the_best_there_is(
            rows in prop::collection::vec(prop::collection::vec(0.0..1.0f64, COLUMNS), 20..40),
            observed in prop::collection::vec(-1.0..1.0f64, 40),
            likely in prop::collection::vec(any::<bool>(), COLUMNS),
        ) {
            let (products, right) = normal(&rows, &observed[..rows.len()]);
            for likely in [None, Some(&likely[..])] {
                let fit = non_negative(&products, &right, likely).unwrap();
                let slope = &right - &products * &fit;
                for c in 0..COLUMNS {
                    prop_assert!(fit[c] >= 0.0);
                    prop_assert!(slope[c] < 1e-8, "{c} would rather be larger: {slope}");
                    prop_assert!(fit[c] < 1e-12 || slope[c].abs() < 1e-8, "{c}: {slope}");
                }
            }
        }

        #[test]
        fn what_is_positive_is_found(
            rows in prop::collection::vec(prop::collection::vec(0.0..1.0f64, COLUMNS), 20..40),
            truth in prop::collection::vec(0.0..5.0f64, COLUMNS),
        ) {
            let observed: Vec<f64> =
                rows.iter().map(|row| row.iter().zip(&truth).map(|(x, p)| x * p).sum()).collect();
            let (products, right) = normal(&rows, &observed);
            let fit = non_negative(&products, &right, None).unwrap();
            for (found, truth) in fit.iter().zip(&truth) {
                prop_assert!((found - truth).abs() < 1e-6, "{found} {truth}");
            }
        }
    }

    #[test]
    fn columns_that_are_the_same_are_not_told_apart() {
        let products = DMatrix::from_row_slice(2, 2, &[1.0, 1.0, 1.0, 1.0]);
        assert_eq!(non_negative(&products, &DVector::from_element(2, 1.0), None), None);
        assert_eq!(inverse(&products), None);
        assert_eq!(condition(&products), f64::INFINITY);
        let nothing = DMatrix::zeros(2, 2);
        assert_eq!(condition(&nothing), f64::INFINITY);
    }

    #[test]
    fn a_condition_does_not_depend_on_units() {
        let products = DMatrix::from_row_slice(2, 2, &[1.0, 0.6, 0.6, 1.0]);
        let units = DMatrix::from_diagonal(&DVector::from_vec(vec![1e-6, 1e3]));
        let other = &units * &products * &units;
        // Eigenvalues 1.6 and 0.4.
        assert!((condition(&products) - 2.0).abs() < 1e-12);
        assert!((condition(&other) - 2.0).abs() < 1e-9);
        let expected = 1.0 / (1.0 - 0.36);
        assert!((inverse(&products).unwrap()[(0, 0)] - expected).abs() < 1e-12);
    }
}
