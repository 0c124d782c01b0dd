//! From the device's clock to the run's.
//!
//! OpenCL stamps commands in nanoseconds of a clock of the device's own, whose zero and rate are
//! not the host's. So the host reads CLOCK_MONOTONIC around a command that does nothing: the
//! device started and ended that command in between. Two such *ticks* some time apart say where the
//! device's clock was on the host's and how fast it runs, which is taken to be even. A tick holds the
//! device up, so it is not made for every image: one serves for a while, and is no part of any image.

use opencl3::event::Event;

use super::arguments::Argument;
use super::error::OpenClError;
use super::program::Kernels;
use super::queue::{Command, Queue, Range};
use crate::clock::monotonic_ns;

/// How long a tick serves.
const RECENT_NS: u64 = 250_000_000;

/// How far apart the two ticks that tell the rate are, at least, once there have been so many.
const APART_NS: u64 = 1_000_000_000;

/// How often a tick is tried for one that was not disturbed.
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
}

/// The device's clock, by two ticks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conversion {
    first: Tick,
    last: Tick,
}

impl Conversion {
    /// How far off [`host_ns`](Self::host_ns) may be, for a time no earlier than the first tick. In
    /// between the two it is the larger error of theirs; beyond, where it is `first` and `last` on
    /// the line through them, what both are off tells as much more as the time is farther away.
    pub(super) fn error_ns(&self, device_ns: u64) -> u64 {
        let Self { first, last } = self;
        let beyond = u128::from(device_ns.saturating_sub(last.device_ns));
        let apart = u128::from(last.device_ns.saturating_sub(first.device_ns)).max(1);
        let leaning = u128::from(first.error_ns + last.error_ns) * beyond / apart;
        let between = first.error_ns.max(last.error_ns);
        let past = u128::from(last.error_ns) + leaning;
        between.max(u64::try_from(past).unwrap_or(u64::MAX))
    }

    /// With a tick that was just made, where that tells more than the line through those before: one
    /// that was disturbed may not.
    fn or_by(self, tick: Tick) -> Self {
        let Self { first, last } = self;
        if tick.error_ns > self.error_ns(tick.device_ns) {
            return self;
        }
        let apart_ns = last.host_ns.saturating_sub(first.host_ns);
        Self { first: if apart_ns < APART_NS { first } else { last }, last: tick }
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

/// Makes ticks, and keeps the two that tell the most.
#[derive(Debug)]
pub(super) struct DeviceClock {
    command: Command,
    least_error_ns: u64,
    conversion: Conversion,
    /// When a tick was last made, by the host's clock.
    made_ns: u64,
    // The command's argument.
    _nothing: super::arguments::Memory,
}

impl DeviceClock {
    pub(super) fn new(kernels: &Kernels, queue: &Queue) -> Result<Self, OpenClError> {
        let nothing = queue.memory(size_of::<f32>())?;
        let range = Range::new([1; 3], [1; 3]);
        let command = Command::new(kernels, "tick", &[Argument::Memory(&nothing)], range, "")?;
        let none = Tick { device_ns: 0, host_ns: 0, error_ns: u64::MAX };
        let conversion = Conversion { first: none, last: none };
        let least_error_ns = u64::MAX;
        let mut clock = Self { command, least_error_ns, conversion, made_ns: 0, _nothing: nothing };
        // What an undisturbed tick is, is known before the first image.
        for _ in 0..TRIES {
            let tick = clock.tick(queue)?;
            clock.conversion = Conversion { first: tick, last: tick };
        }
        Ok(clock)
    }

    /// Makes a tick. Waits for what is queued.
    pub(super) fn read(&mut self, queue: &Queue) -> Result<(), OpenClError> {
        let tick = self.tick(queue)?;
        self.made_ns = tick.host_ns;
        self.conversion = self.conversion.or_by(tick);
        Ok(())
    }

    /// Makes a tick where the last one has served its time.
    pub(super) fn keep_recent(&mut self, queue: &Queue) -> Result<(), OpenClError> {
        let age_ns = monotonic_ns().saturating_sub(self.made_ns);
        if age_ns < RECENT_NS { Ok(()) } else { self.read(queue) }
    }

    /// From the device's clock to the host's, by the ticks so far.
    pub(super) fn conversion(&self) -> Conversion {
        self.conversion
    }

    /// A tick that was not disturbed, or the best of a few. Waits for what is queued.
    fn tick(&mut self, queue: &Queue) -> Result<Tick, OpenClError> {
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
            self.least_error_ns = self.least_error_ns.min(tick.error_ns);
            if tick.error_ns <= UNDISTURBED * self.least_error_ns {
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
        /// converted time is off by more than the stated error: neither between the ticks nor after.
        #[test]
        fn the_error_is_a_bound(
            zero in 0..1_000_000_000_000_i64,
            rate_ppm in -500..500_i64,
            delays in proptest::array::uniform6(0..200_000_u64),
            apart_ns in 1_000_000..2_000_000_000_u64,
            part in 0.0..3.0,
        ) {
            let device = |host: u64| {
                (host as i64 + zero + (host as i128 * i128::from(rate_ppm) / 1_000_000) as i64) as u64
            };
            let tick = |before: u64, [wait, work, back]: [u64; 3]| {
                let (start, end) = (before + wait, before + wait + work);
                Tick::bracketed(before, device(start), device(end), end + back)
            };
            let [a, b, c, d, e, f] = delays;
            let start = 1_000_000_000;
            let first = tick(start, [a, b, c]);
            let last = tick(start + a + b + c + apart_ns, [d, e, f]);
            let conversion = Conversion { first, last };
            let actual = start + a + ((a + b + c + apart_ns) as f64 * part) as u64;
            let converted = conversion.host_ns(device(actual));
            // The length of the command itself is known by the device's clock alone, and times
            // are whole nanoseconds.
            let rounding = (1.0 + 2.0 * part) * ((b.max(e) / 2_000).max(1) + 4) as f64;
            let error_ns = conversion.error_ns(device(actual)) + rounding as u64;
            prop_assert!(converted.abs_diff(actual) <= error_ns);
        }

        /// However much ticks are disturbed, none makes the time it was made at less well known.
        #[test]
        fn a_disturbed_tick_tells_nothing_less(
            errors_ns in proptest::collection::vec(100..5_000_000_u64, 2..20),
            apart_ns in 1_000_000..500_000_000_u64,
        ) {
            let tick = |(index, &error_ns): (usize, &u64)| {
                let at_ns = (index as u64 + 1) * apart_ns;
                Tick { device_ns: at_ns, host_ns: at_ns, error_ns }
            };
            let mut ticks = errors_ns.iter().enumerate().map(tick);
            let first = ticks.next().unwrap();
            let mut conversion = Conversion { first, last: first };
            for tick in ticks {
                let before_ns = conversion.error_ns(tick.device_ns);
                conversion = conversion.or_by(tick);
                let after_ns = conversion.error_ns(tick.device_ns);
                prop_assert!(after_ns <= before_ns, "{after_ns} {before_ns}");
            }
        }
    }
}
