//! The chip's registers, as whoever is on its I2C bus reads and writes them.
//!
//! What is not modelled: modes other than continuous conversion of both voltages, the alert pin,
//! and its limit, which is kept and does nothing.

use super::{AVERAGES, Ina231};

/// Averages and conversion times; bit 15 resets the chip.
pub const CONFIGURATION: u8 = 0x00;
/// Voltage at the shunt, signed, 2.5 µV a step.
pub const SHUNT_VOLTAGE: u8 = 0x01;
/// Voltage of the bus, 1.25 mV a step.
pub const BUS_VOLTAGE: u8 = 0x02;
/// Power, 25 steps of the current register a step.
pub const POWER: u8 = 0x03;
/// Current, in the steps that the calibration makes.
pub const CURRENT: u8 = 0x04;
/// What scales current and power; zero after a reset, and with it they are zero.
pub const CALIBRATION: u8 = 0x05;
/// Bit 3 says that a conversion ended since it was last read.
pub const MASK_ENABLE: u8 = 0x06;
/// The alert's limit.
pub const ALERT_LIMIT: u8 = 0x07;

const RESET: u16 = 1 << 15;
const CONVERSION_READY: u16 = 1 << 3;
/// After a reset: no averaging, 1.1 ms each, both voltages continuously.
const CONFIGURATION_AT_RESET: u16 = 0x4127;
/// The driver's: sixteen averages.
const CONFIGURATION_OF_DRIVER: u16 = 0x4527;
/// Conversion times on offer, in microseconds.
const CONVERSION_US: [u64; 8] = [140, 204, 332, 588, 1100, 2116, 4156, 8244];

/// What was written to the registers that keep what is written.
#[derive(Debug)]
pub(super) struct Settings {
    configuration: u16,
    calibration: u16,
    mask_enable: u16,
    alert_limit: u16,
}

impl Default for Settings {
    fn default() -> Self {
        let configuration = CONFIGURATION_OF_DRIVER;
        Settings { configuration, calibration: 0, mask_enable: 0, alert_limit: 0 }
    }
}

impl Settings {
    pub(super) fn conversion_is_ready(&mut self) {
        self.mask_enable |= CONVERSION_READY;
    }
}

impl Ina231 {
    /// What a register holds; one that the chip has not got holds zero.
    pub fn read_register(&mut self, register: u8) -> u16 {
        match register {
            CONFIGURATION => {
                let average = AVERAGES.iter().position(|&it| it == self.average).unwrap_or(0);
                self.settings.configuration & !(7 << 9) | (average as u16) << 9
            }
            SHUNT_VOLTAGE => self.converted.shunt as u16,
            BUS_VOLTAGE => self.converted.bus,
            // |current| × bus / 20000. [data sheet, equation 4]
            POWER => {
                let product =
                    u32::from(self.current().unsigned_abs()) * u32::from(self.converted.bus);
                (product / 20_000).min(u32::from(u16::MAX)) as u16
            }
            CURRENT => self.current() as u16,
            CALIBRATION => self.settings.calibration,
            MASK_ENABLE => {
                let held = self.settings.mask_enable;
                self.settings.mask_enable &= !CONVERSION_READY;
                held
            }
            ALERT_LIMIT => self.settings.alert_limit,
            _ => 0,
        }
    }

    /// Writes a register, when the rail has spent `joules` since the beginning; what can only be
    /// read stays as it is. A new configuration starts conversions over.
    pub fn write_register(&mut self, register: u8, value: u16, now_ns: u64, joules: f64) {
        match register {
            CONFIGURATION if value & RESET != 0 => {
                self.settings =
                    Settings { configuration: CONFIGURATION_AT_RESET, ..Default::default() };
                self.configure(CONFIGURATION_AT_RESET, now_ns, joules);
            }
            CONFIGURATION => self.configure(value, now_ns, joules),
            CALIBRATION => self.settings.calibration = value,
            MASK_ENABLE => self.settings.mask_enable = value & !CONVERSION_READY,
            ALERT_LIMIT => self.settings.alert_limit = value,
            _ => {}
        }
    }

    fn configure(&mut self, value: u16, now_ns: u64, joules: f64) {
        let field = |shift: u16| usize::from(value >> shift & 7);
        self.settings.configuration = value;
        self.average = AVERAGES[field(9)];
        self.pair_ns = 1000 * (CONVERSION_US[field(6)] + CONVERSION_US[field(3)]);
        self.start_over(now_ns, joules);
    }

    /// shunt × calibration / 2048. [data sheet, equation 3]
    fn current(&self) -> i16 {
        let product = i32::from(self.converted.shunt) * i32::from(self.settings.calibration);
        (product / 2048).clamp(i16::MIN.into(), i16::MAX.into()) as i16
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::chip;
    use super::*;
    use crate::description::Noise;

    /// What the mainline driver makes of the registers is what the hwmon files show.
    #[test]
    fn the_driver_reads_what_the_files_show() {
        let (mut chip, _) = chip(&Noise::default(), 3);
        // The driver's for 10 mΩ: a current step of 0.25 mA would need 2048; it sets
        // 0.00512 / (step × shunt), and its step is 2.5 µV / shunt.
        chip.write_register(CALIBRATION, 2048, 0, 0.0);
        for millijoules in 1..40 {
            let joules = f64::from(millijoules * millijoules) * 1e-3;
            let shown = chip.convert(joules);
            let shunt = i64::from(chip.read_register(SHUNT_VOLTAGE) as i16);
            let bus = i64::from(chip.read_register(BUS_VOLTAGE));
            assert_eq!((bus * 1250 + 500) / 1000, shown.bus_millivolts);
            assert_eq!((shunt * 250 + 500).div_euclid(1000), shown.milliamperes);
            assert_eq!(i64::from(chip.read_register(CURRENT) as i16), shunt);
            assert_eq!(i64::from(chip.read_register(POWER)) * 6250, shown.microwatts);
        }
    }

    #[test]
    fn a_configuration_sets_how_long_a_conversion_takes() {
        let quiet = Noise { conversion_clock: toml::Spanned::new(0..0, 0.0), ..Noise::default() };
        let (mut chip, _) = chip(&quiet, 1);
        assert_eq!(chip.read_register(CONFIGURATION), 0x4527);
        chip.set_update_interval(140, 0, 0.0);
        assert_eq!(chip.read_register(CONFIGURATION), 0x4727);
        // One average, 140 µs each: the fastest there is.
        chip.write_register(CONFIGURATION, 0x4007, 5_000, 0.0);
        assert_eq!(chip.ends_ns(), 285_000);
        chip.write_register(CALIBRATION, 77, 6_000, 0.0);
        chip.write_register(CONFIGURATION, 0x8000, 6_000, 0.0);
        assert_eq!(chip.read_register(CONFIGURATION), 0x4127);
        assert_eq!(chip.read_register(CALIBRATION), 0);
        assert_eq!(chip.ends_ns(), 6_000 + 2_200_000);
    }

    #[test]
    fn a_conversion_is_told_once() {
        let (mut chip, _) = chip(&Noise::default(), 1);
        assert_eq!(chip.read_register(MASK_ENABLE) & CONVERSION_READY, 0);
        chip.convert(0.1);
        assert_eq!(chip.read_register(MASK_ENABLE) & CONVERSION_READY, CONVERSION_READY);
        assert_eq!(chip.read_register(MASK_ENABLE) & CONVERSION_READY, 0);
    }
}
