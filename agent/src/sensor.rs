//! Power sensors: found by what they are, set to the wished window, read as rails.

pub(crate) mod channel;
pub(crate) mod chip;
mod conversion;
mod freshness;
pub(crate) mod source;

use std::fs;
use std::io;
use std::path::PathBuf;

use wattline_trace::Name;

use crate::setting::HeldSetting;
use chip::{Chip, Interface};
use source::Source;

/// A rail and the sensor on it, opened and not yet changed.
#[derive(Debug)]
pub(crate) struct RailSensor {
    pub(crate) name: Name,
    pub(crate) chip: Chip,
    /// The rail that contains this one.
    pub(crate) inside: Option<String>,
    /// What a reading averages over, where that can be known.
    pub(crate) window_ns: Option<u64>,
    /// The steps of volts and amps.
    pub(crate) steps: (f64, f64),
    pub(crate) source: Source,
    pub(crate) held: Held,
}

/// A chip's settings, held open; what we change is restored when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held {
    update_interval: Option<HeldSetting>,
    enable: Option<HeldSetting>,
}

/// A setting of a chip could not be had; the rail is sampled all the same.
#[derive(Debug, thiserror::Error)]
#[error("cannot change {}: {source}; its readings average over whatever was set before; run as root to change it", path.display())]
pub(crate) struct SettingError {
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

impl RailSensor {
    /// Opens the sensor of a rail. `None` if the chip's channel `index` has neither power nor
    /// voltage and current.
    pub(crate) fn open(
        name: &str,
        inside: Option<String>,
        chip: &Chip,
        index: u32,
    ) -> Option<io::Result<Self>> {
        let source = match Source::open(chip, index)? {
            Ok(source) => source,
            Err(error) => return Some(Err(error)),
        };
        let mut sensor = RailSensor {
            name: Name::new(name),
            chip: chip.clone(),
            inside,
            window_ns: None,
            steps: conversion::steps(chip),
            source,
            held: Held::default(),
        };
        if let Source::Power(_) = sensor.source {
            sensor.steps = (0.0, 0.0);
        }
        sensor.window_ns = sensor.window_now();
        Some(Ok(sensor))
    }

    /// Opens what can be set on this chip for writing.
    pub(crate) fn hold_settings(&mut self) -> Result<(), SettingError> {
        let directory = &self.chip.directory;
        let (file, slot) = match self.chip.interface {
            Interface::Vendor => ("enable", &mut self.held.enable),
            Interface::Hwmon if self.chip.is_ina2xx() => {
                ("update_interval", &mut self.held.update_interval)
            }
            Interface::Hwmon => return Ok(()),
        };
        let path = directory.join(file);
        if path.exists() {
            let held = HeldSetting::open(path.clone());
            *slot = Some(held.map_err(|source| SettingError { path, source })?);
        }
        Ok(())
    }

    /// Asks the chip for a window of `wish_ms`, if given, and switches it on. Answers how long it
    /// may take until its files tell of it, nanoseconds; 0 if nothing was changed.
    pub(crate) fn prepare(&mut self, wish_ms: Option<u32>) -> Result<u64, SettingError> {
        /// A slow driver may take a moment to say what it made of a wish.
        const SETTLING_NS: u64 = 20_000_000;
        let mut settling_ns = 0;
        let failed = |setting: &HeldSetting, source| SettingError {
            path: setting.path().to_owned(),
            source,
        };
        if let (Some(setting), Some(wish)) = (&mut self.held.update_interval, wish_ms) {
            setting.write(u64::from(wish)).map_err(|error| failed(setting, error))?;
            settling_ns = SETTLING_NS;
        }
        if let Some(setting) = &mut self.held.enable
            && setting.read().map_err(|error| failed(setting, error))? != 1
        {
            setting.write(1).map_err(|error| failed(setting, error))?;
            // Until the first conversion is done the files hold zeros.
            settling_ns = SETTLING_NS.max(self.window_ns.unwrap_or(0));
        }
        Ok(settling_ns)
    }

    /// Looks at what became of the wish.
    pub(crate) fn settle(&mut self) {
        self.window_ns = self.window_now().or(self.window_ns);
    }

    /// What `update_interval` shows, ms.
    pub(crate) fn shown_interval_ms(&self) -> Option<u64> {
        let text = fs::read_to_string(self.chip.directory.join("update_interval")).ok()?;
        text.trim().parse().ok()
    }

    fn window_now(&self) -> Option<u64> {
        match self.chip.interface {
            Interface::Hwmon => conversion::window_ns(&self.chip, self.shown_interval_ms()),
            Interface::Vendor => {
                let path = self.chip.directory.join("update_period");
                fs::read_to_string(path).ok().and_then(|text| conversion::vendor_period_ns(&text))
            }
        }
    }

    /// The shortest window this sensor can be set to, ns, where that is known.
    pub(crate) fn shortest_window_ns(&self) -> Option<u64> {
        match (&self.held.update_interval, self.chip.name.as_str()) {
            (Some(_), "ina226" | "ina230" | "ina231") => Some(conversion::averaging_window_ns(0)),
            _ => self.window_ns,
        }
    }
}
