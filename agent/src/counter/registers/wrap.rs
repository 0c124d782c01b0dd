//! A 32-bit counter that never wraps.

/// The whole of what a 32-bit counter has counted since it was first read.
///
/// Exact as long as it counts less than 2³² between two readings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unwrapped {
    last: u32,
    total: u64,
}

impl Unwrapped {
    /// Starts at zero, with the register at `count`.
    pub(super) fn new(count: u32) -> Self {
        Unwrapped { last: count, total: 0 }
    }

    /// The total, with the register at `count` now.
    pub(super) fn advance(&mut self, count: u32) -> u64 {
        self.total += u64::from(count.wrapping_sub(self.last));
        self.last = count;
        self.total
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn increments_add_up_across_wraps(
            start in any::<u32>(),
            increments in proptest::collection::vec(any::<u32>(), 0..200),
        ) {
            let mut counter = Unwrapped::new(start);
            let (mut register, mut total) = (start, 0u64);
            for increment in increments {
                register = register.wrapping_add(increment);
                total += u64::from(increment);
                prop_assert_eq!(counter.advance(register), total);
            }
        }
    }
}
