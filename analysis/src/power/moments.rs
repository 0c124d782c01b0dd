//! Count, mean and variance of a stream, in constant memory.

/// Running moments (Welford's recurrence, which does not cancel).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moments {
    pub(crate) count: u64,
    pub(crate) mean: f64,
    /// Sum of squared deviations from the mean.
    pub(crate) squares: f64,
}

impl Moments {
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1;
        let off = value - self.mean;
        self.mean += off / self.count as f64;
        self.squares += off * (value - self.mean);
    }

    /// Unbiased variance; 0 for fewer than two values.
    pub(crate) fn variance(&self) -> f64 {
        if self.count < 2 { 0.0 } else { self.squares / (self.count - 1) as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_a_small_sample_on_a_large_offset() {
        let mut moments = Moments::default();
        [1.0, 2.0, 4.0].iter().for_each(|value| moments.add(1e9 + value));
        assert!((moments.mean - 1e9 - 7.0 / 3.0).abs() < 1e-6);
        assert!((moments.variance() - 7.0 / 3.0).abs() < 1e-6);
    }
}
