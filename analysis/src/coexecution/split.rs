//! Shares of a measured energy that add up to it, and how far each may lie off.

/// What one component is expected to have drawn, in joules.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Expected {
    /// The expectation lies between these two.
    pub(crate) lo: f64,
    pub(crate) hi: f64,
    /// It cannot lie outside these two.
    pub(crate) least: f64,
    pub(crate) most: f64,
}

/// One component's share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Part {
    /// Of the whole; the shares of all sum to 1.
    pub(crate) share: f64,
    /// How far its joules may lie off.
    pub(crate) bound: f64,
}

/// Splits `total` joules. Where nothing is expected of anybody, in equal parts.
pub(crate) fn split(total: f64, expected: &[Expected]) -> Vec<Part> {
    let sum = |of: fn(&Expected) -> f64| expected.iter().map(of).sum::<f64>();
    let (lo, hi) = (sum(|e| e.lo), sum(|e| e.hi));
    let (least, most) = (sum(|e| e.least), sum(|e| e.most));
    let wanted = |e: &Expected| match total {
        _ if total <= lo => e.lo,
        _ if total >= hi => e.hi,
        _ => e.lo + (total - lo) / (hi - lo) * (e.hi - e.lo),
    };
    let sum_wanted: f64 = expected.iter().map(wanted).sum();
    // What the bounds do not explain may be anybody's, in proportion.
    let unexplained = (total - most).max(least - total).max(0.0);
    let part = |e: &Expected| {
        let share = match sum_wanted > 0.0 {
            true => wanted(e) / sum_wanted,
            false => 1.0 / expected.len() as f64,
        };
        let joules = share * total;
        let from = e.least.max(total - (most - e.most)).min(joules);
        let to = e.most.min(total - (least - e.least)).max(joules);
        Part { share, bound: (joules - from).max(to - joules) + share * unexplained }
    };
    expected.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exactly(joules: f64) -> Expected {
        Expected { lo: joules, hi: joules, least: joules, most: joules }
    }

    #[test]
    fn a_driver_gets_what_the_owner_leaves() {
        let owner = exactly(10.0);
        let guest = Expected { lo: 0.0, hi: 2.0, least: 0.0, most: 2.0 };
        for (total, left) in [(10.0, 0.0), (11.0, 1.0), (12.0, 2.0)] {
            let parts = split(total, &[owner, guest]);
            assert!((parts[1].share * total - left).abs() < 1e-12, "{parts:?}");
            assert!(parts[1].bound < 1e-12, "{parts:?}");
        }
        // More than anybody was expected to draw.
        let parts = split(18.0, &[owner, guest]);
        assert!((parts[0].share * 18.0 - 15.0).abs() < 1e-12);
        assert!((parts[0].bound - 5.0).abs() < 1e-9, "{parts:?}");
    }

    #[test]
    fn without_an_expectation_parts_are_equal() {
        let parts = split(3.0, &[Expected::default(); 4]);
        assert!(parts.iter().all(|part| part.share == 0.25));
    }

    proptest! {
        /// Shares add up, and what really was drawn lies within the bound if it lies in what was
        /// held to be possible.
        #[test]
        fn shares_add_up_and_bounds_hold(
            parts in prop::collection::vec((0.0..10.0f64, 0.0..1.0f64, 0.0..1.0f64, 0.0..3.0f64), 1..6),
            truth in prop::collection::vec(0.0..=1.0f64, 6),
        ) {
            let expected: Vec<Expected> = parts.iter().map(|&(least, lo, hi, width)| {
                let at = |share: f64| least + share * width;
                Expected { lo: at(lo.min(hi)), hi: at(lo.max(hi)), least, most: at(1.0) }
            }).collect();
            let drawn: Vec<f64> = expected.iter().zip(&truth)
                .map(|(e, t)| e.least + t * (e.most - e.least)).collect();
            let total: f64 = drawn.iter().sum();
            let shares = split(total, &expected);
            let sum: f64 = shares.iter().map(|part| part.share).sum();
            prop_assert!((sum - 1.0).abs() < 1e-12);
            for (part, drawn) in shares.iter().zip(&drawn) {
                let off = (part.share * total - drawn).abs();
                prop_assert!(off <= part.bound + 1e-9 * total.max(1.0), "{} {:?}", off, part);
            }
        }
    }
}
