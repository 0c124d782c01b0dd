//! What the kernel offers besides hwmon: perf PMUs, RAPL, cpufreq.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::counter::TrafficCounter;

/// A perf PMU that looks like memory traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrafficPmu {
    /// Its name in `/sys/bus/event_source/devices`.
    pub name: String,
    /// The CPU on which its events are opened.
    pub cpumask: String,
    /// Events it names.
    pub events: Vec<String>,
    /// The traffic counter that is read by it, if one is.
    pub recorded_as: Option<String>,
}

/// A RAPL domain. [Documentation/power/powercap/powercap.rst]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PowerDomain {
    /// Its directory's name, such as `intel-rapl:0:1`.
    pub directory: String,
    /// What it measures, such as `dram`.
    pub name: String,
    /// Whether its energy may be read by us.
    pub readable: bool,
}

/// CPUs that change their frequency together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FrequencyPolicy {
    /// Its name, such as `policy4`.
    pub name: String,
    /// Its CPUs.
    pub cpus: String,
    /// Who decides on the frequency.
    pub governor: String,
    /// The frequency now, kHz.
    pub now_khz: Option<u64>,
    /// The highest it may take, kHz.
    pub highest_khz: Option<u64>,
}

/// Parts of names of PMUs that sit at a memory controller or an interconnect.
const MEMORY_PMUS: &[&str] =
    &["cci", "ccn", "cmn", "imc", "ddr", "dmc", "umc", "ppmu", "amd_df", "hha", "mbwu"];

/// PMUs whose name says memory and which count for the whole system (they have a `cpumask`; a
/// core's has `cpus`).
pub(super) fn traffic_pmus(sysfs: &Path, counters: &[TrafficCounter]) -> Vec<TrafficPmu> {
    let pmu = |directory: PathBuf| {
        let name = name_of(&directory);
        let cpumask = text(&directory.join("cpumask"))?;
        let is_event = |event: &String| !event.contains('.');
        let events = sorted(&directory.join("events")).into_iter().map(|event| name_of(&event));
        let events = events.filter(is_event).collect();
        let is_memory = MEMORY_PMUS.iter().any(|part| name.to_ascii_lowercase().contains(part));
        let by_it = |counter: &&TrafficCounter| counter.pmus().contains(&name);
        let recorded_as = counters.iter().find(by_it).map(|counter| counter.name().to_string());
        is_memory.then_some(TrafficPmu { name, cpumask, events, recorded_as })
    };
    sorted(&sysfs.join("bus/event_source/devices")).into_iter().filter_map(pmu).collect()
}

/// RAPL's domains.
pub(super) fn power_domains(sysfs: &Path) -> Vec<PowerDomain> {
    let domain = |directory: PathBuf| {
        let energy = directory.join("energy_uj");
        energy.exists().then(|| PowerDomain {
            name: text(&directory.join("name")).unwrap_or_default(),
            directory: name_of(&directory),
            readable: fs::read(energy).is_ok(),
        })
    };
    sorted(&sysfs.join("class/powercap")).into_iter().filter_map(domain).collect()
}

/// cpufreq's policies.
pub(super) fn frequency_policies(sysfs: &Path) -> Vec<FrequencyPolicy> {
    let policy = |directory: PathBuf| {
        let number = |file| text(&directory.join(file)).and_then(|text| text.parse().ok());
        Some(FrequencyPolicy {
            name: name_of(&directory),
            cpus: text(&directory.join("related_cpus"))?,
            governor: text(&directory.join("scaling_governor")).unwrap_or_default(),
            now_khz: number("scaling_cur_freq"),
            highest_khz: number("scaling_max_freq"),
        })
    };
    sorted(&sysfs.join("devices/system/cpu/cpufreq")).into_iter().filter_map(policy).collect()
}

fn sorted(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}
