//! How far sensors' gains may lie off: a parameter, for no reading tells of it.

use wattline_trace::RailRecord;

/// What a user says of sensors' gains, chip and shunt together, as shares: 0.005 is half a percent.
/// Where nothing is said of a rail, what its bundle says counts, which is what the board's description
/// said; where that says nothing either, the sensor is taken to be exact.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SensorTolerances {
    /// Of all rails that are not named.
    pub all: Option<f64>,
    /// Of rails by name.
    pub rails: Vec<(String, f64)>,
}

impl SensorTolerances {
    pub(crate) fn of(&self, record: &RailRecord) -> f64 {
        let named = self.rails.iter().find(|(name, _)| *name == record.name);
        named.map(|(_, share)| *share).or(self.all).or(record.tolerance).unwrap_or(0.0)
    }
}
