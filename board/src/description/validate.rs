//! What a well-formed description may still get wrong: names that lead nowhere, circles, numbers
//! that cannot be.

mod counters;
mod operating;

use std::ops::Range;

use toml::Spanned;
use wattline_trace::rows::ALL_COMPONENTS;

use super::{Component, ComponentKind, Description};

/// What is wrong, at which byte of the file.
#[derive(Debug)]
pub(super) struct Contradiction {
    pub(super) at: usize,
    pub(super) key: String,
    pub(super) message: String,
}

/// A sensor that is further off measures nothing.
const MOST_TOLERANCE: f64 = 0.5;

type Checked = Result<(), Contradiction>;

fn wrong(span: Range<usize>, key: impl Into<String>, message: impl Into<String>) -> Checked {
    Err(Contradiction { at: span.start, key: key.into(), message: message.into() })
}

/// What an emulated board needs besides: the key that is missing, if one is.
pub(super) fn missing_for_emulation(board: &Description) -> Option<String> {
    if board.memory.shared_bandwidth().is_none() {
        return Some("memory.bandwidth".into());
    }
    board.components.iter().find_map(|component| {
        let missing = match component {
            _ if component.peak_rate().is_none() => "peak",
            _ if component.bandwidth.is_none() => "bandwidth",
            _ if component.calibration.is_empty() => "calibration",
            _ => return None,
        };
        Some(format!("components.{}.{missing}", component.name()))
    })
}

/// Checks a description as a whole.
pub(super) fn check(board: &Description) -> Checked {
    if board.components.is_empty() {
        return wrong(0..0, "components", "a board has at least one [[components]]");
    }
    unique("rails", board.rails.iter().map(|rail| &rail.name))?;
    unique("components", board.components.iter().map(|component| &component.name))?;
    unique("counters", board.counters.iter().map(|counter| &counter.name))?;
    if let Some(all) = board.component(ALL_COMPONENTS) {
        let message = "\"all\" stands for all components together; name it otherwise";
        return wrong(all.name.span(), "components.name", message);
    }
    references(board)?;
    no_circle(
        "rails",
        "inside",
        board.rails.iter().map(|rail| (&rail.name, rail.inside.as_ref())),
    )?;
    no_circle(
        "components",
        "driver",
        board.components.iter().map(|component| {
            (&component.name, component.driver.as_ref().map(|driver| &driver.component))
        }),
    )?;
    board.components.iter().try_for_each(|component| check_component(board, component))?;
    check_memory(board)?;
    check_rails(board)?;
    counters::check(board)?;
    for rail in &board.rails {
        let Some(tolerance) = &rail.tolerance else { continue };
        if tolerance.get_ref().share() > MOST_TOLERANCE {
            let message = format!("{} is no tolerance; expected 0 to 50 %", tolerance.get_ref());
            return wrong(tolerance.span(), format!("rails.{}.tolerance", rail.name()), message);
        }
    }
    let clock = &board.noise.conversion_clock;
    if !(0.0..=0.5).contains(clock.get_ref()) {
        let message = format!("{} is no share of a conversion; expected 0 to 0.5", clock.get_ref());
        return wrong(clock.span(), "noise.conversion_clock", message);
    }
    Ok(())
}

