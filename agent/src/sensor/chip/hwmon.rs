//! Chips under `/sys/class/hwmon`. [Documentation/hwmon/sysfs-interface.rst]

use std::fs;
use std::path::{Path, PathBuf};

use super::{Channel, Chip, Interface, Quantity, entries, i2c_address, text};

/// The chips of a hwmon class directory that report voltage, current or power.
pub(super) fn chips(class: &Path) -> Vec<Chip> {
    entries(class).into_iter().filter_map(chip).collect()
}

fn chip(directory: PathBuf) -> Option<Chip> {
    let name = text(&directory.join("name"))?;
    // A chip without a device (a virtual one) is known by its own directory.
    let link = directory.join("device");
    let device = fs::canonicalize(&link)
        .or_else(|_| fs::read_link(&link))
        .unwrap_or_else(|_| directory.clone());
    let mut channels: Vec<Channel> =
        entries(&directory).into_iter().filter_map(|file| channel(&directory, file)).collect();
    channels.sort_by_key(|channel| (channel.quantity, channel.index));
    if channels.is_empty() {
        return None;
    }
    let i2c_address = i2c_address(&device);
    Some(Chip { directory, device, name, i2c_address, interface: Interface::Hwmon, channels })
}

/// `in1_input` in mV, `curr1_input` in mA, `power1_input` or `power1_average` in µW.
fn channel(directory: &Path, file: PathBuf) -> Option<Channel> {
    let (stem, suffix) = file.file_name()?.to_str()?.split_once('_')?;
    let digits = stem.find(|c: char| c.is_ascii_digit())?;
    let (prefix, index) = stem.split_at(digits);
    let (quantity, divisor) = match (prefix, suffix) {
        ("in", "input") => (Quantity::Voltage, 1e3),
        ("curr", "input") => (Quantity::Current, 1e3),
        ("power", "input") => (Quantity::Power, 1e6),
        // Some GPUs' drivers only have the mean.
        ("power", "average") if !directory.join(format!("{stem}_input")).exists() => {
            (Quantity::Power, 1e6)
        }
        _ => return None,
    };
    let index = index.parse().ok()?;
    let label = text(&directory.join(format!("{stem}_label")));
    let enabled = text(&directory.join(format!("{stem}_enable"))).as_deref() != Some("0");
    Some(Channel { quantity, index, file, divisor, label, enabled })
}
