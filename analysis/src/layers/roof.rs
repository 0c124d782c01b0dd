//! What bounds a layer: the roofline model of section IV of the study.
//!
//! A layer of `f` operations and `b` DRAM bytes takes at least `f / peak` seconds of computing and
//! at least `b / bandwidth` of moving bytes; the longer of the two bounds it, and is the part of
//! its time that its [`Roof::fraction`] says. That is its speed over `min(peak, OI · bandwidth)`,
//! and has an answer for layers that compute nothing.

use wattline_trace::ComponentRecord;

use crate::results::Bound;

/// A layer under the roof of its component.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Roof {
    pub(super) bound: Bound,
    /// Its speed, of the most that the roof allows. Above 1 a unit or a ceiling is wrong.
    pub(super) fraction: f64,
}

impl Roof {
    /// None where the component's ceilings or the layer's work are not known. Caches spare the DRAM
    /// some of the theoretical bytes: without measured ones, only what computing bounds even so is
    /// told.
    pub(super) fn over(
        component: Option<&ComponentRecord>,
        seconds: f64,
        flops: Option<u64>,
        measured: Option<f64>,
        theoretical: Option<u64>,
    ) -> Option<Self> {
        let component = component?;
        let positive = |ceiling: f64| (ceiling > 0.0).then_some(ceiling);
        let peak = component.peak_flops_per_s.and_then(positive)?;
        let bandwidth = component.bandwidth_bytes_per_s.and_then(positive)?;
        let computing = flops? as f64 / peak;
        let moving = measured.or(theoretical.map(|bytes| bytes as f64))? / bandwidth;
        let bound = if computing >= moving { Bound::Compute } else { Bound::Bandwidth };
        if bound == Bound::Bandwidth && measured.is_none() {
            return None;
        }
        let fraction = computing.max(moving) / seconds;
        (fraction > 0.0 && fraction.is_finite()).then_some(Roof { bound, fraction })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wattline_trace::Provenance;

    #[test]
    fn the_longer_of_computing_and_moving_bounds() {
        let component = ComponentRecord {
            name: "c".into(),
            kind: "cpu".into(),
            executor: String::new(),
            rails: vec![],
            threads: None,
            cpus: vec![],
            peak_flops_per_s: Some(1e9),
            bandwidth_bytes_per_s: Some(1e8),
            provenance: Provenance::Measured,
            stand_in: None,
        };
        let over = |flops, bytes| Roof::over(Some(&component), 2.0, flops, bytes, None);
        let roof = |bound, fraction| Some(Roof { bound, fraction });
        assert_eq!(over(Some(1_000_000_000), Some(1e7)), roof(Bound::Compute, 0.5));
        assert_eq!(over(Some(0), Some(4e8)), roof(Bound::Bandwidth, 2.0));
        assert_eq!(over(None, Some(4e8)), None);
        assert_eq!(over(Some(0), Some(0.0)), None);
        assert_eq!(Roof::over(None, 2.0, Some(1), Some(1.0), None), None);
        let unmeasured =
            |bytes| Roof::over(Some(&component), 2.0, Some(1_000_000_000), None, bytes);
        assert_eq!(unmeasured(Some(10_000_000)), roof(Bound::Compute, 0.5));
        assert_eq!(unmeasured(Some(400_000_000)), None);
    }
}
