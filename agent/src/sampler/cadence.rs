//! Deadlines at a fixed rate, counted from one start so that no error adds up.

/// A series of absolute deadlines.
#[derive(Debug, Clone)]
pub(super) struct Cadence {
    start_ns: u64,
    period_ns: f64,
    /// Index of the next deadline.
    next: u64,
}

impl Cadence {
    /// Deadlines `1/rate_hz` apart, the first one period after `start_ns`.
    pub(super) fn new(start_ns: u64, rate_hz: f64) -> Self {
        Cadence { start_ns, period_ns: 1e9 / rate_hz, next: 1 }
    }

    /// The next deadline.
    pub(super) fn deadline_ns(&self) -> u64 {
        self.start_ns.saturating_add((self.next as f64 * self.period_ns).round() as u64)
    }

    /// If the deadline has come, goes on to the first one that has not, and answers how many in
    /// between were missed by a whole period or more.
    pub(super) fn take(&mut self, now_ns: u64) -> Option<u64> {
        let late_ns = now_ns.checked_sub(self.deadline_ns())?;
        let missed = (late_ns as f64 / self.period_ns) as u64;
        self.next += missed + 1;
        Some(missed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_that_are_no_whole_nanoseconds_do_not_drift() {
        let mut cadence = Cadence::new(1_000, 450.0);
        for _ in 0..450 * 3600 - 1 {
            let deadline = cadence.deadline_ns();
            assert_eq!(cadence.take(deadline - 1), None);
            assert_eq!(cadence.take(deadline), Some(0));
        }
        assert_eq!(cadence.deadline_ns(), 1_000 + 3_600_000_000_000);
    }

    #[test]
    fn missed_deadlines_are_skipped_and_counted() {
        let mut cadence = Cadence::new(0, 1000.0);
        assert_eq!(cadence.take(1_999_999), Some(0));
        assert_eq!(cadence.take(5_100_000), Some(3));
        assert_eq!(cadence.deadline_ns(), 6_000_000);
    }
}
