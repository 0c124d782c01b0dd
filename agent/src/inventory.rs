//! What of a board's description is really there, opened and ready to be sampled.

use std::io;

use wattline_board::Roots;
use wattline_board::description::{Description, Rail};
use wattline_ebpf::{EbpfError, Program, Watch};
use wattline_trace::{CounterRecord, Provenance, RailRecord};

use crate::counter::{self, TrafficCounter};
use crate::kernel::{CpuTimes, Kernel};
use crate::performance::{self, ComponentCounters, MarkCounters};
use crate::privileges::Capability;
use crate::sensor::RailSensor;
use crate::sensor::chip::{self, Chip, Quantity};

/// Sensors and counters, opened. Nothing on the board is changed until a recorder starts.
#[derive(Debug)]
pub struct Inventory {
    pub(crate) rails: Vec<RailSensor>,
    pub(crate) counters: Vec<TrafficCounter>,
    pub(crate) performance: Vec<ComponentCounters>,
    pub(crate) roots: Roots,
    pub(crate) kernel: Kernel,
    dram_source: Option<String>,
    hints: Vec<Missing>,
    chips: Vec<Chip>,
    missing: Vec<Missing>,
}

/// Something that could not be had, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("{what}: {why}; {advice}")]
pub struct Missing {
    /// The rail, counter or setting.
    pub what: String,
    /// What the system answered.
    pub why: String,
    /// What the user can do.
    pub advice: String,
}

impl Inventory {
    /// Opens the sensors and counters a description names. If it names no rails, every chip that
    /// reports power, or voltage and current, becomes a rail under its own name. If it names no
    /// counter of the DRAM, the PMUs of the memory controllers become one, if the kernel has any.
    ///
    /// Never fails: what is not there is in [`Inventory::missing`].
    pub fn discover(description: &Description, roots: &Roots) -> Self {
        let mut inventory = Inventory {
            rails: Vec::new(),
            counters: Vec::new(),
            performance: Vec::new(),
            roots: roots.clone(),
            kernel: Kernel::default(),
            dram_source: None,
            hints: Vec::new(),
            chips: chip::find_all(roots),
            missing: Vec::new(),
        };
        if description.rails.is_empty() {
            inventory.adopt_all_chips();
        } else {
            description.rails.iter().for_each(|rail| inventory.open_rail(rail));
        }
        let found = counter::discover(description, roots);
        inventory.counters = found.opened;
        inventory.dram_source = found.dram;
        inventory.hints = found.hints;
        inventory.missing.extend(found.missing);
        let (performance, missing) = performance::discover(description, roots);
        inventory.performance = performance;
        inventory.missing.extend(missing);
        inventory
    }

    /// Has the kernel tell `cpu_times`, report what `watch` asks for, and meter its
    /// own programs and those in `others`. Call it before capabilities are given up; what is
    /// recorded needs none afterwards. What is refused is in [`Inventory::missing`], and recorded as
    /// well as it can be without.
    ///
    /// For the machine at hand alone: an emulated board's CPUs are not those of this kernel.
    pub fn attach_bpf(
        &mut self,
        cpu_times: Result<CpuTimes, EbpfError>,
        watch: Watch,
        others: Vec<Program>,
    ) {
        self.kernel = Kernel::attach(cpu_times, watch, others, &mut self.missing);
    }

