//! How to record, and what can be wrong with that.

use std::io;

use wattline_trace::WriteError;

use crate::counter;

/// Faster than any of the sensors can convert (3.57 kHz), with room.
const FASTEST_HZ: f64 = 20_000.0;

/// How to record.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Readings of each rail a second.
    pub rate_hz: f64,
    /// Readings of each counter a second; as often as the rails if not given. At least 1, lest a
    /// 32-bit counter wrap twice between two readings.
    pub counter_rate_hz: Option<f64>,
    /// The averaging window to ask of INA2xx sensors, ms; `None` leaves them as they are. 2 is
    /// the shortest they have.
    pub update_interval_ms: Option<u32>,
    /// SCHED_FIFO priority of the sampler, 1 to 99; `None` leaves it an ordinary thread. On a
    /// virtual clock, which nothing can be late for, it is always an ordinary thread.
    pub priority: Option<u8>,
    /// Whether to keep the memory of the process from being paged out.
    pub lock_memory: bool,
    /// Readings that may wait for the writer.
    pub queue_capacity: usize,
}

impl Default for Settings {
    /// 450 Hz and a 2 ms window: every conversion of an INA231 at its fastest `update_interval`.
    fn default() -> Self {
        Settings {
            rate_hz: 450.0,
            counter_rate_hz: None,
            update_interval_ms: Some(2),
            priority: Some(50),
            lock_memory: true,
            queue_capacity: 16 << 10,
        }
    }
}

/// A recorder could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A rate is out of range.
    #[error(
        "cannot read {what} {rate_hz} times a second; choose a rate from {lowest} to {FASTEST_HZ} Hz"
    )]
    Rate {
        /// Rails or counters.
        what: &'static str,
        /// The rate asked for.
        rate_hz: f64,
        /// The lowest rate possible.
        lowest: f64,
    },
    /// A table of the bundle cannot be had.
    #[error(transparent)]
    Table(#[from] WriteError),
    /// A thread cannot be started.
    #[error("cannot start the {name} thread: {source}; see the limits on processes (ulimit -u)")]
    Thread {
        /// Its name.
        name: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

impl Settings {
    /// Readings of each counter a second.
    pub fn counter_rate_hz(&self) -> f64 {
        self.counter_rate_hz.unwrap_or(self.rate_hz.max(counter::SLOWEST_HZ))
    }

    /// Whether a recorder can start with these; it looks itself too.
    ///
    /// # Errors
    /// [`StartError::Rate`]: a rate out of range.
    pub fn check(&self) -> Result<(), StartError> {
        let rates = [
            ("rails", self.rate_hz, 0.01),
            ("counters", self.counter_rate_hz(), counter::SLOWEST_HZ),
        ];
        for (what, rate_hz, lowest) in rates {
            if !(lowest..=FASTEST_HZ).contains(&rate_hz) {
                return Err(StartError::Rate { what, rate_hz, lowest });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_that_cannot_be_are_refused_with_the_range() {
        for rate_hz in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            let refused = Settings { rate_hz, ..Settings::default() }.check();
            assert!(refused.unwrap_err().to_string().contains("20000 Hz"), "{rate_hz}");
        }
        let slow = Settings { counter_rate_hz: Some(0.5), ..Settings::default() };
        assert!(slow.check().unwrap_err().to_string().contains("counters"));
        let slow = Settings { rate_hz: 0.1, ..Settings::default() };
        assert_eq!(slow.counter_rate_hz(), 1.0);
        assert!(slow.check().is_ok());
    }
}
