//! Frequencies that components are held at while they run.

use anyhow::{Result, bail};
use wattline_agent::Recorder;
use wattline_agent::frequency::FrequencyControl;
use wattline_board::Roots;
use wattline_board::clock::Clock;
use wattline_board::description::{Component, OperatingPoint};
use wattline_board::quantity::Frequency;
use wattline_trace::rows::EventKind;
use wattline_trace::{FrequencyRecord, SwitchingRecord};

use crate::target::Target;

/// A component and a frequency: `a15=1200MHz`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wanted {
    pub(super) component: String,
    pub(super) frequency: Frequency,
}

impl std::str::FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((component, frequency)) = text.split_once('=') else {
            return Err("expected COMPONENT=FREQUENCY, such as a15=1200MHz".to_owned());
        };
        let frequency = frequency_from(frequency)?;
        Ok(Wanted { component: component.trim().to_owned(), frequency })
    }
}

/// `1200MHz`, with or without a blank before the unit.
pub(super) fn frequency_from(text: &str) -> Result<Frequency, String> {
    let text = text.trim();
    let unit = text.find(|it: char| it.is_ascii_alphabetic()).unwrap_or(text.len());
    let factor = match &text[unit..] {
        "kHz" => 1e3,
        "MHz" => 1e6,
        "GHz" => 1e9,
        _ => return Err(format!("{text:?}: expected a frequency such as 1200MHz or 1.2GHz")),
    };
    match text[..unit].trim().parse::<f64>() {
        Ok(value) if value > 0.0 && value * factor < 1e12 => Ok(Frequency::new(value * factor)),
        _ => Err(format!("{text:?}: expected a frequency such as 1200MHz or 1.2GHz")),
    }
}

/// The clocks that a run holds. Held while components run, and put back in the idle time around
/// them: idle power is that of the board as it was found, whatever the frequency.
#[derive(Debug, Default)]
pub(super) struct Clocks(Vec<(FrequencyControl, Frequency)>);

impl Clocks {
    /// Opens them; nothing is changed yet. It takes root on a real board.
    pub(super) fn open(wanted: &[Wanted], target: &Target, roots: &Roots) -> Result<Self> {
        check(wanted, target)?;
        let open = |wanted: &Wanted| {
            // Checked: there is such a component.
            let component = target.description.component(&wanted.component);
            let control = component.map(|component| FrequencyControl::open(component, roots));
            Ok(control.transpose()?.map(|control| (control, wanted.frequency)))
        };
        let controls = wanted.iter().filter_map(|it| open(it).transpose());
        Ok(Clocks(controls.collect::<Result<_>>()?))
    }

    /// Holds all of them.
    pub(super) fn hold(&mut self, clock: &dyn Clock) -> Result<()> {
        for (control, frequency) in &mut self.0 {
            control.hold(*frequency, clock)?;
        }
        Ok(())
    }

    /// Puts all of them back; one that did not stay where it was held is told.
    pub(super) fn put_back(&mut self, recorder: &Recorder) {
        for (control, _) in &mut self.0 {
            if let Err(error) = control.check() {
                eprintln!("wattline: {error}");
                recorder.note(EventKind::Throttle, &control.place(), &error.to_string());
            }
            control.put_back();
        }
    }
}

/// Refuses what there is not.
pub(super) fn check(wanted: &[Wanted], target: &Target) -> Result<()> {
    for (index, it) in wanted.iter().enumerate() {
        let name = &it.component;
        let component = target.component("--frequency", name)?;
        if wanted[..index].iter().any(|other| other.component == *name) {
            bail!("--frequency names {name} twice");
        }
        if target.emulated {
            emulated_point(component, it.frequency)?;
        }
    }
    Ok(())
}

/// Refuses a frequency of an emulated component whose voltage nobody knows.
pub(super) fn emulated_point(
    component: &Component,
    frequency: Frequency,
) -> Result<&OperatingPoint> {
    let name = component.name();
    let Some(point) = component.operating_point(frequency) else {
        let offered = component.operating_points.iter().map(|it| it.frequency.to_string());
        let offered: Vec<_> = offered.collect();
        bail!("{name} does not run at {frequency}: its description offers {}", offered.join(", "));
    };
    if component.scaling(point).is_none() {
        bail!(
            "{name} at {frequency}: its description knows no voltage of this frequency, or of the highest"
        );
    }
    Ok(point)
}

/// What the manifest says of a component's frequency, if it was asked for.
pub(super) fn record(
    wanted: &[Wanted],
    component: &Component,
    emulated: bool,
) -> Option<FrequencyRecord> {
    let wanted = wanted.iter().find(|it| it.component == component.name())?;
    let how = match emulated {
        true => "held by the emulated board's model, a guess below the highest frequency",
        false => "both limits of the kernel's governor held at it",
    };
    Some(FrequencyRecord {
        hz: wanted.frequency.hertz().round() as u64,
        highest_hz: component.highest_frequency().map(|it| it.hertz().round() as u64),
        layers_hz: Vec::new(),
        switching: switching(component),
        how: how.to_owned(),
    })
}

/// What a change of frequency costs, by the description.
pub(super) fn switching(component: &Component) -> Option<SwitchingRecord> {
    component
        .switching
        .map(|it| SwitchingRecord { seconds: it.time.seconds(), joules: it.energy.joules() })
}

/// How fast a component is at its frequency, of its highest.
pub(super) fn speed(record: &FrequencyRecord) -> f64 {
    record.highest_hz.map_or(1.0, |highest| record.hz as f64 / highest as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frequency_has_a_component_and_a_unit() {
        let wanted: Wanted = "a15=1.2 GHz".parse().unwrap();
        assert_eq!(wanted.component, "a15");
        assert!((wanted.frequency.hertz() - 1.2e9).abs() < 1.0);
        for wrong in ["a15", "a15=1200", "a15=-1MHz", "a15=fast", "a15=1200mhz", "a15=1e9GHz"] {
            assert!(wrong.parse::<Wanted>().is_err(), "{wrong}");
        }
    }
}