    /// The capabilities that recording needs besides [`privileges::RECORDING`]; mostly none.
    ///
    /// [`privileges::RECORDING`]: crate::privileges::RECORDING
    pub fn capabilities(&self) -> &'static [Capability] {
        self.kernel.capabilities()
    }

    /// The CPU time of what [`Inventory::attach_bpf`] was given; `None` where it was refused.
    pub fn cpu_times(&self) -> Option<CpuTimes> {
        self.kernel.cpu_times.clone()
    }

    /// The hardware counters of CPUs, to be read at marks: see [`wattline_ebpf::Marks`]. They count
    /// from the recorder's start.
    pub fn mark_counters(&self) -> MarkCounters<'_> {
        performance::at_marks(&self.performance)
    }

    /// What could not be had.
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// Names of the rails that were found.
    pub fn rail_names(&self) -> Vec<&str> {
        self.rails.iter().map(|rail| rail.name.as_str()).collect()
    }

    /// The counter that sees all DRAM traffic: that which the description names, or that which
    /// was found where it names none. It may be missing.
    pub fn dram_source(&self) -> Option<&str> {
        self.dram_source.as_deref()
    }

    /// Names of the traffic counters that were found.
    pub fn counter_names(&self) -> Vec<&str> {
        self.counters.iter().map(|counter| counter.name().as_str()).collect()
    }

    /// The rails for a manifest, as long as no recorder has changed their windows (then see
    /// [`crate::Recorder::rail_records`]). `provenance` is what to label them with where that is
    /// not [`Provenance::Measured`]. A window that is not known is 0 here.
    pub fn rail_records(&self, provenance: Option<Provenance>) -> Vec<RailRecord> {
        let record = |rail: &RailSensor| rail_record(rail, rail.window_ns.unwrap_or(0), provenance);
        self.rails.iter().map(record).collect()
    }

    /// The counters for a manifest, read `rate_hz` times a second. `provenance` is what to label
    /// them with where that is not what their unit makes them.
    pub fn counter_records(
        &self,
        rate_hz: f64,
        provenance: Option<Provenance>,
    ) -> Vec<CounterRecord> {
        let record = |counter: &TrafficCounter| counter_record(counter, rate_hz, provenance);
        self.counters.iter().map(record).collect()
    }

    /// How the kernel could show counters that it does not show.
    pub(crate) fn hints(&self) -> &[Missing] {
        &self.hints
    }

    /// Every chip of the machine that reports voltage, current or power.
    pub(crate) fn chips(&self) -> &[Chip] {
        &self.chips
    }

    fn open_rail(&mut self, rail: &Rail) {
        let at = |chip: &&Chip| chip.i2c_address == Some(rail.i2c_address) && chip.is_ina2xx();
        let mut candidates: Vec<&Chip> = self.chips.iter().filter(at).collect();
        // Two buses may each have a chip at this address; the kind decides, then the order.
        candidates.sort_by_key(|chip| chip.name != rail.chip);
        let what = format!("rail {}", rail.name());
        let Some(&chip) = candidates.first() else {
            let address = rail.i2c_address;
            let why = format!("no {} at I2C address {address:#04x} in hwmon", rail.chip);
            let advice = format!(
                "load its driver (modprobe ina2xx) and see {}; a board without that sensor \
                 (XU4, XU3-Lite) needs a description of its own",
                self.roots.sysfs.join("class/hwmon").display()
            );
            return self.miss(what, why, &advice);
        };
        let chip = chip.clone();
        let inside = rail.inside.as_ref().map(|outer| outer.get_ref().clone());
        self.adopt(rail.name(), inside, &chip, 1);
    }

    /// On a board of which nothing is known, whatever reports power is a rail.
    fn adopt_all_chips(&mut self) {
        for chip in self.chips.clone() {
            // Its channels are often nested in one another, and only a description knows how.
            if chip.name == "ina3221" {
                continue;
            }
            let mut indices: Vec<u32> = chip
                .channels
                .iter()
                .filter(|channel| channel.quantity != Quantity::Voltage)
                .map(|channel| channel.index)
                .collect();
            indices.sort_unstable();
            indices.dedup();
            for index in indices {
                let name = self.free_name(&chip, index);
                self.adopt(&name, None, &chip, index);
            }
        }
    }

    fn adopt(&mut self, name: &str, inside: Option<String>, chip: &Chip, index: u32) {
        let what = format!("rail {name}");
        let of_rail = |quantity| chip.channel(quantity, index);
        let used = [Quantity::Voltage, Quantity::Current, Quantity::Power].map(of_rail);
        if let Some(off) = used.into_iter().flatten().find(|channel| !channel.enabled) {
            let why = format!("{} is switched off", off.file.display());
            return self.miss(what, why, "write 1 to the _enable file beside it");
        }
        let mut sensor = match RailSensor::open(name, inside, chip, index) {
            Some(Ok(sensor)) => sensor,
            Some(Err(error)) => {
                let why = format!("{}: {error}", chip.directory.display());
                return self.miss(what, why, advice_on(&error));
            }
            // A current without a voltage beside it is no power.
            None => return,
        };
        if let Err(error) = sensor.hold_settings() {
            let why = format!("{}: {}", error.path.display(), error.source);
            let advice = "run as root to set the averaging window; the rail is sampled as it is";
            self.miss(format!("averaging window of {what}"), why, advice);
        }
        self.rails.push(sensor);
    }

    /// `chip`, `chip:label`, and with the channel's number where that is taken.
    fn free_name(&self, chip: &Chip, index: u32) -> String {
        let labelled = chip.channels.iter().filter(|channel| channel.index == index);
        let label = labelled.rev().find_map(|channel| channel.label.as_deref());
        let name = label.map_or(chip.name.clone(), |label| format!("{}:{label}", chip.name));
        let taken = |name: &str| self.rails.iter().any(|rail| rail.name == *name);
        if !taken(&name) {
            return name;
        }
        let numbered = (index..).map(|number| format!("{name}#{number}"));
        numbered.into_iter().find(|name| !taken(name)).unwrap_or(name)
    }

    fn miss(&mut self, what: String, why: String, advice: &str) {
        self.missing.push(Missing { what, why, advice: advice.to_owned() });
    }
}

fn advice_on(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "run as root, or have udev open the file to your group",
        _ => "see whether its driver reports errors in dmesg",
    }
}

pub(crate) fn rail_record(
    rail: &RailSensor,
    window_ns: u64,
    provenance: Option<Provenance>,
) -> RailRecord {
    RailRecord {
        name: rail.name.to_string(),
        sensor: rail.chip.name.clone(),
        path: rail.chip.directory.display().to_string(),
        window_ns,
        volts_step: rail.steps.0,
        amps_step: rail.steps.1,
        inside: rail.inside.clone(),
        provenance: provenance.unwrap_or(Provenance::Measured),
    }
}

pub(crate) fn counter_record(
    counter: &TrafficCounter,
    rate_hz: f64,
    provenance: Option<Provenance>,
) -> CounterRecord {
    CounterRecord {
        source: counter.name().to_string(),
        path: counter.path().to_owned(),
        ports: counter.ports().iter().map(ToString::to_string).collect(),
        bytes_per_count: counter.bytes_per_count() as f64,
        interval_ns: (1e9 / rate_hz).round() as u64,
        covers: counter.covers().to_owned(),
        provenance: provenance.unwrap_or_else(|| counter.provenance()),
    }
}
