//! How many CPUs there may be.

use std::fs;

/// One more than the highest number a CPU of this machine may have.
pub(crate) fn possible() -> usize {
    let listed = fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    highest(&listed).map_or(1, |highest| highest + 1)
}

/// From `0-3,8-11` it is 11.
fn highest(listed: &str) -> Option<usize> {
    listed.trim().rsplit([',', '-']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_number_counts_whatever_is_left_out() {
        assert_eq!(highest("0\n"), Some(0));
        assert_eq!(highest("0-7\n"), Some(7));
        assert_eq!(highest("0-3,8-11\n"), Some(11));
        assert_eq!(highest("0-3,9\n"), Some(9));
        assert_eq!(highest(""), None);
        assert!(possible() >= 1);
    }
}
