//! A rail while it is sampled: read, judged, and given up if it must be.

use wattline_board::clock::Clock;

use super::freshness::Freshness;
use super::source::{RailReading, Source};
use super::{Held, RailSensor};
use crate::fault::{Fault, Health, ReadFault, Verdict};

/// A rail's sensor in use. Dropping it restores the chip's settings.
#[derive(Debug)]
pub(crate) struct RailChannel {
    source: Source,
    freshness: Freshness,
    health: Health,
    _held: Held,
}

/// What came of one look at a rail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Look {
    /// A conversion that was not seen before.
    Fresh(RailReading),
    /// One that was.
    Repeat,
    /// The reading failed; what there is to say about it.
    Failed(ReadFault, Verdict),
    /// The channel was given up before.
    Gone,
}

impl RailChannel {
    /// Starts a rail whose readings average over `window_ns`.
    pub(crate) fn new(sensor: RailSensor, window_ns: u64) -> Self {
        RailChannel {
            source: sensor.source,
            freshness: Freshness::new(window_ns),
            health: Health::default(),
            _held: sensor.held,
        }
    }

    /// Whether the channel was given up.
    pub(crate) fn is_gone(&self) -> bool {
        self.health.is_gone()
    }

    /// Reads the rail once. Nothing is allocated.
    pub(crate) fn look(&mut self, clock: &dyn Clock) -> Look {
        if self.is_gone() {
            return Look::Gone;
        }
        match self.source.read(clock, self.freshness.last()) {
            Ok(reading) => self.judge(reading),
            Err(fault) => self.fail(fault, clock.now_ns()),
        }
    }

    fn judge(&mut self, reading: RailReading) -> Look {
        self.health.succeeded();
        let fresh = self.freshness.is_fresh(reading.t_ns, reading.fingerprint());
        let silent = self.freshness.is_suspiciously_silent(reading.t_ns);
        if silent && self.source.is_unlinked() {
            return self.fail(ReadFault::Unlinked, reading.t_ns);
        }
        if fresh { Look::Fresh(reading) } else { Look::Repeat }
    }

    fn fail(&mut self, fault: ReadFault, now_ns: u64) -> Look {
        let unlinked = fault.fault() == Fault::Retry && self.source.is_unlinked();
        let fault = if unlinked { ReadFault::Unlinked } else { fault };
        Look::Failed(fault, self.health.failed(fault.fault(), now_ns))
    }
}
