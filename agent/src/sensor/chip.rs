//! Power sensor chips as sysfs shows them: found, named, and not yet read.

mod hwmon;
mod vendor;

use std::fs;
use std::path::{Path, PathBuf};

use wattline_board::Roots;

/// A chip that reports voltage, current or power.
#[derive(Debug, Clone)]
pub(crate) struct Chip {
    /// The directory with its attributes.
    pub(crate) directory: PathBuf,
    /// The device behind it. hwmon numbers change from boot to boot; this does not.
    pub(crate) device: PathBuf,
    /// What the driver calls the chip, such as `ina231`.
    pub(crate) name: String,
    /// Its address on its I2C bus, if it is on one.
    pub(crate) i2c_address: Option<u16>,
    /// Whose files these are.
    pub(crate) interface: Interface,
    /// What it reports, voltages first.
    pub(crate) channels: Vec<Channel>,
}

/// Whose files a chip's are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interface {
    /// Mainline hwmon. [Documentation/hwmon/sysfs-interface.rst]
    Hwmon,
    /// The INA231 driver of Hardkernel's 3.10 kernel for the Odroid XU3.
    Vendor,
}

/// One attribute of a chip that holds a reading.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    pub(crate) quantity: Quantity,
    /// The channel's number: 1 in `in1_input`.
    pub(crate) index: u32,
    pub(crate) file: PathBuf,
    /// The attribute's number divided by this is in V, A or W.
    pub(crate) divisor: f64,
    /// What the board calls it, where it does.
    pub(crate) label: Option<String>,
    /// Whether the driver reads it; a disabled channel answers `ENODATA`.
    pub(crate) enabled: bool,
}

/// What a channel reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Quantity {
    Voltage,
    Current,
    Power,
}

impl Chip {
    /// An INA2xx with one shunt: bus voltage in `in1`, current in `curr1`.
    pub(crate) fn is_ina2xx(&self) -> bool {
        matches!(self.name.as_str(), "ina219" | "ina220" | "ina226" | "ina230" | "ina231")
    }

    /// Steps in a volt of a bus voltage register that steps by 1.25 mV, which hwmon shows in whole
    /// millivolts: halves round up, which would make every voltage too high by a tenth of a step on
    /// average. [TI SBOS547, SBOS644; DIV_ROUND_CLOSEST in drivers/hwmon/ina2xx.c]
    pub(crate) fn bus_steps_per_volt(&self) -> Option<f64> {
        let coarser = self.interface == Interface::Hwmon
            && matches!(self.name.as_str(), "ina226" | "ina230" | "ina231");
        coarser.then_some(800.0)
    }

    /// The channel of this quantity and number.
    pub(crate) fn channel(&self, quantity: Quantity, index: u32) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.quantity == quantity && channel.index == index)
    }
}

/// All chips of a machine, in the order of their devices.
pub(crate) fn find_all(roots: &Roots) -> Vec<Chip> {
    let mut chips = hwmon::chips(&roots.sysfs.join("class/hwmon"));
    chips.extend(vendor::chips(&roots.sysfs.join("bus/i2c/drivers/INA231")));
    chips.sort_by(|a, b| a.device.cmp(&b.device).then_with(|| a.directory.cmp(&b.directory)));
    chips
}

/// The address in an I2C device's name: 0x40 in `3-0040`.
fn i2c_address(device: &Path) -> Option<u16> {
    let (bus, address) = device.file_name()?.to_str()?.split_once('-')?;
    let is_bus = !bus.is_empty() && bus.bytes().all(|byte| byte.is_ascii_digit());
    (is_bus && address.len() == 4).then(|| u16::from_str_radix(address, 16).ok()).flatten()
}

/// A short text attribute, if it is there and says anything.
fn text(path: &Path) -> Option<String> {
    let text = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Names of a directory's entries; none if there is no such directory.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(directory).into_iter().flatten().flatten();
    listed.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_i2c_devices() {
        assert_eq!(i2c_address(Path::new("/sys/devices/i2c-3/3-0040")), Some(0x40));
        assert_eq!(i2c_address(Path::new("../../../12-004c")), Some(0x4c));
        for none in ["coretemp.0", "0000:00:1f.3", "3-40", "-0040", "3-00zz", ""] {
            assert_eq!(i2c_address(Path::new(none)), None, "{none}");
        }
    }
}
