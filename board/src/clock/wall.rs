//! `CLOCK_MONOTONIC`.

use std::time::Duration;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};
use wattline_trace::ClockKind;

use super::Clock;

/// The machine's own monotonic clock, slept on with absolute deadlines.
#[derive(Debug, Clone, Copy, Default)]
pub struct WallClock;

impl Clock for WallClock {
    fn kind(&self) -> ClockKind {
        ClockKind::Wall
    }

    fn now_ns(&self) -> u64 {
        // CLOCK_MONOTONIC is always there; an answer of zero would only follow from a kernel
        // that refuses it.
        clock_gettime(ClockId::CLOCK_MONOTONIC)
            .map_or(0, |now| Duration::from(now).as_nanos() as u64)
    }

    fn sleep_until(&self, deadline_ns: u64) {
        let deadline = TimeSpec::from_duration(Duration::from_nanos(deadline_ns));
        let absolute = ClockNanosleepFlags::TIMER_ABSTIME;
        while clock_nanosleep(ClockId::CLOCK_MONOTONIC, absolute, &deadline) == Err(Errno::EINTR) {}
    }

    fn enter(&self) {}

    fn leave(&self) {}
}
