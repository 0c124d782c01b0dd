//! What a board is: components, rails, counters and what they can do, as a TOML file says it.

mod load;
mod operating;
mod validate;

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::quantity::{
    Bandwidth, Capacity, EnergyPerByte, FlopRate, Power, Resistance, Time, Tolerance, Voltage,
};

pub use load::{DescriptionError, builtin_names};
pub use operating::{OperatingPoint, Scaling, Switching};

/// A board, as its description says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The name by which the command knows it, such as `exynos5422`.
    pub name: String,
    /// The board in words.
    pub model: String,
    /// Entries of `/proc/device-tree/compatible`, or text in `model`, that identify it.
    #[serde(default)]
    pub compatible: Vec<String>,
    /// The DRAM.
    #[serde(default)]
    pub memory: Memory,
    /// Power rails with a sensor.
    #[serde(default)]
    pub rails: Vec<Rail>,
    /// Memory-traffic counter blocks.
    #[serde(default)]
    pub counters: Vec<Counter>,
    /// What computes.
    pub components: Vec<Component>,
    /// What the emulated board's sensors get wrong.
    #[serde(default)]
    pub noise: Noise,
}

/// The DRAM that all components share.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// What its interface can carry; absent where it is not known.
    pub bandwidth: Option<Spanned<Bandwidth>>,
    /// What all components together draw at most, idle traffic included: less than the interface
    /// carries, for rows, banks and refresh. Absent where it is not known.
    pub sustained: Option<Spanned<Bandwidth>>,
    /// Energy that moves with each byte. Only the emulated board uses it.
    #[serde(default)]
    pub energy_per_byte: EnergyPerByte,
    /// Traffic while nothing runs. Only the emulated board uses it.
    #[serde(default)]
    pub idle_traffic: Bandwidth,
    /// The rail the DRAM hangs on.
    pub rail: Option<Spanned<String>>,
    /// The counter block that sees all DRAM traffic.
    pub counter: Option<Spanned<String>>,
}

/// A power rail with a sensor.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rail {
    /// Its name on the schematic.
    pub name: Spanned<String>,
    /// The sensor's I2C address, of 7 bits: the boards' device trees carry no labels.
    pub i2c_address: u16,
    /// The sensor's chip, as hwmon's `name` file says it.
    pub chip: String,
    /// The shunt.
    pub shunt: Resistance,
    /// How far its readings' gain may lie off, chip and shunt together; absent where nobody knows.
    pub tolerance: Option<Spanned<Tolerance>>,
    /// Its voltage ahead of the shunt. Only the emulated board uses it.
    pub voltage: Voltage,
    /// Its power when nothing runs, idle memory traffic included. Only the emulated board uses it.
    pub idle_power: Power,
    /// The rail that contains this one. The two are never summed.
    pub inside: Option<Spanned<String>>,
}

/// What computes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// The name by which the command knows it, such as `a15`.
    pub name: Spanned<String>,
    /// CPU cluster, GPU or NPU.
    pub kind: ComponentKind,
    /// CPUs of a cluster, by number.
    #[serde(default)]
    pub cpus: Vec<u32>,
    /// Names its PMU may have in /sys/bus/event_source/devices; they are discovered, not trusted.
    #[serde(default)]
    pub pmus: Vec<String>,
    /// Peak rate at each precision; absent where it is not known.
    #[serde(default)]
    pub peak: Peak,
    /// The precision at which networks run on it.
    #[serde(default)]
    pub precision: Precision,
    /// DRAM bandwidth it sustains alone; absent where it is not known.
    pub bandwidth: Option<Bandwidth>,
    /// Its last-level cache. Only the emulated board uses it.
    #[serde(default)]
    pub last_level_cache: Capacity,
    /// The cores' own caches together. Only the emulated board uses it.
    #[serde(default)]
    pub private_caches: Capacity,
    /// Fixed cost of starting a layer on it. Only the emulated board uses it.
    #[serde(default)]
    pub dispatch: Time,
    /// The rail it hangs on.
    pub rail: Option<Spanned<String>>,
    /// Power above idle while it computes, at its highest frequency. Only the emulated board uses
    /// it.
    #[serde(default)]
    pub dynamic_power: Power,
    /// The share of `dynamic_power` that leaks, from 0 to 1: it goes with the voltage alone. Only
    /// the emulated board uses it.
    #[serde(default = "operating::no_leakage")]
    pub leakage: Spanned<f64>,
    /// Clock frequencies it offers, lowest first, and the voltage that each takes.
    #[serde(default)]
    pub operating_points: Vec<OperatingPoint>,
    /// What it costs to change from one to another; absent where it is not known.
    pub switching: Option<Switching>,
    /// The CPU cluster that drives it, if it cannot run by itself.
    pub driver: Option<Driver>,
    /// Operators it refuses to run.
    #[serde(default)]
    pub refuses: Vec<String>,
    /// How well each network uses it.
    #[serde(default)]
    pub calibration: BTreeMap<String, Calibration>,
}

/// What kind of component it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ComponentKind {
    /// A cluster of CPU cores.
    Cpu,
    /// A GPU.
    Gpu,
    /// A neural processor.
    Npu,
}

impl ComponentKind {
    /// The word that stands in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            ComponentKind::Cpu => "cpu",
            ComponentKind::Gpu => "gpu",
            ComponentKind::Npu => "npu",
        }
    }
}

/// The precision at which networks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floating point.
    #[default]
    Fp32,
    /// 16-bit floating point.
    Fp16,
}

impl Precision {
    /// Bytes an element.
    pub fn bytes(self) -> u64 {
        match self {
            Precision::Fp32 => 4,
            Precision::Fp16 => 2,
        }
    }
}

