//! How a capacity is divided among those who want some of it.

/// Divides `capacity` so that nobody gets more than it wants, and nobody who gets less than it
/// wants gets less than anybody else.
pub(super) fn max_min_fair(wants: &[f64], capacity: f64) -> Vec<f64> {
    let mut shares = vec![0.0; wants.len()];
    let mut order: Vec<usize> = (0..wants.len()).filter(|&index| wants[index] > 0.0).collect();
    order.sort_by(|&a, &b| wants[a].total_cmp(&wants[b]));
    let mut left = capacity;
    for (served, &index) in order.iter().enumerate() {
        let fair = left / (order.len() - served) as f64;
        shares[index] = wants[index].min(fair);
        left -= shares[index];
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::max_min_fair;

    proptest! {
        /// No share exceeds what is wanted, the sum does not exceed the capacity, and all of it is
        /// used while anybody wants more.
        #[test]
        fn shares_are_max_min_fair(wants in prop::collection::vec(0.0..1e10f64, 1..6), capacity in 1e3..2e10f64) {
            let shares = max_min_fair(&wants, capacity);
            let given: f64 = shares.iter().sum();
            let wanted: f64 = wants.iter().sum();
            prop_assert!(shares.iter().zip(&wants).all(|(share, want)| share <= want));
            prop_assert!((given / wanted.min(capacity) - 1.0).abs() <= 1e-9 || wanted == 0.0);
            let unmet = shares.iter().zip(&wants).filter(|(share, want)| *share < *want);
            let least_unmet = unmet.map(|(share, _)| *share).fold(f64::INFINITY, f64::min);
            prop_assert!(shares.iter().all(|share| *share <= least_unmet * (1.0 + 1e-9)));
        }
    }
}
