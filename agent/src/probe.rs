//! What a machine has to measure with, what is missing, and what to do about it.

mod machine;
mod text;

use serde::Serialize;
use wattline_board::Roots;
use wattline_board::clock::{Clock, WallClock};
use wattline_board::description::Description;
use wattline_ebpf::{Finding, Support};
use wattline_trace::Provenance;

use crate::attribute::Attribute;
use crate::counter::TrafficCounter;
use crate::inventory::{Inventory, Missing};
use crate::kernel;
use crate::performance::ComponentCounters;
use crate::privileges::{self, Need};
use crate::sensor::RailSensor;
use crate::sensor::chip::{Channel, Chip, Quantity};
use crate::sensor::source::RailReading;

pub use machine::{FrequencyPolicy, PowerDomain, TrafficPmu};

/// Everything a machine has to measure with. Nothing is changed by looking.
#[derive(Debug, Clone, Serialize)]
pub struct Probe {
    /// The board.
    pub board: Board,
    /// What computes.
    pub components: Vec<Component>,
    /// The rails that would be recorded.
    pub rails: Vec<Rail>,
    /// Every chip that reports voltage, current or power.
    pub chips: Vec<SensorChip>,
    /// The traffic counters that would be recorded.
    pub counters: Vec<Counter>,
    /// The hardware counters of CPU components that would be recorded.
    pub hardware_counters: Vec<HardwareCounters>,
    /// perf PMUs that look like memory traffic.
    pub traffic_pmus: Vec<TrafficPmu>,
    /// RAPL domains.
    pub powercap: Vec<PowerDomain>,
    /// Frequency policies of the CPUs.
    pub cpufreq: Vec<FrequencyPolicy>,
    /// Capabilities the agent could use.
    pub privileges: Vec<Need>,
    /// What the kernel offers BPF programs; absent of an emulated board, which has no kernel.
    pub bpf: Option<Support>,
    /// What could not be had, with advice.
    pub missing: Vec<Missing>,
}

/// The board and how it was found.
#[derive(Debug, Clone, Serialize)]
pub struct Board {
    /// The description's name.
    pub name: String,
    /// The board in words.
    pub model: String,
    /// Where the description came from.
    pub found: String,
}

/// What computes.
#[derive(Debug, Clone, Serialize)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// `cpu`, `gpu` or `npu`.
    pub kind: &'static str,
    /// CPUs of a cluster.
    pub cpus: Vec<u32>,
    /// Peak rate at the precision networks run at, FLOP/s.
    pub peak_flops_per_s: Option<f64>,
    /// DRAM bandwidth it sustains alone, bytes/s.
    pub bandwidth_bytes_per_s: Option<f64>,
}

/// A rail that would be recorded.
#[derive(Debug, Clone, Serialize)]
pub struct Rail {
    /// Its name.
    pub name: String,
    /// The chip.
    pub chip: String,
    /// The chip's directory.
    pub path: String,
    /// The chip's address on its I2C bus.
    pub i2c_address: Option<u16>,
    /// The rail that contains it.
    pub inside: Option<String>,
    /// Volts, amps, watts now.
    pub now: Option<Now>,
    /// Why there is no reading now.
    pub error: Option<String>,
    /// What `update_interval` shows, ms.
    pub update_interval_ms: Option<u64>,
    /// What a reading averages over now, ns.
    pub window_ns: Option<u64>,
    /// Fresh readings a second at its fastest setting.
    pub fastest_hz: Option<f64>,
}

/// A rail's reading.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Now {
    /// Bus voltage, V; 0 where the chip reports power alone.
    pub volts: f64,
    /// Current, A; 0 where the chip reports power alone.
    pub amps: f64,
    /// Power, W.
    pub watts: f64,
}

/// A chip that reports voltage, current or power.
#[derive(Debug, Clone, Serialize)]
pub struct SensorChip {
    /// What its driver calls it.
    pub name: String,
    /// Its directory.
    pub path: String,
    /// The device behind it.
    pub device: String,
    /// Its channels.
    pub channels: Vec<SensorChannel>,
}

