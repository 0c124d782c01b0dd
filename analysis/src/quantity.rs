//! A measured number with all that is known of its error, so that two of them can be compared: what is
//! common to both falls out of their ratio.

use wattline_trace::Name;

use crate::power::student;

/// A number and its error.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Quantity {
    pub(crate) value: f64,
    /// Variance that this measurement has for itself, but for what its sensors do to it, and Welch and
    /// Satterthwaite's sum for it.
    pub(crate) own: f64,
    pub(crate) freedom: f64,
    /// Standard error by the clock's rate.
    pub(crate) clock: f64,
    /// How far it may lie off by a rule that split it from others.
    pub(crate) bound: f64,
    /// What of the value each sensor read, whose gain may lie off by some share.
    pub(crate) sensors: Vec<SensorPart>,
}

/// What one sensor read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SensorPart {
    pub(crate) rail: Name,
    pub(crate) value: f64,
    pub(crate) tolerance: f64,
    /// Standard error by the sensor's steps.
    pub(crate) quantisation: f64,
    /// What it read in the run and at idle, volts and amperes of each in steps: where it reads the same
    /// again, its steps do the same to it.
    pub(crate) levels: [f64; 4],
}

impl SensorPart {
    /// Variance by the sensor: its gain and its steps.
    pub(crate) fn variance(&self) -> f64 {
        (self.value * self.tolerance).powi(2) / 3.0 + self.quantisation.powi(2)
    }
}

impl Quantity {
    /// Half of the 95 % interval.
    pub(crate) fn half_width(&self) -> f64 {
        let of_sensors = self.sensors.iter().map(SensorPart::variance).sum::<f64>();
        let variance = self.own + self.clock.powi(2) + of_sensors;
        student::satterthwaite(variance, self.freedom) * variance.sqrt() + self.bound
    }

    /// Both together, which the same sensors read by the same clock.
    pub(crate) fn plus(self, other: &Quantity) -> Self {
        self.with(other, 1.0)
    }

    /// What is left when another, that the same sensors read by the same clock, is taken off.
    pub(crate) fn less(self, other: &Quantity) -> Self {
        self.with(other, -1.0)
    }

    fn with(mut self, other: &Quantity, sign: f64) -> Self {
        for part in &other.sensors {
            let value = sign * part.value;
            match self.sensors.iter_mut().find(|it| it.rail == part.rail) {
                Some(own) => own.value += value,
                None => self.sensors.push(SensorPart { value, ..part.clone() }),
            }
        }
        Quantity {
            value: self.value + sign * other.value,
            own: self.own + other.own,
            freedom: self.freedom + other.freedom,
            clock: (self.clock + sign * other.clock).abs(),
            bound: self.bound + other.bound,
            sensors: self.sensors,
        }
    }

    /// The same of one image of so many.
    pub(crate) fn each_of(mut self, images: f64) -> Self {
        self.value /= images;
        self.own /= images.powi(2);
        self.freedom /= images.powi(4);
        self.clock /= images;
        self.bound /= images;
        for part in &mut self.sensors {
            part.value /= images;
            part.quantisation /= images;
        }
        self
    }
}