/// Peak rate at each precision; what is not there is not offered, or not known.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peak {
    /// At 32 bits.
    pub fp32: Option<FlopRate>,
    /// At 16 bits.
    pub fp16: Option<FlopRate>,
}

/// The CPU cluster that drives an accelerator.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Driver {
    /// The cluster.
    pub component: Spanned<String>,
    /// How much of it that takes, from 0 to 1.
    pub share: Spanned<f64>,
}

/// How well one network uses one component.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The throughput this was fitted to, in images a second on the component alone.
    pub images_per_s: f64,
    /// Share of the peak rate that its layers reach where they are not bound by memory.
    pub efficiency: Spanned<f64>,
}

/// A memory-traffic counter block.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counter {
    /// Its name in `traffic.csv`.
    pub name: Spanned<String>,
    /// Its register map.
    pub kind: CounterKind,
    /// Physical address of each block of registers.
    pub bases: Vec<u64>,
    /// Its ports: for a CCI the interfaces that are counted, for PPMU one a block.
    pub ports: Vec<Port>,
    /// What it sees and what it does not.
    pub covers: String,
}

/// The register map of a counter block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CounterKind {
    /// ARM CCI-400: request handshakes of its slave interfaces.
    Cci400,
    /// ARM CCI-550: data beats of its memory interfaces.
    Cci550,
    /// Exynos PPMU v1: data beats of a DRAM controller's channels.
    ExynosPpmu,
}

/// A port of a counter block.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Its name in `traffic.csv`.
    pub name: String,
    /// Number of the interface (S of a CCI-400, M of a CCI-550), or of the block among `bases`.
    pub number: u32,
    /// The component whose traffic passes there, if it is one component's. On the emulated board a
    /// memory-side port without one passes an equal share of all traffic, and an interface of a
    /// CCI-400 passes none.
    pub component: Option<Spanned<String>>,
}

/// What the emulated board's sensors get wrong.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Noise {
    /// Standard deviation of one shunt sample, at the shunt.
    pub shunt: Voltage,
    /// Standard deviation of one bus sample.
    pub bus: Voltage,
    /// Largest error of a sensor's conversion time, as a share of it, from 0 to 0.5.
    pub conversion_clock: Spanned<f64>,
    /// Largest error of a sensor's gain: each has one of its own, drawn from the run's seed, within
    /// this and evenly. None unless it is asked for.
    pub gain: Tolerance,
}

impl Default for Noise {
    /// Guesses: an INA231's own LSBs are 2.5 µV and 1.25 mV; a board adds to that.
    fn default() -> Self {
        let conversion_clock = Spanned::new(0..0, 0.005);
        let gain = Tolerance::new(0.0);
        Noise { shunt: Voltage::new(10e-6), bus: Voltage::new(1e-3), conversion_clock, gain }
    }
}

impl Memory {
    /// What all components together are taken to draw at most: the sustained bandwidth, or where
    /// that is not known what the interface can carry.
    pub fn shared_bandwidth(&self) -> Option<Bandwidth> {
        self.sustained.as_ref().or(self.bandwidth.as_ref()).map(|known| *known.get_ref())
    }
}

impl Component {
    /// The name.
    pub fn name(&self) -> &str {
        self.name.get_ref()
    }

    /// The peak rate at the precision networks run at on it.
    pub fn peak_rate(&self) -> Option<FlopRate> {
        match self.precision {
            Precision::Fp32 => self.peak.fp32,
            Precision::Fp16 => self.peak.fp16,
        }
    }

    /// Share of the peak rate a network reaches: as calibrated, or for a network that was not,
    /// the geometric mean of those that were.
    pub fn efficiency(&self, network: &str) -> Option<f64> {
        if let Some(known) = self.calibration.get(network) {
            return Some(*known.efficiency.get_ref());
        }
        let logarithms: Vec<f64> =
            self.calibration.values().map(|known| known.efficiency.get_ref().ln()).collect();
        (!logarithms.is_empty())
            .then(|| (logarithms.iter().sum::<f64>() / logarithms.len() as f64).exp())
    }
}

impl Rail {
    /// The name.
    pub fn name(&self) -> &str {
        self.name.get_ref()
    }
}

impl Counter {
    /// The name.
    pub fn name(&self) -> &str {
        self.name.get_ref()
    }
}

impl Description {
    /// A component by name.
    pub fn component(&self, name: &str) -> Option<&Component> {
        self.components.iter().find(|component| component.name() == name)
    }

    /// The rails whose active energy counts as a component's: its own, that of the cluster that
    /// drives it, and the memory's. A rail inside another of them, however deep, is left out.
    pub fn rails_of<'a>(&'a self, component: &'a Component) -> Vec<&'a str> {
        let driver = component
            .driver
            .as_ref()
            .and_then(|driver| self.component(driver.component.get_ref()))
            .and_then(|driver| driver.rail.as_ref());
        let mut names: Vec<&str> = Vec::new();
        for rail in [component.rail.as_ref(), driver, self.memory.rail.as_ref()] {
            if let Some(rail) = rail.map(|rail| rail.get_ref().as_str())
                && !names.contains(&rail)
            {
                names.push(rail);
            }
        }
        let listed = names.clone();
        names.retain(|name| !self.rails_around(name).any(|outer| listed.contains(&outer)));
        names
    }

    /// The rails that contain one, from the nearest outwards.
    fn rails_around<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let around = |name: &str| {
            let rail = self.rails.iter().find(|rail| rail.name() == name)?;
            rail.inside.as_ref().map(|outer| outer.get_ref().as_str())
        };
        // A description that was not parsed was not checked for circles either.
        std::iter::successors(around(name), move |name| around(name)).take(self.rails.len())
    }
}
