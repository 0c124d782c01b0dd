//! The PMUs of CPUs, as `/sys/bus/event_source/devices` has them.
//! [Documentation/ABI/testing/sysfs-bus-event_source-devices-*]

use std::fs;
use std::path::PathBuf;

use wattline_board::Roots;
use wattline_board::detect::{online_cpus, parse_cpu_list};

use super::event::Family;
use crate::perf_event::terms::{self, text};
use crate::perf_event::{Code, directory};

/// The PMU of some CPUs.
#[derive(Debug, Clone)]
pub(super) struct Pmu {
    pub(super) name: String,
    pub(super) family: Family,
    /// `attr.type` of its events.
    pub(super) kind: u32,
    /// The CPUs it counts on; none where the kernel does not say.
    pub(super) cpus: Option<Vec<u32>>,
    /// Whether the machine has others, for other CPUs.
    pub(super) is_one_of_several: bool,
    directory: PathBuf,
}

/// Every PMU of CPUs, by name; `described` are names that a board's description gives them.
pub(super) fn find_all(roots: &Roots, described: &[String]) -> Vec<Pmu> {
    let entries = fs::read_dir(directory(roots)).into_iter().flatten().flatten();
    let mut pmus: Vec<Pmu> =
        entries.filter_map(|entry| Pmu::read(entry.path(), roots, described)).collect();
    pmus.sort_by(|a, b| a.name.cmp(&b.name));
    let several = pmus.len() > 1;
    pmus.iter_mut().for_each(|pmu| pmu.is_one_of_several = several);
    pmus
}

impl Pmu {
    fn read(directory: PathBuf, roots: &Roots, described: &[String]) -> Option<Self> {
        let name = directory.file_name()?.to_str()?.to_owned();
        let family = family(&name, described)?;
        let kind = text(&directory.join("type"))?.parse().ok()?;
        // Cores' PMUs have `cpus`; where x86 has one for all, it has neither.
        let listed = ["cpus", "cpumask"].iter().find_map(|file| text(&directory.join(file)));
        let cpus = match listed {
            Some(list) => Some(parse_cpu_list(&list)?),
            None if name == "cpu" => Some(online_cpus(roots)),
            None => None,
        };
        Some(Pmu { name, family, kind, cpus, is_one_of_several: false, directory })
    }

    /// Whether the kernel lists what events there are.
    pub(super) fn names_events(&self) -> bool {
        fs::read_dir(self.directory.join("events")).is_ok_and(|mut it| it.next().is_some())
    }

    /// The code of an event that the PMU names; none if it does not, or not in a way that we know.
    pub(super) fn named_code(&self, event: &str) -> Option<Code> {
        terms::named_code(&self.directory, self.kind, event, &[])
    }
}

/// What the name of a PMU says of its CPUs. PMUs of interconnects, tracers and caches that cores
/// share (`arm_dsu_0`) are not of CPUs.
fn family(name: &str, described: &[String]) -> Option<Family> {
    match name {
        "cpu" => Some(Family::X86),
        _ if name.starts_with("cpu_") => Some(Family::X86),
        _ if name.starts_with("armv7_") => Some(Family::Armv7),
        _ if name.starts_with("armv8_") || name.starts_with("armv9_") => Some(Family::Armv8),
        _ if described.iter().any(|it| it == name) => Some(Family::Armv8),
        _ => None,
    }
}
