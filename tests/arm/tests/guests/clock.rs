//! Guest's time and ours: spans of a guest can be held against the board's books.

use wattline_arm_tests::architecture::Architecture;
use wattline_arm_tests::machine::Blocks;

use crate::place::Place;

crate::in_each_guest!(differs_from_ours_by_a_constant);

/// Milliseconds would be seen: a percent of an image of a tenth of a second.
const MOST_ERROR_NS: i64 = 1_000_000;

fn differs_from_ours_by_a_constant(architecture: Architecture) {
    let mut place = Place::boot(architecture, Blocks::Untold);
    let first = place.clock_offset();
    place.sh("sleep 5");
    let second = place.clock_offset();
    assert!(first.error_ns.max(second.error_ns) < MOST_ERROR_NS, "{first:?}, {second:?}");
    let apart = (first.ns - second.ns).abs();
    assert!(apart <= first.error_ns + second.error_ns + 10_000, "{first:?}, {second:?}");
}
