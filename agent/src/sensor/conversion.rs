//! How long a chip's readings average over.
//!
//! An INA226 or INA231 converts shunt and bus voltage in turn, 1.1 ms each, and averages AVG of
//! such pairs: its window is 2.2 ms × AVG. hwmon's `update_interval` chooses AVG and shows the
//! window rounded to milliseconds, so the window is that of the AVG nearest to what is shown.
//! [TI SBOS547 and SBOS644, configuration register; drivers/hwmon/ina2xx.c]

use super::chip::{Chip, Interface};

/// The AVG settings an INA226/230/231 has.
const AVERAGES: [u64; 8] = [1, 4, 16, 64, 128, 256, 512, 1024];

/// Two conversions of 1.1 ms: the driver changes AVG only.
const PAIR_NS: u64 = 2_200_000;

/// An INA219/220 as its driver sets it up: two 12-bit conversions of 532 µs. [SBOS448]
const INA219_NS: u64 = 2 * 532_000;

/// The AVG that the driver chooses at boot, for kernels that do not show it.
const BOOT_AVERAGE: u64 = 16;

/// The window of the AVG nearest to what `update_interval` shows.
pub(crate) fn averaging_window_ns(shown_ms: u64) -> u64 {
    let shown_ns = shown_ms.saturating_mul(1_000_000);
    let windows = AVERAGES.map(|average| average * PAIR_NS);
    windows.into_iter().min_by_key(|window| window.abs_diff(shown_ns)).unwrap_or(PAIR_NS)
}

/// The window of a chip that shows `shown_ms` in `update_interval`, where it can be known.
pub(crate) fn window_ns(chip: &Chip, shown_ms: Option<u64>) -> Option<u64> {
    match (chip.name.as_str(), shown_ms) {
        ("ina226" | "ina230" | "ina231", shown) => {
            Some(shown.map_or(BOOT_AVERAGE * PAIR_NS, averaging_window_ns))
        }
        ("ina219" | "ina220", None) => Some(INA219_NS),
        (_, Some(shown)) => shown.checked_mul(1_000_000).filter(|&window| window > 0),
        (_, None) => None,
    }
}

/// The vendor driver's period, from text such as `263808 usec`.
pub(crate) fn vendor_period_ns(text: &str) -> Option<u64> {
    let (number, unit) = text.trim().split_once(' ')?;
    if unit.trim() != "usec" {
        return None;
    }
    number.parse::<u64>().ok()?.checked_mul(1000).filter(|&period| period > 0)
}

/// The steps between two adjacent readings, volts and amps.
pub(crate) fn steps(chip: &Chip) -> (f64, f64) {
    match chip.interface {
        // The registers' own steps at a 10 mΩ shunt; the files have more digits.
        Interface::Vendor => (1.25e-3, 0.25e-3),
        // The bus register steps by 1.25 mV and is shown in mV; current is shown in mA.
        Interface::Hwmon if chip.is_ina2xx() => (1.25e-3, 1e-3),
        Interface::Hwmon => (1e-3, 1e-3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_those_of_the_nearest_average() {
        let shown = [2, 9, 35, 141, 282, 563, 1126, 2253];
        for (shown, average) in shown.into_iter().zip(AVERAGES) {
            assert_eq!(averaging_window_ns(shown), average * PAIR_NS, "{shown} ms");
        }
        assert_eq!(averaging_window_ns(0), PAIR_NS);
        assert_eq!(averaging_window_ns(u64::MAX), 1024 * PAIR_NS);
    }

    #[test]
    fn the_vendor_driver_speaks_of_microseconds() {
        assert_eq!(vendor_period_ns("263808 usec\n"), Some(263_808_000));
        for wrong in ["263808", "263 ms", "usec", "0 usec", "-1 usec", ""] {
            assert_eq!(vendor_period_ns(wrong), None, "{wrong}");
        }
    }
}
