//! The roofline model of section IV of the study: what bounds work on a component.
//!
//! Work of `f` operations and `b` DRAM bytes takes at least `f / peak` seconds of computing and at
//! least `b / bandwidth` of moving bytes. The longer of the two bounds it: its rate is then at most
//! `min(peak, OI · bandwidth)` with `OI = f / b` (Williams, Waterman and Patterson, "Roofline"), and
//! work that computes nothing has an answer too.

use wattline_trace::ComponentRecord;

use crate::results::Bound;

/// A component's roof.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Roof {
    /// Floating-point operations a second at most.
    pub(crate) peak_flops_per_s: f64,
    /// DRAM bytes a second at most.
    pub(crate) bandwidth_bytes_per_s: f64,
}

/// The least time that some work takes under a roof.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Least {
    /// What takes it.
    pub(crate) bound: Bound,
    /// How long.
    pub(crate) seconds: f64,
}

impl Roof {
    /// None unless both ceilings are above zero, with a ridge point that is a number.
    pub(crate) fn new(peak_flops_per_s: f64, bandwidth_bytes_per_s: f64) -> Option<Self> {
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let is_roof = positive(peak_flops_per_s)
            && positive(bandwidth_bytes_per_s)
            && positive(peak_flops_per_s / bandwidth_bytes_per_s);
        is_roof.then_some(Roof { peak_flops_per_s, bandwidth_bytes_per_s })
    }

    /// As a bundle's manifest says of its component.
    pub(crate) fn of(component: &ComponentRecord) -> Option<Self> {
        Roof::new(component.peak_flops_per_s?, component.bandwidth_bytes_per_s?)
    }

    /// The least time of work, and what takes it.
    pub(crate) fn least(self, flops: f64, dram_bytes: f64) -> Least {
        let computing = flops / self.peak_flops_per_s;
        let moving = dram_bytes / self.bandwidth_bytes_per_s;
        match computing >= moving {
            true => Least { bound: Bound::Compute, seconds: computing },
            false => Least { bound: Bound::Bandwidth, seconds: moving },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_of_computing_and_moving_bounds() {
        let roof = Roof::new(1e9, 1e8).unwrap();
        let least = |bound, seconds| Least { bound, seconds };
        assert_eq!(roof.least(1e9, 1e7), least(Bound::Compute, 1.0));
        assert_eq!(roof.least(0.0, 4e8), least(Bound::Bandwidth, 4.0));
        // At the ridge both take as long.
        assert_eq!(roof.least(1e9, 1e8), least(Bound::Compute, 1.0));
        for (peak, bandwidth) in [(0.0, 1.0), (1.0, 0.0), (f64::NAN, 1.0), (1e308, 1e-308)] {
            assert_eq!(Roof::new(peak, bandwidth), None);
        }
    }
}
