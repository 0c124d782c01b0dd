//! Frequencies and voltages that cannot be.

use super::{Checked, wrong};
use crate::description::Component;

pub(super) fn check(component: &Component) -> Checked {
    let key = |field: &str| format!("components.{}.{field}", component.name());
    let here = component.name.span();
    let points = &component.operating_points;
    if !points.iter().is_sorted_by(|a, b| a.frequency < b.frequency) {
        return wrong(
            here,
            key("operating_points"),
            "expected the lowest frequency first, each once",
        );
    }
    if points.iter().any(|point| point.frequency.hertz() <= 0.0) {
        return wrong(here, key("operating_points"), "expected frequencies above zero");
    }
    let voltages = || points.iter().filter_map(|point| point.voltage);
    if !voltages().is_sorted() || voltages().any(|voltage| voltage.volts() <= 0.0) {
        let message = "expected voltages above zero that do not fall as the frequency rises";
        return wrong(here, key("operating_points"), message);
    }
    let leakage = &component.leakage;
    if !(0.0..=1.0).contains(leakage.get_ref()) {
        let message = format!("{} is no share; expected 0 to 1", leakage.get_ref());
        return wrong(leakage.span(), key("leakage"), message);
    }
    if let Some(switching) = component.switching.filter(|it| it.time.seconds() <= 0.0) {
        let message =
            format!("{} takes no time; leave it out where it is not known", switching.time);
        return wrong(here, key("switching"), message);
    }
    Ok(())
}
