//! From the device's clock to the run's.
//!
//! OpenCL stamps commands in nanoseconds of a clock of the device's own, whose zero and rate are
//! not the host's. So the host reads CLOCK_MONOTONIC around a command that does nothing: the
//! device started and ended that command in between. Two such *ticks*, one before and one after
//! an image, say where the device's clock was on the host's at either end; in between it is taken
//! to run evenly.

use std::cell::Cell;

use opencl3::event::Event;

use super::arguments::Argument;
use super::error::OpenClError;
use super::program::Kernels;
use super::queue::{Command, Queue, Range};
use crate::clock::monotonic_ns;

/// How often a tick is tried for one that was not disturbed. Each takes time of the image's.
const TRIES: usize = 3;

/// A tick was not disturbed if its error is at most so many times the least there was.
const UNDISTURBED: u64 = 2;

/// A device time known on the host's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tick {
    device_ns: u64,
    host_ns: u64,
    /// How far off `host_ns` may be.
    error_ns: u64,
}

impl Tick {
    /// From a command that the device ran from `start_ns` to `end_ns` by its clock, submitted
    /// after `before_ns` and waited for until `after_ns` by the host's.
    ///
    /// The start lies no earlier than `before_ns`, and no later than the command's length before
    /// `after_ns`.
    fn bracketed(before_ns: u64, start_ns: u64, end_ns: u64, after_ns: u64) -> Self {
        let latest_ns = after_ns.saturating_sub(end_ns.saturating_sub(start_ns)).max(before_ns);
        let error_ns = (latest_ns - before_ns).div_ceil(2);
        Self { device_ns: start_ns, host_ns: before_ns + error_ns, error_ns }
    }

    /// Whether the device's clock can be taken to have run evenly since.
    pub(super) fn is_recent(&self) -> bool {
        const RECENT_NS: u64 = 1_000_000_000;
        monotonic_ns().saturating_sub(self.host_ns) < RECENT_NS
    }
}

/// The device's clock during one image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conversion {
    first: Tick,
    last: Tick,
}

impl Conversion {
    pub(super) fn between(first: Tick, last: Tick) -> Self {
        Self { first, last }
    }

    /// How far a converted time may be off: the larger error of the two ticks, between which it
    /// lies.
    pub(super) fn error_ns(&self) -> u64 {
        self.first.error_ns.max(self.last.error_ns)
    }

    /// CLOCK_MONOTONIC when the device's clock showed `device_ns`.
    pub(super) fn host_ns(&self, device_ns: u64) -> u64 {
        let Self { first, last } = self;
        let device = i128::from(last.device_ns) - i128::from(first.device_ns);
        let host = i128::from(last.host_ns) - i128::from(first.host_ns);
        let since = i128::from(device_ns) - i128::from(first.device_ns);
        // Without time between the ticks nothing is known of the rate.
        let since = if device > 0 { since * host / device } else { since };
        (i128::from(first.host_ns) + since).clamp(0, i128::from(u64::MAX)) as u64
    }
}

/// Makes ticks.
#[derive(Debug)]
pub(super) struct DeviceClock {
    command: Command,
    least_error_ns: Cell<u64>,
    // The command's argument.
    _nothing: super::arguments::Memory,
}

impl DeviceClock {
    pub(super) fn new(kernels: &Kernels, queue: &Queue) -> Result<Self, OpenClError> {
        let nothing = queue.memory(size_of::<f32>())?;
        let range = Range::new([1; 3], [1; 3]);
        let command = Command::new(kernels, "tick", &[Argument::Memory(&nothing)], range, "")?;
        let clock = Self { command, least_error_ns: Cell::new(u64::MAX), _nothing: nothing };
        // What an undisturbed tick is, is known before the first image.
        for _ in 0..TRIES {
            clock.tick(queue)?;
        }
        Ok(clock)
    }

    /// A tick that was not disturbed, or the best of a few. Waits for what is queued.
    pub(super) fn tick(&self, queue: &Queue) -> Result<Tick, OpenClError> {
        queue.finish()?;
        let mut best: Option<Tick> = None;
        for _ in 0..TRIES {
            let before_ns = monotonic_ns();
            let event = queue.submit(&self.command)?;
            queue.finish()?;
            let after_ns = monotonic_ns();
            let (start_ns, end_ns) = device_times(&event)?;
            let tick = Tick::bracketed(before_ns, start_ns, end_ns, after_ns);
            if best.is_none_or(|best| tick.error_ns < best.error_ns) {
                best = Some(tick);
            }
            let least_ns = self.least_error_ns.get().min(tick.error_ns);
            self.least_error_ns.set(least_ns);
            if tick.error_ns <= UNDISTURBED * least_ns {
                break;
            }
        }
        best.ok_or(OpenClError::Call {
            call: "clEnqueueNDRangeKernel",
            on: String::new(),
            status: "no tick of the device's clock".to_owned(),
        })
    }
}

/// When the device started and ended a command that has ended, by its own clock.
pub(super) fn device_times(event: &Event) -> Result<(u64, u64), OpenClError> {
    let read = || Ok((event.profiling_command_start()?, event.profiling_command_end()?));
    read().map_err(OpenClError::call("clGetEventProfilingInfo", ""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the device's zero and rate, and whenever within a bracket its command ran, no
        /// converted time is off by more than the stated error.
        #[test]
        fn the_error_is_a_bound(
            zero in 0..1_000_000_000_000_i64,
            rate_ppm in -500..500_i64,
            delays in proptest::array::uniform6(0..200_000_u64),
            image_ns in 1..500_000_000_u64,
            part in 0.0..1.0,
        ) {
            let device = |host: u64| {
                (host as i64 + zero + (host as i128 * i128::from(rate_ppm) / 1_000_000) as i64) as u64
            };
            let tick = |before: u64, [wait, work, back]: [u64; 3]| {
                let (start, end) = (before + wait, before + wait + work);
                (Tick::bracketed(before, device(start), device(end), end + back), end + back)
            };
            let [a, b, c, d, e, f] = delays;
            let (first, image_start) = tick(1_000_000_000, [a, b, c]);
            let image_end = image_start + image_ns;
            let (last, _) = tick(image_end, [d, e, f]);
            let conversion = Conversion::between(first, last);
            let actual = image_start + (image_ns as f64 * part) as u64;
            let converted = conversion.host_ns(device(actual));
            // The length of the command itself is known by the device's clock alone, and times
            // are whole nanoseconds.
            let rounding = (b.max(e) / 2_000).max(1) + 3;
            prop_assert!(converted.abs_diff(actual) <= conversion.error_ns() + rounding);
        }
    }
}
