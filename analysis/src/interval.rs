//! A stretch of time.

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::spans::seconds;

/// From one instant to another, ns of the bundle's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Interval {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl Interval {
    pub(crate) fn seconds(self) -> f64 {
        seconds(self.from, self.to)
    }
}
