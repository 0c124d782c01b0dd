//! PMUs that count for the whole system, as sysfs has them.
//! [Documentation/ABI/testing/sysfs-bus-event_source-devices-events]

use std::fs;
use std::path::PathBuf;

use wattline_board::Roots;
use wattline_board::detect::parse_cpu_list;

use super::unit;
use crate::perf_event::terms::{self, text};
use crate::perf_event::{self, Code};

/// A PMU of no CPU: its `cpumask` says on which CPU, or CPUs (one a socket), it is opened.
#[derive(Debug, Clone)]
pub(crate) struct Pmu {
    pub(super) name: String,
    pub(super) directory: PathBuf,
    /// `attr.type` of its events.
    kind: u32,
    pub(super) cpus: Vec<u32>,
    /// Which hardware it is of, where its driver says.
    pub(super) identifier: Option<String>,
}

/// What is counted, and the bytes of a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) code: Code,
    pub(super) bytes: u64,
}

/// Every PMU with a `cpumask`, by name.
pub(crate) fn find_all(roots: &Roots) -> Vec<Pmu> {
    let entries = fs::read_dir(perf_event::directory(roots)).into_iter().flatten().flatten();
    let mut pmus: Vec<Pmu> = entries.filter_map(|entry| Pmu::read(entry.path())).collect();
    pmus.sort_by(|a, b| (a.name.len(), &a.name).cmp(&(b.name.len(), &b.name)));
    pmus
}

impl Pmu {
    fn read(directory: PathBuf) -> Option<Self> {
        Some(Pmu {
            name: directory.file_name()?.to_str()?.to_owned(),
            kind: text(&directory.join("type"))?.parse().ok()?,
            cpus: parse_cpu_list(&text(&directory.join("cpumask"))?)?,
            identifier: text(&directory.join("identifier")),
            directory,
        })
    }

    /// An event that the PMU names and gives a unit of bytes.
    pub(super) fn of_bytes(&self, name: &str) -> Option<Event> {
        let file = |suffix: &str| text(&self.directory.join(format!("events/{name}.{suffix}")));
        let bytes = unit::bytes_per_count(&file("unit")?, file("scale").as_deref())?;
        Some(Event { code: self.code(name, &[])?, bytes })
    }

    /// An event that the PMU names, of which somebody else says what a count is. `given` are values
    /// of terms that it leaves open.
    pub(super) fn named(&self, name: &str, given: &[(&str, u64)], bytes: u64) -> Option<Event> {
        Some(Event { code: self.code(name, given)?, bytes })
    }

    /// An event that the PMU does not name, by its terms.
    pub(super) fn unnamed(&self, terms: &str, bytes: u64) -> Option<Event> {
        Some(Event { code: terms::code(&self.directory, self.kind, terms, &[])?, bytes })
    }

    /// Names of its events, in order.
    pub(super) fn events(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.join("events")).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| !name.contains('.')).collect();
        names.sort();
        names
    }

    fn code(&self, name: &str, given: &[(&str, u64)]) -> Option<Code> {
        terms::named_code(&self.directory, self.kind, name, given)
    }
}
