//! The sensors' hwmon tree, as the mainline ina2xx driver shows it, in a directory.
//!
//! `class/hwmon/hwmonN/` with `name`, `in0_input`, `in1_input`, `curr1_input`, `power1_input`,
//! `update_interval`, `shunt_resistor`, no labels, and a `device` link whose target carries the
//! I2C address.
//!
//! **A reader never sees half a value.** A value file is always eight bytes long: the number
//! right-aligned, a line end where there is room. It is replaced by one copy of eight aligned
//! bytes and read by another; kernels of 64-bit machines copy those with one load and one store.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use wattline_trace::{ClockKind, create_dir_all_for_invoker, create_file_for_invoker};

use super::ina231::Reading;
use super::setting::SettingFile;
use crate::description::Rail;

/// The files of one chip.
#[derive(Debug)]
pub(super) struct Hwmon {
    shunt: ValueFile,
    bus: ValueFile,
    current: ValueFile,
    power: ValueFile,
    update_interval: SettingFile,
}

impl Hwmon {
    /// Creates the files of the chip on `rail` as `hwmon<number>`.
    ///
    /// # Errors
    /// Whatever the file system answers.
    pub(super) fn create(
        sysfs: &Path,
        number: usize,
        rail: &Rail,
        interval_ms: u64,
        clock: ClockKind,
    ) -> io::Result<Self> {
        let device = format!("devices/platform/soc/12c60000.i2c/i2c-3/3-{:04x}", rail.i2c_address);
        let hwmon = sysfs.join(&device).join("hwmon").join(format!("hwmon{number}"));
        create_dir_all_for_invoker(&hwmon)?;
        // Through i2c-3, as the kernel's own does, so that the target's text holds the address.
        symlink(format!("../../../3-{:04x}", rail.i2c_address), hwmon.join("device"))?;
        let class = sysfs.join("class/hwmon");
        create_dir_all_for_invoker(&class)?;
        let target = format!("../../{device}/hwmon/hwmon{number}");
        symlink(target, class.join(format!("hwmon{number}")))?;

        let text = |file: &str, text: String| {
            create_file_for_invoker(&hwmon.join(file))?.write_all(text.as_bytes())
        };
        text("name", format!("{}\n", rail.chip))?;
        text("shunt_resistor", format!("{}\n", (rail.shunt.ohms() * 1e6).round()))?;
        let value = |file: &str| ValueFile::create(&hwmon.join(file), clock);
        Ok(Hwmon {
            shunt: value("in0_input")?,
            bus: value("in1_input")?,
            current: value("curr1_input")?,
            power: value("power1_input")?,
            update_interval: SettingFile::create(&hwmon.join("update_interval"), interval_ms)?,
        })
    }

    /// Shows a conversion; nothing once somebody removed the files, as a device that is gone
    /// answers no reader that still holds them open.
    pub(super) fn show(&mut self, reading: Reading) {
        if self.bus.is_removed() {
            return [&self.shunt, &self.bus, &self.current, &self.power]
                .into_iter()
                .for_each(ValueFile::fall_silent);
        }
        self.shunt.show(reading.shunt_millivolts);
        self.bus.show(reading.bus_millivolts);
        self.current.show(reading.milliamperes);
        self.power.show(reading.microwatts);
    }

    /// An interval somebody wrote since the last look.
    pub(super) fn wished_interval_ms(&mut self) -> Option<u64> {
        self.update_interval.wish()
    }

    /// The interval that is shown.
    pub(super) fn shown_interval_ms(&self) -> u64 {
        self.update_interval.shown()
    }

    /// Shows the interval in force.
    pub(super) fn show_interval(&mut self, interval_ms: u64) {
        self.update_interval.show(interval_ms);
    }
}

/// A file that holds one number in eight bytes.
#[derive(Debug)]
struct ValueFile {
    file: File,
    /// On a clock that stands still while others work nobody can truncate the file under us, and
    /// a store is ten times cheaper than the system call: that is what a virtual run's speed
    /// hangs on.
    map: Option<MmapRaw>,
    shown: Option<i64>,
}

impl ValueFile {
    fn create(path: &Path, clock: ClockKind) -> io::Result<Self> {
        drop(create_file_for_invoker(path)?);
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        file.write_all_at(&eight_bytes(0), 0)?;
        let map = match clock {
            ClockKind::Virtual => Some(MmapOptions::new().len(8).map_raw(&file)?),
            ClockKind::Wall => None,
        };
        Ok(ValueFile { file, map, shown: None })
    }

    /// Whether the file is in no directory any more. On the virtual clock nobody is in step to
    /// remove it.
    fn is_removed(&self) -> bool {
        self.map.is_none() && self.file.metadata().is_ok_and(|it| it.nlink() == 0)
    }

    /// Empties a file that was removed.
    fn fall_silent(&self) {
        let _ = self.file.set_len(0);
    }

    fn show(&mut self, value: i64) {
        if self.shown == Some(value) {
            return;
        }
        self.shown = Some(value);
        let bytes = eight_bytes(value);
        match &self.map {
            Some(map) => {
                let word: *const AtomicU64 = map.as_ptr().cast();
                // SAFETY: the mapping is live, eight bytes long and page-aligned, and is only
                // ever accessed through this atomic in this process.
                unsafe { &*word }.store(u64::from_ne_bytes(bytes), Ordering::Release);
            }
            // As above: a tree somebody took away needs no report.
            None => drop(self.file.write_all_at(&bytes, 0)),
        }
    }
}

/// The number right-aligned, with a line end where there is room; beyond eight digits the
/// largest that fits, as a saturated register shows.
fn eight_bytes(value: i64) -> [u8; 8] {
    let mut bytes = [b' '; 8];
    let digits = value.clamp(-9_999_999, 99_999_999).to_string();
    let end = if digits.len() < 8 { 7 } else { 8 };
    bytes[end - digits.len()..end].copy_from_slice(digits.as_bytes());
    if end == 7 {
        bytes[7] = b'\n';
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn eight_bytes_hold_every_value() {
        for (value, text) in [
            (0, "      0\n"),
            (1234, "   1234\n"),
            (-12, "    -12\n"),
            (12_345_678, "12345678"),
            (i64::MAX, "99999999"),
            (i64::MIN, "-9999999"),
        ] {
            assert_eq!(std::str::from_utf8(&eight_bytes(value)).unwrap(), text);
        }
    }

    /// Reads as fast as it can while the value changes as fast as it can: only whole values.
    #[test]
    fn a_reader_never_sees_half_a_value() {
        for clock in [ClockKind::Wall, ClockKind::Virtual] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("power1_input");
            let mut value = ValueFile::create(&path, clock).unwrap();
            value.show(1_111_111);
            let stop = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        value.show(2_222_222);
                        value.show(1_111_111);
                    }
                });
                let file = File::open(&path).unwrap();
                let mut bytes = [0u8; 32];
                for _ in 0..300_000 {
                    let read = file.read_at(&mut bytes, 0).unwrap();
                    let seen = std::str::from_utf8(&bytes[..read]).unwrap().trim();
                    assert!(seen == "1111111" || seen == "2222222", "{clock:?}: {seen:?}");
                }
                stop.store(true, Ordering::Relaxed);
            });
        }
    }
}