/// What all components draw together lies between what one draws alone and what the interface
/// can carry, and leaves more than the idle traffic.
fn check_memory(board: &Description) -> Checked {
    let memory = &board.memory;
    if let Some(peak) = memory.bandwidth.as_ref().filter(|it| *it.get_ref() <= memory.idle_traffic)
    {
        let message = format!(
            "expected more than the idle traffic, {}, or none if not known",
            memory.idle_traffic
        );
        return wrong(peak.span(), "memory.bandwidth", message);
    }
    let Some(sustained) = &memory.sustained else { return Ok(()) };
    let (here, all) = (sustained.span(), *sustained.get_ref());
    if let Some(peak) = memory.bandwidth.as_ref().filter(|peak| all > *peak.get_ref()) {
        let message = format!("{all} is more than memory.bandwidth, {}", peak.get_ref());
        return wrong(here, "memory.sustained", message);
    }
    let left = all.bytes_per_s() - memory.idle_traffic.bytes_per_s();
    for component in &board.components {
        if let Some(alone) = component.bandwidth.filter(|alone| alone.bytes_per_s() > left) {
            let message = format!(
                "{all} less idle_traffic is below the {alone} that {} sustains alone",
                component.name()
            );
            return wrong(here, "memory.sustained", message);
        }
    }
    if left <= 0.0 {
        return wrong(here, "memory.sustained", "expected more than the idle traffic");
    }
    Ok(())
}

fn unique<'a>(table: &str, names: impl Iterator<Item = &'a Spanned<String>>) -> Checked {
    let mut seen = Vec::new();
    for name in names {
        let key = format!("{table}.name");
        if name.get_ref().is_empty() || name.get_ref().chars().any(char::is_control) {
            return wrong(name.span(), key, "expected a name of at least one printable character");
        }
        if seen.contains(&name.get_ref()) {
            return wrong(name.span(), key, format!("{:?} is there twice", name.get_ref()));
        }
        seen.push(name.get_ref());
    }
    Ok(())
}

fn references(board: &Description) -> Checked {
    let rails: Vec<&str> = board.rails.iter().map(|rail| rail.name()).collect();
    let components: Vec<&str> = board.components.iter().map(|component| component.name()).collect();
    let counters: Vec<&str> = board.counters.iter().map(|counter| counter.name()).collect();
    leads_to("memory.rail", board.memory.rail.as_ref(), "rail", &rails)?;
    leads_to("memory.counter", board.memory.counter.as_ref(), "counter", &counters)?;
    for rail in &board.rails {
        leads_to(&format!("rails.{}.inside", rail.name()), rail.inside.as_ref(), "rail", &rails)?;
    }
    for component in &board.components {
        let key = |field: &str| format!("components.{}.{field}", component.name());
        leads_to(&key("rail"), component.rail.as_ref(), "rail", &rails)?;
        let driver = component.driver.as_ref().map(|driver| &driver.component);
        leads_to(&key("driver.component"), driver, "component", &components)?;
    }
    for counter in &board.counters {
        for port in &counter.ports {
            let key = format!("counters.{}.ports.{}.component", counter.name(), port.name);
            leads_to(&key, port.component.as_ref(), "component", &components)?;
        }
    }
    Ok(())
}

fn leads_to(key: &str, name: Option<&Spanned<String>>, what: &str, known: &[&str]) -> Checked {
    match name {
        Some(name) if !known.contains(&name.get_ref().as_str()) => {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let message = format!("there is no {what} {:?}; there is: {known}", name.get_ref());
            wrong(name.span(), key, message)
        }
        _ => Ok(()),
    }
}

/// Follows `link` from every name; more steps than names is a circle.
fn no_circle<'a>(
    table: &str,
    link: &str,
    edges: impl Iterator<Item = (&'a Spanned<String>, Option<&'a Spanned<String>>)>,
) -> Checked {
    let edges: Vec<_> = edges.collect();
    let next =
        |name: &str| edges.iter().find(|(from, _)| from.get_ref() == name).and_then(|(_, to)| *to);
    for (start, first) in &edges {
        let mut path = vec![start.get_ref().as_str()];
        let mut step = *first;
        while let Some(name) = step {
            path.push(name.get_ref());
            if path.len() > edges.len() + 1 || name.get_ref() == start.get_ref() {
                let message = format!("goes in a circle: {}", path.join(" → "));
                let key = format!("{table}.{}.{link}", start.get_ref());
                return wrong(first.map_or(start.span(), Spanned::span), key, message);
            }
            step = next(name.get_ref());
        }
    }
    Ok(())
}

