//! Frequencies and voltages of a component, and what they make of its speed and power.

use serde::Deserialize;
use toml::Spanned;

use super::Component;
use crate::quantity::{Energy, Frequency, Time, Voltage};

/// A clock frequency, and the voltage it takes.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatingPoint {
    /// The clock.
    pub frequency: Frequency,
    /// The supply; absent where it is not known.
    pub voltage: Option<Voltage>,
}

/// What it costs to change frequency: the component stands still meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switching {
    /// How long it stands still.
    pub time: Time,
    /// What that takes above idle, leakage included.
    #[serde(default)]
    pub energy: Energy,
}

/// A component at a frequency, relative to its highest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaling {
    /// Cycles a second. Arithmetic goes at this rate, DRAM bandwidth does not.
    pub speed: f64,
    /// Power above idle while it computes.
    pub power: f64,
}

impl Scaling {
    /// At the highest frequency.
    pub const HIGHEST: Scaling = Scaling { speed: 1.0, power: 1.0 };
}

impl OperatingPoint {
    /// The clock as cpufreq counts it.
    pub fn kilohertz(&self) -> u64 {
        (self.frequency.hertz() * 1e-3).round() as u64
    }
}

impl Component {
    /// The highest frequency it offers, where its description lists any.
    pub fn highest_frequency(&self) -> Option<Frequency> {
        self.operating_points.last().map(|point| point.frequency)
    }

    /// The operating point of a frequency, to a kilohertz.
    pub fn operating_point(&self, frequency: Frequency) -> Option<&OperatingPoint> {
        let wanted = OperatingPoint { frequency, voltage: None }.kilohertz();
        self.operating_points.iter().find(|point| point.kilohertz() == wanted)
    }

    /// Speed and power at an operating point, of those at the highest: with frequency `f` and
    /// voltage `V`, and `s` the share that leaks,
    ///
    /// ```text
    /// speed = f / f_max
    /// power = (1 − s) · f / f_max · (V / V_max)² + s · V / V_max
    /// ```
    ///
    /// Switching charges and discharges the same capacitance `f` times a second; leakage is taken
    /// to be a constant current. None where a voltage is not known.
    pub fn scaling(&self, point: &OperatingPoint) -> Option<Scaling> {
        let highest = self.operating_points.last()?;
        let speed = point.frequency.hertz() / highest.frequency.hertz();
        if speed == 1.0 {
            return Some(Scaling::HIGHEST);
        }
        let voltage = point.voltage?.volts() / highest.voltage?.volts();
        let leakage = *self.leakage.get_ref();
        let power = (1.0 - leakage) * speed * voltage * voltage + leakage * voltage;
        Some(Scaling { speed, power })
    }
}

/// A component whose description says nothing of it leaks nothing.
pub(super) fn no_leakage() -> Spanned<f64> {
    Spanned::new(0..0, 0.0)
}

#[cfg(test)]
mod tests {
    use super::super::Description;
    use super::*;

    #[test]
    fn power_falls_with_frequency_and_the_square_of_voltage() {
        let board = Description::load("exynos5422").unwrap();
        let a15 = board.component("a15").unwrap();
        let at = |megahertz| a15.operating_point(Frequency::new(1e6 * megahertz));
        assert_eq!(a15.scaling(at(2000.0).unwrap()), Some(Scaling::HIGHEST));
        let half = a15.scaling(at(1000.0).unwrap()).unwrap();
        let (voltage, leakage) = (1.0 / 1.3125, *a15.leakage.get_ref());
        let expected = (1.0 - leakage) * 0.5 * voltage * voltage + leakage * voltage;
        assert_eq!((half.speed, half.power), (0.5, expected));
        assert_eq!(at(1234.0), None);
    }
}
