//! How late the sampler woke up: a histogram of fixed size.

/// Each power of two is split into this many buckets: a percentile is at most 1/16 too high.
const SPLIT: usize = 16;
const SPLIT_BITS: u32 = SPLIT.trailing_zeros();
/// Buckets for every 64-bit number of nanoseconds.
const BUCKETS: usize = SPLIT * (64 - SPLIT_BITS as usize + 1);

/// Counts of latenesses, in buckets that widen with the value (log-linear).
#[derive(Debug, Clone)]
pub(super) struct Lateness {
    buckets: Box<[u64; BUCKETS]>,
    total: u64,
}

impl Lateness {
    pub(super) fn new() -> Self {
        Lateness { buckets: Box::new([0; BUCKETS]), total: 0 }
    }

    /// Counts one wake-up.
    pub(super) fn record(&mut self, late_ns: u64) {
        self.buckets[bucket(late_ns)] += 1;
        self.total += 1;
    }

    /// The lateness that `share` of the wake-ups did not exceed, rounded up to its bucket's end;
    /// 0 if there were none.
    pub(super) fn percentile_ns(&self, share: f64) -> u64 {
        let rank = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank && seen > 0 {
                return last_of(index);
            }
        }
        0
    }
}

fn bucket(value: u64) -> usize {
    if value < SPLIT as u64 {
        return value as usize;
    }
    let octave = value.ilog2() - SPLIT_BITS;
    SPLIT * octave as usize + (value >> octave) as usize
}

/// The largest value of a bucket.
fn last_of(index: usize) -> u64 {
    if index < 2 * SPLIT {
        return index as u64;
    }
    let octave = index / SPLIT - 1;
    let first = ((index % SPLIT + SPLIT) as u64) << octave;
    first + ((1u64 << octave) - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bucket_ends_at_most_a_sixteenth_above_its_values(value in any::<u64>()) {
            let end = last_of(bucket(value));
            prop_assert!(end >= value && end - value <= value / 16);
        }
    }

    #[test]
    fn percentiles() {
        let mut lateness = Lateness::new();
        assert_eq!(lateness.percentile_ns(0.99), 0);
        for value in 1..=1000u64 {
            lateness.record(value * 1000);
        }
        assert!((500_000..540_000).contains(&lateness.percentile_ns(0.5)));
        assert!((990_000..1_060_000).contains(&lateness.percentile_ns(0.99)));
    }

    #[test]
    fn never_late_is_exactly_zero() {
        let mut lateness = Lateness::new();
        lateness.record(0);
        assert_eq!(lateness.percentile_ns(0.99), 0);
        lateness.record(u64::MAX);
        assert_eq!(lateness.percentile_ns(1.0), u64::MAX);
    }
}
