//! What stretch of time a reading speaks of, and how much of it each instant counts.
//!
//! A sensor's reading at `t` is the mean over a window `w` that ended at `t − l`, with a lag `l`
//! that nobody knows and that lies anywhere from 0 to `m`: the time between two polls, or two
//! conversions where those are shorter. Averaged over the lag, the instant `u` seconds before `t`
//! counts
//!
//! ```text
//! k(u) = (clamp(u, 0, m) − clamp(u − w, 0, m)) / (w m)
//! ```
//!
//! a trapezium of area 1 over `0 … w + m`. Power before the reading differs from this mean by an
//! error that does not depend on it (Berkson's error), which leaves least squares unbiased. The
//! difference of a counter between two readings has no lag: `k` is a rectangle. Where it is known when
//! conversions end ([`super::clock`]), the lag lies within little above a least one.

/// How a reading looks back, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sight {
    pub(crate) window: f64,
    /// The lag is at least this.
    pub(crate) least: f64,
    /// And at most so much longer.
    pub(crate) lag: f64,
}

impl Sight {
    /// How far it reaches back.
    pub(super) fn reach(self) -> f64 {
        self.least + self.window + self.lag
    }

    /// The weight of all instants up to `ago` seconds before the reading: 0 at 0, 1 at the reach.
    pub(super) fn up_to(self, ago: f64) -> f64 {
        let ago = ago - self.least;
        if self.lag <= 0.0 {
            return (ago / self.window).clamp(0.0, 1.0);
        }
        // The integral of clamp(u, 0, m).
        let ramp = |u: f64| {
            let rising = u.clamp(0.0, self.lag);
            rising * rising / 2.0 + self.lag * (u - self.lag).max(0.0)
        };
        ((ramp(ago) - ramp(ago - self.window)) / (self.window * self.lag)).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_to_one_and_are_means_over_the_lag() {
        for (window, lag) in [(2.2, 2.2), (35.2, 2.2), (2.0, 5.0), (3.0, 0.0)] {
            let sight = Sight { window, least: 0.0, lag };
            let later = Sight { least: 0.7, ..sight };
            assert_eq!(sight.up_to(0.0), 0.0);
            assert!((later.up_to(2.2) - sight.up_to(1.5)).abs() < 1e-12);
            assert!((sight.up_to(sight.reach()) - 1.0).abs() < 1e-12);
            for ago in [0.3, 1.7, 2.5, 4.0, 30.0] {
                let share = |l: f64| ((ago - l) / window).clamp(0.0, 1.0);
                let steps = 10_000;
                let lags = (0..steps).map(|k| lag * (f64::from(k) + 0.5) / f64::from(steps));
                let mean = lags.map(share).sum::<f64>() / f64::from(steps);
                assert!((sight.up_to(ago) - mean).abs() < 1e-6, "{sight:?} {ago}");
            }
        }
    }
}
