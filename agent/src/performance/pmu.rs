//! The PMUs of CPUs, as `/sys/bus/event_source/devices` has them.
//! [Documentation/ABI/testing/sysfs-bus-event_source-devices-*]

use std::fs;
use std::path::{Path, PathBuf};

use wattline_board::Roots;
use wattline_board::detect::{online_cpus, parse_cpu_list};

use super::event::Family;
use super::system_call::Code;

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

/// Where PMUs are.
pub(super) fn directory(roots: &Roots) -> PathBuf {
    roots.sysfs.join("bus/event_source/devices")
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

    /// The code of an event that the PMU names, such as `event=0x2e,umask=0x41`; none if it does
    /// not name it or not in a way that we know.
    pub(super) fn named_code(&self, event: &str) -> Option<Code> {
        let terms = text(&self.directory.join("events").join(event))?;
        let mut code = Code { kind: self.kind, config: 0, config1: 0 };
        for term in terms.split(',') {
            let (field, value) = term.split_once('=').unwrap_or((term, "1"));
            let value = number(value)?;
            let format = match (text(&self.directory.join("format").join(field)), field) {
                (Some(format), _) => format,
                // Kernels before 4.2 have no format for ARM's.
                (None, "event") => "config:0-15".to_owned(),
                (None, _) => return None,
            };
            place(&mut code, &format, value)?;
        }
        Some(code)
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

/// Puts a value where a format says: `config:0-7,32-35`, lowest bits first.
fn place(code: &mut Code, format: &str, mut value: u64) -> Option<()> {
    let (word, ranges) = format.split_once(':')?;
    let word = match word {
        "config" => &mut code.config,
        "config1" => &mut code.config1,
        _ => return None,
    };
    for range in ranges.split(',') {
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        let (low, high): (u32, u32) = (low.parse().ok()?, high.parse().ok()?);
        if low > high || high > 63 {
            return None;
        }
        let width = high - low + 1;
        let mask = u64::MAX >> (64 - width);
        *word |= (value & mask) << low;
        value = value.checked_shr(width).unwrap_or(0);
    }
    // A value too large for its field would count something else.
    (value == 0).then_some(())
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn text(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}
