//! How long a stream is taken to be where nobody says.
//!
//! A finite stream ends with its slowest component busy and the others idle, so that its
//! throughput depends on its length; and whether the slow component takes an image just before the
//! end is a matter of luck. What is expected of a stream is therefore the mean over streams of
//! about its length.

use std::ops::RangeInclusive;

/// Images of the study's streams: the length whose expected throughputs are nearest to its
/// Table II. The study does not state it. `tests/contention.rs` of the workspace makes the fit,
/// and fails if it comes to another length.
pub const STUDY_IMAGES: u64 = 58;

/// The streams that the expectation for one of `images` is the mean over: from 0.8 to 1.2 times
/// its length, rounded.
pub fn streams_around(images: u64) -> RangeInclusive<u64> {
    (images * 8 + 5) / 10..=(images * 12 + 5) / 10
}