/// One channel of a chip.
#[derive(Debug, Clone, Serialize)]
pub struct SensorChannel {
    /// The attribute, such as `in1_input`.
    pub file: String,
    /// What the board calls it.
    pub label: Option<String>,
    /// The value now, in `unit`.
    pub value: Option<f64>,
    /// `V`, `A` or `W`.
    pub unit: &'static str,
    /// Why there is no value.
    pub error: Option<String>,
}

/// A traffic counter that would be recorded.
#[derive(Debug, Clone, Serialize)]
pub struct Counter {
    /// Its name in `traffic.csv`.
    pub name: String,
    /// The perf PMU that counts, or the register map.
    pub kind: String,
    /// Where it is read.
    pub path: String,
    /// Whether it is taken to see all DRAM traffic.
    pub is_dram: bool,
    /// Where its bytes come from: measured, scaled or estimated.
    pub provenance: Provenance,
    /// Its ports.
    pub ports: Vec<String>,
    /// Bytes one count stands for.
    pub bytes_per_count: u64,
    /// What it sees.
    pub covers: String,
    /// Whether firmware opened it to us; absent where no register says so.
    pub secure_access: Option<bool>,
}

/// Hardware counters of a component that would be recorded.
#[derive(Debug, Clone, Serialize)]
pub struct HardwareCounters {
    /// The component.
    pub component: String,
    /// The PMUs that count, as the kernel names them.
    pub pmus: Vec<String>,
    /// The CPUs that are counted.
    pub cpus: Vec<u32>,
    /// What is counted; `bytes_estimated` is made of others.
    pub events: Vec<&'static str>,
    /// Groups that take turns on each CPU; with one, all is counted all the time.
    pub groups_per_cpu: usize,
    /// Whether `record` reads them at marks too, from BPF, besides at samples.
    pub at_marks: bool,
}

impl Probe {
    /// Looks at the machine under `roots`, described by `description`; `found` says
    /// how it was chosen.
    pub fn run(description: &Description, found: &str, roots: &Roots) -> Self {
        let inventory = Inventory::discover(description, roots);
        let mut missing = inventory.missing().to_vec();
        missing.extend(closed_counters(&inventory.counters));
        missing.extend(inventory.hints().iter().cloned());
        missing.extend(no_dram_counter(&inventory, description));
        missing.extend(nothing_at_all(&inventory, description));
        let bpf = kernel::support(roots);
        missing.extend(bpf.iter().flat_map(|bpf| &bpf.findings).filter_map(lacking));
        Probe {
            board: Board {
                name: description.name.clone(),
                model: description.model.clone(),
                found: found.to_owned(),
            },
            components: description.components.iter().map(component).collect(),
            rails: inventory.rails.iter().map(rail).collect(),
            chips: inventory.chips().iter().map(chip).collect(),
            counters: inventory.counters.iter().map(|it| counter(it, &inventory)).collect(),
            hardware_counters: inventory
                .performance
                .iter()
                .map(|it| hardware_counters(it, bpf.as_ref().is_some_and(Support::works)))
                .collect(),
            traffic_pmus: machine::traffic_pmus(&roots.sysfs, &inventory.counters),
            powercap: machine::power_domains(&roots.sysfs),
            cpufreq: machine::frequency_policies(&roots.sysfs),
            privileges: privileges::needs(),
            bpf,
            missing,
        }
    }
}

fn component(component: &wattline_board::description::Component) -> Component {
    Component {
        name: component.name().to_owned(),
        kind: component.kind.as_str(),
        cpus: component.cpus.clone(),
        peak_flops_per_s: component.peak_rate().map(|peak| peak.flops_per_s()),
        bandwidth_bytes_per_s: component.bandwidth.map(|known| known.bytes_per_s()),
    }
}

