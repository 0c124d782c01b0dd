//! Chips of the INA231 driver in Hardkernel's 3.10 kernel: decimal V, A and W, cached by a kernel
//! timer, switched off at boot.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Channel, Chip, Interface, Quantity, entries, i2c_address, text};

/// The chips bound to the driver whose directory this is.
pub(super) fn chips(driver: &Path) -> Vec<Chip> {
    entries(driver).into_iter().filter_map(chip).collect()
}

fn chip(directory: PathBuf) -> Option<Chip> {
    let i2c_address = Some(i2c_address(&directory)?);
    let label = text(&directory.join("sensor_name"));
    let channel = |(file, quantity)| {
        let file = directory.join(file);
        let label = label.clone();
        file.exists().then_some(Channel {
            quantity,
            index: 1,
            file,
            divisor: 1.0,
            label,
            enabled: true,
        })
    };
    let files = [
        ("sensor_V", Quantity::Voltage),
        ("sensor_A", Quantity::Current),
        ("sensor_W", Quantity::Power),
    ];
    let channels: Vec<Channel> = files.into_iter().filter_map(channel).collect();
    if channels.is_empty() {
        return None;
    }
    let device = fs::canonicalize(&directory).unwrap_or_else(|_| directory.clone());
    let (name, interface) = ("ina231".to_owned(), Interface::Vendor);
    Some(Chip { directory, device, name, i2c_address, interface, channels })
}
