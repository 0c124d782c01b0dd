//! Physical quantities as a board description writes them: a number and its unit.
//!
//! `bandwidth = "3.44 GB/s"` cannot be mistaken for anything else, and `"3.44 W"` in its place
//! is refused with what was expected. Values are held in SI base units.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};

/// Splits `"3.44 GB/s"` and multiplies by the unit's factor.
fn parse(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let (number, unit) = text.trim().split_once(char::is_whitespace)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    let value = number.parse::<f64>().ok()? * factor;
    (value.is_finite() && value >= 0.0).then_some(value)
}

macro_rules! quantities {
    ($($(#[$doc:meta])* $type:ident ($method:ident): $example:literal, $units:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
        pub struct $type(f64);

        impl $type {
            const UNITS: &'static [(&'static str, f64)] = &$units;

            /// From a value in the base unit.
            pub const fn new(value: f64) -> Self {
                $type(value)
            }

            /// The value in the base unit.
            pub const fn $method(self) -> f64 {
                self.0
            }
        }

        impl fmt::Display for $type {
            /// In the largest unit that leaves a number of at least one.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let fits = |factor: f64| self.0 >= factor;
                let smallest = Self::UNITS[0];
                let (unit, factor) = Self::UNITS
                    .iter()
                    .rev()
                    .find(|(_, factor)| fits(*factor))
                    .unwrap_or(&smallest);
                let value = self.0 / factor;
                f.pad(&format!("{} {unit}", (value * 1e4).round() / 1e4))
            }
        }

        impl<'de> de::Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        let units: Vec<_> = $type::UNITS.iter().map(|(name, _)| *name).collect();
                        write!(
                            f,
                            "a number and a unit such as \"{}\" (units: {})",
                            $example,
                            units.join(", ")
                        )
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        parse(text, $type::UNITS)
                            .map($type)
                            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    )*};
}

// Units of each quantity from the smallest to the largest; what is printed is chosen among them.
quantities! {
    /// Floating-point operations a second, two per multiply-accumulate.
    FlopRate (flops_per_s): "64 GFLOP/s", [("MFLOP/s", 1e6), ("GFLOP/s", 1e9), ("TFLOP/s", 1e12)];
    /// Bytes a second.
    Bandwidth (bytes_per_s): "3.44 GB/s", [("kB/s", 1e3), ("MB/s", 1e6), ("GB/s", 1e9)];
    /// Power.
    Power (watts): "1.5 W", [("mW", 1e-3), ("W", 1.0)];
    /// Energy moved with each byte of DRAM traffic.
    EnergyPerByte (joules_per_byte): "90 pJ/B", [("pJ/B", 1e-12), ("nJ/B", 1e-9)];
    /// Energy.
    Energy (joules): "20 uJ", [("uJ", 1e-6), ("mJ", 1e-3), ("J", 1.0)];
    /// A capacity.
    Capacity (bytes): "512 KiB", [("B", 1.0), ("KiB", 1024.0), ("MiB", 1048576.0)];
    /// A length of time.
    Time (seconds): "20 us", [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    /// A frequency.
    Frequency (hertz): "2000 MHz", [("kHz", 1e3), ("MHz", 1e6), ("GHz", 1e9)];
    /// A resistance.
    Resistance (ohms): "10 mOhm", [("uOhm", 1e-6), ("mOhm", 1e-3), ("Ohm", 1.0)];
    /// How far a gain may lie off, as a share of it.
    Tolerance (share): "0.5 %", [("ppm", 1e-6), ("%", 1e-2)];
    /// A voltage.
    Voltage (volts): "1.2 V", [("uV", 1e-6), ("mV", 1e-3), ("V", 1.0)];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Row {
        bandwidth: Bandwidth,
    }

    #[test]
    fn a_number_and_a_unit() {
        let row: Row = toml::from_str("bandwidth = \"3.44 GB/s\"").unwrap();
        assert_eq!(row.bandwidth.bytes_per_s(), 3.44e9);
        assert_eq!(row.bandwidth.to_string(), "3.44 GB/s");
    }

    #[test]
    fn a_wrong_unit_says_what_was_expected() {
        for wrong in
            ["\"3.44 W\"", "\"3.44\"", "3.44", "\"-1 GB/s\"", "\"nan GB/s\"", "\"inf GB/s\""]
        {
            let error =
                toml::from_str::<Row>(&format!("bandwidth = {wrong}")).unwrap_err().to_string();
            assert!(error.contains("3.44 GB/s") && error.contains("line 1"), "{wrong}: {error}");
        }
    }
}
