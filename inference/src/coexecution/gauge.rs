//! Statistics that need no memory for samples: a depth over time, and quantiles of latencies.

/// How deep a queue was: its mean over time, and its maximum.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Depth {
    /// Mean over time, in images.
    pub mean: f64,
    /// Greatest number of images at any moment.
    pub max: usize,
}

/// Follows the depth of a queue as time goes by.
#[derive(Debug, Clone, Default)]
pub(super) struct DepthGauge {
    start_ns: u64,
    last_ns: u64,
    depth: usize,
    max: usize,
    /// Images times nanoseconds.
    area: f64,
}

impl DepthGauge {
    pub(super) fn starting_at(now_ns: u64) -> Self {
        DepthGauge { start_ns: now_ns, last_ns: now_ns, ..DepthGauge::default() }
    }

    /// From `now_ns` on the queue is `depth` deep.
    pub(super) fn set(&mut self, now_ns: u64, depth: usize) {
        self.area += self.depth as f64 * now_ns.saturating_sub(self.last_ns) as f64;
        self.last_ns = self.last_ns.max(now_ns);
        self.depth = depth;
        self.max = self.max.max(depth);
    }

    pub(super) fn depth(&self) -> Depth {
        let elapsed = (self.last_ns - self.start_ns) as f64;
        Depth { mean: if elapsed > 0.0 { self.area / elapsed } else { 0.0 }, max: self.max }
    }
}

/// Least and greatest time told apart, in seconds, and the width of a bin.
const LEAST_S: f64 = 1e-7;
const GREATEST_S: f64 = 1e6;
const BIN_RATIO: f64 = 1.01;

/// Counts times in bins a hundredth wide, so that quantiles of any number of them are known
/// within half a percent.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    bins: Vec<u64>,
    count: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        let bins = ((GREATEST_S / LEAST_S).ln() / BIN_RATIO.ln()).ceil() as usize;
        Histogram { bins: vec![0; bins], count: 0 }
    }

    pub(super) fn record(&mut self, seconds: f64) {
        let bin = ((seconds / LEAST_S).max(1.0).ln() / BIN_RATIO.ln()) as usize;
        let last = self.bins.len() - 1;
        self.bins[bin.min(last)] += 1;
        self.count += 1;
    }

    /// The time, in seconds, that a share `quantile` of the recorded ones does not exceed (the
    /// nearest rank); `None` when nothing was recorded.
    pub(super) fn quantile(&self, quantile: f64) -> Option<f64> {
        let rank = ((quantile * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        let bin = self.bins.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        // The middle of the bin, on the scale that bins are cut on.
        Some(LEAST_S * BIN_RATIO.powf(bin as f64 + 0.5))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn depth_is_weighted_by_time() {
        let mut gauge = DepthGauge::starting_at(100);
        gauge.set(100, 4);
        gauge.set(200, 1);
        gauge.set(500, 0);
        assert_eq!(gauge.depth(), Depth { mean: (4.0 * 100.0 + 1.0 * 300.0) / 400.0, max: 4 });
    }

    proptest! {
        /// Quantiles agree with those of the sorted samples within the width of a bin.
        #[test]
        fn quantiles_are_within_a_percent(
            logs in prop::collection::vec(-6.0f64..5.0, 1..300),
            quantile in 0.0f64..=1.0,
        ) {
            let mut samples: Vec<f64> = logs.iter().map(|log| 10f64.powf(*log)).collect();
            let mut histogram = Histogram::new();
            samples.iter().for_each(|&sample| histogram.record(sample));
            samples.sort_by(f64::total_cmp);
            let rank = ((quantile * samples.len() as f64).ceil() as usize).max(1);
            let found = histogram.quantile(quantile).unwrap();
            prop_assert!((found / samples[rank - 1] - 1.0).abs() < 0.01);
        }
    }

    #[test]
    fn nothing_has_no_quantile() {
        assert_eq!(Histogram::new().quantile(0.5), None);
    }
}
