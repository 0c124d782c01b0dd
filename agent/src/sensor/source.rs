//! From held-open attributes to one reading of a rail.

use wattline_board::clock::Clock;

use super::chip::{Channel, Chip, Quantity};
use crate::attribute::Attribute;
use crate::fault::ReadFault;

/// Beyond these a number is a broken sensor's.
const MOST_VOLTS: f64 = 100.0;
const MOST_AMPS: f64 = 100.0;
const MOST_WATTS: f64 = MOST_VOLTS * MOST_AMPS;

/// One reading of a rail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RailReading {
    /// The midpoint of the reads it is made of, clock nanoseconds.
    pub(crate) t_ns: u64,
    pub(crate) volts: f64,
    pub(crate) amps: f64,
    pub(crate) watts: f64,
}

impl RailReading {
    /// What tells one conversion's value from another's.
    pub(crate) fn fingerprint(&self) -> [f64; 2] {
        // A chip that reports power alone has 0 V and 0 A.
        if self.volts == 0.0 && self.amps == 0.0 {
            [self.watts, 0.0]
        } else {
            [self.volts, self.amps]
        }
    }
}

/// What a rail's readings are made of.
#[derive(Debug)]
pub(crate) enum Source {
    /// Bus voltage times current: on an INA2xx finer than its own power register.
    Pair {
        /// The voltage.
        volts: Attribute,
        /// The current.
        amps: Attribute,
        /// Where the driver shows a voltage in fewer digits than its register has: the register's
        /// steps in a volt.
        steps_per_volt: Option<f64>,
    },
    /// A chip that reports power alone; its voltage and current are unknown and written as 0.
    Power(Attribute),
}

impl Source {
    /// Opens what makes up channel `index` of a chip: its power if that is all it says or all we
    /// can trust, else voltage and current. `None` if the channel has neither.
    pub(crate) fn open(chip: &Chip, index: u32) -> Option<std::io::Result<Self>> {
        let open = |channel: &Channel| Attribute::open(channel.file.clone(), channel.divisor);
        let volts = chip.channel(Quantity::Voltage, index);
        let amps = chip.channel(Quantity::Current, index);
        let power = chip.channel(Quantity::Power, index);
        match (volts, amps, power) {
            (Some(volts), Some(amps), power) if chip.is_ina2xx() || power.is_none() => {
                let steps_per_volt = chip.bus_steps_per_volt();
                let pair =
                    || Ok(Source::Pair { volts: open(volts)?, amps: open(amps)?, steps_per_volt });
                Some(pair())
            }
            (_, _, Some(power)) => Some(open(power).map(Source::Power)),
            _ => None,
        }
    }

    /// See [`Attribute::map`].
    pub(crate) fn map(&mut self) {
        match self {
            Source::Pair { volts, amps, .. } => [volts, amps].into_iter().for_each(Attribute::map),
            Source::Power(power) => power.map(),
        }
    }

    /// Reads the rail now.
    ///
    /// Volts and amps are two reads, and a conversion may end between them: then one is of the
    /// old conversion and one of the new. It shows: one of the two equals `last`'s and the other
    /// does not. In that case the one that seems old is read once more.
    pub(crate) fn read(
        &self,
        clock: &dyn Clock,
        last: Option<[f64; 2]>,
    ) -> Result<RailReading, ReadFault> {
        let begin_ns = clock.now_ns();
        let (volts, amps, watts) = match self {
            Source::Pair { volts, amps, steps_per_volt } => {
                // As the register has it: the nearest of its steps is the one that was rounded.
                let volts = Exact { shown: volts, steps_per_volt: *steps_per_volt };
                let mut pair = [volts.read()?, amps.read()?];
                let is_old = |it: usize| last.is_some_and(|last| last[it] == pair[it]);
                match (is_old(0), is_old(1)) {
                    (true, false) => pair[0] = volts.read()?,
                    (false, true) => pair[1] = amps.read()?,
                    _ => {}
                }
                (pair[0], pair[1], pair[0] * pair[1])
            }
            Source::Power(power) => (0.0, 0.0, power.read()?),
        };
        let t_ns = begin_ns.midpoint(clock.now_ns());
        if volts.abs() > MOST_VOLTS || amps.abs() > MOST_AMPS || watts.abs() > MOST_WATTS {
            return Err(ReadFault::Absurd);
        }
        Ok(RailReading { t_ns, volts, amps, watts })
    }

    /// Whether a file behind it was removed.
    pub(crate) fn is_unlinked(&self) -> bool {
        match self {
            Source::Pair { volts, amps, .. } => volts.is_unlinked() || amps.is_unlinked(),
            Source::Power(power) => power.is_unlinked(),
        }
    }

    /// The file that stands for it in messages.
    pub(crate) fn path(&self) -> &std::path::Path {
        match self {
            Source::Pair { volts, .. } => volts.path(),
            Source::Power(power) => power.path(),
        }
    }
}

/// A voltage whose rounding by the driver is undone.
struct Exact<'a> {
    shown: &'a Attribute,
    steps_per_volt: Option<f64>,
}

impl Exact<'_> {
    fn read(&self) -> Result<f64, ReadFault> {
        let shown = self.shown.read()?;
        Ok(self.steps_per_volt.map_or(shown, |steps| (shown * steps).round() / steps))
    }
}