fn rail(rail: &RailSensor) -> Rail {
    let clock: &dyn Clock = &WallClock;
    let reading = rail.source.read(clock, None);
    let now = |reading: RailReading| Now {
        volts: reading.volts,
        amps: reading.amps,
        watts: reading.watts,
    };
    Rail {
        name: rail.name.to_string(),
        chip: rail.chip.name.clone(),
        path: rail.chip.directory.display().to_string(),
        i2c_address: rail.chip.i2c_address,
        inside: rail.inside.clone(),
        now: reading.ok().map(now),
        error: reading.err().map(|fault| fault.to_string()),
        update_interval_ms: rail.shown_interval_ms(),
        window_ns: rail.window_ns,
        fastest_hz: rail.shortest_window_ns().map(|window| 1e9 / window as f64),
    }
}

fn chip(chip: &Chip) -> SensorChip {
    let channel = |channel: &Channel| {
        let value = Attribute::open(channel.file.clone(), channel.divisor)
            .map_err(|error| error.to_string())
            .and_then(|attribute| attribute.read().map_err(|fault| fault.to_string()));
        let file = channel.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        SensorChannel {
            file,
            label: channel.label.clone(),
            value: value.as_ref().ok().copied(),
            unit: match channel.quantity {
                Quantity::Voltage => "V",
                Quantity::Current => "A",
                Quantity::Power => "W",
            },
            error: value.err(),
        }
    };
    SensorChip {
        name: chip.name.clone(),
        path: chip.directory.display().to_string(),
        device: chip.device.display().to_string(),
        channels: chip.channels.iter().map(channel).collect(),
    }
}

fn counter(counter: &TrafficCounter, inventory: &Inventory) -> Counter {
    Counter {
        name: counter.name().to_string(),
        kind: counter.kind(),
        path: counter.path().to_owned(),
        is_dram: inventory.dram_source() == Some(counter.name().as_str()),
        provenance: counter.provenance(),
        ports: counter.ports().iter().map(ToString::to_string).collect(),
        bytes_per_count: counter.bytes_per_count(),
        covers: counter.covers().to_owned(),
        secure_access: counter.secure_access(),
    }
}

fn hardware_counters(counters: &ComponentCounters, at_marks: bool) -> HardwareCounters {
    HardwareCounters {
        component: counters.component.to_string(),
        pmus: counters.pmus.clone(),
        cpus: counters.cpus.clone(),
        events: counters.names(),
        groups_per_cpu: counters.groups_per_cpu(),
        at_marks,
    }
}

/// Blocks that can be mapped and still say nothing.
fn closed_counters(counters: &[TrafficCounter]) -> impl Iterator<Item = Missing> {
    let closed = counters.iter().filter(|counter| counter.secure_access() == Some(false));
    closed.map(|counter| Missing {
        what: format!("counter {}", counter.name()),
        why: "its secure access register keeps the non-secure world out; its counts may read 0"
            .to_owned(),
        advice: "boot a firmware that sets bit 0 of that register".to_owned(),
    })
}

fn lacking(finding: &Finding) -> Option<Missing> {
    let advice = finding.advice.filter(|_| !finding.good)?.to_owned();
    let why = finding.finding.trim_end_matches('.').to_owned();
    Some(Missing { what: format!("BPF, {}", finding.what), why, advice })
}

/// DRAM traffic that nothing counts is told of, where no described counter is missing either.
fn no_dram_counter(inventory: &Inventory, description: &Description) -> Option<Missing> {
    let none = inventory.dram_source().is_none() && description.counters.is_empty();
    none.then(|| Missing {
        what: "DRAM traffic".to_owned(),
        why: "the board's description names no counter of it, and the kernel has no PMU of a \
              memory controller"
            .to_owned(),
        advice: "runs record no DRAM bytes; a virtual machine has none, a board may need its \
                 kernel's driver (modprobe) or a node in its device tree"
            .to_owned(),
    })
}

/// A machine with no sensor at all is told so plainly.
fn nothing_at_all(inventory: &Inventory, description: &Description) -> Option<Missing> {
    let none = inventory.rails.is_empty() && description.rails.is_empty();
    none.then(|| Missing {
        what: "power".to_owned(),
        why: "this machine has no power sensor in hwmon".to_owned(),
        advice: "runs record times and traffic but no joules; use an emulated board, or a board \
                 with INA2xx sensors"
            .to_owned(),
    })
}