fn check_component(board: &Description, component: &Component) -> Checked {
    let key = |field: &str| format!("components.{}.{field}", component.name());
    let here = component.name.span();
    if component.peak_rate().is_some_and(|peak| peak.flops_per_s() <= 0.0) {
        return wrong(here, key("peak"), "expected a peak rate above zero, or none if not known");
    }
    if component.bandwidth.is_some_and(|bandwidth| bandwidth.bytes_per_s() <= 0.0) {
        return wrong(here, key("bandwidth"), "expected a bandwidth above zero, or none");
    }
    if component.kind == ComponentKind::Cpu && component.cpus.is_empty() {
        return wrong(here, key("cpus"), "a CPU cluster lists its CPUs, such as [0, 1, 2, 3]");
    }
    let repeated = |index: &usize| component.cpus[..*index].contains(&component.cpus[*index]);
    if let Some(index) = (0..component.cpus.len()).find(repeated) {
        let message = format!("CPU {} is there twice", component.cpus[index]);
        return wrong(here, key("cpus"), message);
    }
    operating::check(component)?;
    let others = board.components.iter().filter(|other| other.name() != component.name());
    for other in others {
        if let Some(cpu) = component.cpus.iter().find(|cpu| other.cpus.contains(cpu)) {
            let message = format!("CPU {cpu} belongs to {:?} too", other.name());
            return wrong(here, key("cpus"), message);
        }
    }
    if let Some(driver) = &component.driver
        && let name = driver.component.get_ref()
        && board.component(name).is_none_or(|driving| driving.kind != ComponentKind::Cpu)
    {
        let message = format!("{name:?} is no CPU cluster; only a cluster drives others");
        return wrong(driver.component.span(), key("driver.component"), message);
    }
    if let Some(driver) = &component.driver
        && !(0.0..=1.0).contains(driver.share.get_ref())
    {
        let message = format!("{} is no share; expected 0 to 1", driver.share.get_ref());
        return wrong(driver.share.span(), key("driver.share"), message);
    }
    for (network, calibration) in &component.calibration {
        let rate = calibration.images_per_s;
        if !(rate > 0.0 && rate.is_finite()) {
            let message = format!("{rate} is no throughput; expected images a second above 0");
            let key = key(&format!("calibration.{network}.images_per_s"));
            return wrong(calibration.efficiency.span(), key, message);
        }
        let efficiency = *calibration.efficiency.get_ref();
        if !(efficiency > 0.0 && efficiency <= 1.0) {
            let message = format!("{efficiency} is no efficiency; expected above 0 and up to 1");
            let key = key(&format!("calibration.{network}.efficiency"));
            return wrong(calibration.efficiency.span(), key, message);
        }
    }
    Ok(())
}

fn check_rails(board: &Description) -> Checked {
    for rail in &board.rails {
        let key = |field: &str| format!("rails.{}.{field}", rail.name());
        if rail.shunt.ohms() <= 0.0 {
            return wrong(rail.name.span(), key("shunt"), "expected a shunt above zero");
        }
        if rail.voltage.volts() <= 0.0 {
            return wrong(rail.name.span(), key("voltage"), "expected a voltage above zero");
        }
        // The others are reserved. [I2C-bus specification, UM10204, 3.1.12]
        if !(0x08..=0x77).contains(&rail.i2c_address) {
            let message =
                format!("{:#x} is no I2C address; expected 0x08 to 0x77", rail.i2c_address);
            return wrong(rail.name.span(), key("i2c_address"), message);
        }
        let same = |other: &&super::Rail| other.i2c_address == rail.i2c_address;
        if let Some(other) = board.rails.iter().filter(same).find(|it| it.name() != rail.name()) {
            let message = format!("{:?} has the same address", other.name());
            return wrong(rail.name.span(), key("i2c_address"), message);
        }
    }
    Ok(())
}
