//! Student's t for 95 % intervals.

/// Degrees of freedom and the two-sided 95 % quantile, from the usual tables.
const QUANTILES: [(f64, f64); 14] = [
    (1.0, 12.706),
    (2.0, 4.303),
    (3.0, 3.182),
    (4.0, 2.776),
    (5.0, 2.571),
    (6.0, 2.447),
    (8.0, 2.306),
    (10.0, 2.228),
    (15.0, 2.131),
    (20.0, 2.086),
    (30.0, 2.042),
    (60.0, 2.000),
    (120.0, 1.980),
    (f64::INFINITY, 1.960),
];

/// How many standard errors make half of a 95 % interval at `freedom` degrees of freedom (which
/// may be fractional, and counts as 1 below that). Between table entries it is linear in
/// `1/freedom`, where the quantile is convex: the answer is never too small.
pub(crate) fn quantile(freedom: f64) -> f64 {
    let freedom = freedom.max(1.0);
    let above = QUANTILES.partition_point(|&(known, _)| known < freedom).min(QUANTILES.len() - 1);
    let (high, at_high) = QUANTILES[above];
    let (low, at_low) = QUANTILES[above.saturating_sub(1)];
    let width = low.recip() - high.recip();
    if width == 0.0 {
        return at_high;
    }
    let share = (freedom.recip() - high.recip()) / width;
    at_high + share * (at_low - at_high)
}

/// The same for a sum of variances `total`, parts of which rest on few observations: `freedom` is the
/// sum of their squares, each by its degrees of freedom (Welch and Satterthwaite).
pub(crate) fn satterthwaite(total: f64, freedom: f64) -> f64 {
    quantile(if freedom > 0.0 { total * total / freedom } else { f64::INFINITY })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_match_tables() {
        for (freedom, expected) in
            [(1.0, 12.706), (7.0, 2.365), (12.0, 2.179), (40.0, 2.021), (1e9, 1.960)]
        {
            let found = quantile(freedom);
            assert!(
                found >= expected - 6e-4 && found < expected * 1.01,
                "{freedom}: {found} {expected}"
            );
        }
        assert_eq!(quantile(0.1), 12.706);
        assert_eq!(quantile(f64::INFINITY), 1.960);
    }
}
