//! Hardware counters of each CPU component: cycles, instructions, and what its L2 exchanges with
//! the memory, counted for all processes by the CPUs' own PMUs.
//!
//! | event | ARM code | x86 |
//! |---|---|---|
//! | `cycles` | 0x11 (ARMv8), 0xff (Linux on ARMv7) | generic |
//! | `instructions` | 0x08 INST_RETIRED | generic |
//! | `l2d_cache_refill` | 0x17 L2D_CACHE_REFILL | – |
//! | `l2d_cache_wb` | 0x18 L2D_CACHE_WB | – |
//! | `bus_access` | 0x19 BUS_ACCESS | – |
//! | `cache_misses` | – | generic: misses of the last-level cache |
//!
//! Codes come from the PMU's `events` in sysfs; kernels that list none are asked by the codes above.
//! [Arm ARM DDI 0487 D13.11; Cortex-A15 TRM DDI 0438, 11.8; Cortex-A7 TRM DDI 0464, 11.8]
//!
//! `bytes_estimated` is (refills + write-backs) × the cache line: DRAM traffic of a CPU cluster
//! on boards with no DRAM counter. An estimate, for it leaves out GPU, DMA, stores that bypass the
//! L2 and translation walks, and counts lines that another cache delivered.
//!
//! Counters are opened with a component's inventory, while there are capabilities, count from the
//! recorder's start, and are summed over the component's CPUs. They are cumulative and never go
//! back. See [`crate::perf_event::scaling`] for CPUs with fewer counters than events.

mod at_marks;
mod discovery;
mod event;
mod pmu;
#[cfg(test)]
mod readings_tests;
#[cfg(test)]
mod tests;

use std::os::fd::BorrowedFd;

use wattline_trace::{HardwareCounterRecord, Name, Provenance};

use crate::perf_event::{ActiveGroups, Group, GroupFault};
use event::Event;

pub(crate) use at_marks::at_marks;
pub use at_marks::{MarkCounters, MarkEvents};
pub(crate) use discovery::discover;

/// The most readings a second: each interrupts every CPU that is counted, and wakes those that
/// sleep. [kernel/events/core.c, perf_event_read]
pub(crate) const FASTEST_HZ: f64 = 100.0;

/// The name of the estimate in `counters.csv`.
const BYTES_ESTIMATED: &str = "bytes_estimated";

/// The counters of one component, opened.
#[derive(Debug)]
pub(crate) struct ComponentCounters {
    pub(crate) component: Name,
    /// The PMUs that count, one for each kind of core.
    pub(crate) pmus: Vec<String>,
    pub(crate) cpus: Vec<u32>,
    /// Events that every CPU counts, and where their codes come from.
    events: Vec<(Event, &'static str)>,
    groups: Vec<Group>,
    line_bytes: u64,
}

/// Counters of one component that count.
#[derive(Debug)]
pub(crate) struct ActiveCounters {
    groups: ActiveGroups,
    events: usize,
    /// Where refills and write-backs stand among the events, and the cache line.
    traffic: Option<(usize, usize, u64)>,
    /// The sum of each event, and whether it is scaled; none where it is not known now.
    sums: Vec<Option<(u64, bool)>>,
}

impl ComponentCounters {
    /// Names of what is written to `counters.csv`, in the order in which it is read.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let estimate = self.traffic().map(|_| BYTES_ESTIMATED);
        self.events.iter().map(|(event, _)| event.name()).chain(estimate).collect()
    }

    /// The events, and the counters of each CPU.
    fn counters(&self) -> impl Iterator<Item = (Event, u32, BorrowedFd<'_>)> {
        let of_event = |(index, (event, _)): (usize, &(Event, &'static str))| {
            let event = *event;
            let groups = self.groups.iter();
            groups.filter_map(move |it| Some((event, it.cpu, it.counter(index)?)))
        };
        self.events.iter().enumerate().flat_map(of_event)
    }

    /// Groups into which the events of one CPU had to be split.
    pub(crate) fn groups_per_cpu(&self) -> usize {
        self.groups.len().checked_div(self.cpus.len()).unwrap_or(0)
    }

    /// The CPU of each group.
    pub(crate) fn group_cpus(&self) -> Vec<u32> {
        self.groups.iter().map(|group| group.cpu).collect()
    }

    /// What a manifest says of them.
    pub(crate) fn records(&self, rate_hz: f64) -> Vec<HardwareCounterRecord> {
        let record = |event: &str, origin: String, provenance| HardwareCounterRecord {
            component: self.component.to_string(),
            event: event.to_owned(),
            pmus: self.pmus.clone(),
            cpus: self.cpus.clone(),
            origin,
            interval_ns: (1e9 / rate_hz).round() as u64,
            provenance,
        };
        let measured = self.events.iter().map(|(event, source)| {
            record(event.name(), format!("code: {source}"), Provenance::Measured)
        });
        let estimate = self.traffic().map(|(_, _, line)| {
            let origin = format!(
                "(l2d_cache_refill + l2d_cache_wb) x {line} B; leaves out GPU, DMA and stores that \
                 bypass the L2"
            );
            record(BYTES_ESTIMATED, origin, Provenance::Estimated)
        });
        measured.chain(estimate).collect()
    }

    /// Lets the counters count, from zero.
    ///
    /// # Errors
    /// The CPU whose counters would not, and the system's answer.
    pub(crate) fn start(self, now_ns: u64) -> Result<ActiveCounters, (u32, std::io::Error)> {
        let traffic = self.traffic();
        let events = self.events.len();
        Ok(ActiveCounters {
            groups: ActiveGroups::start(self.groups, now_ns)?,
            events,
            traffic,
            sums: vec![None; events],
        })
    }

    fn traffic(&self) -> Option<(usize, usize, u64)> {
        let at = |wanted| self.events.iter().position(|(event, _)| *event == wanted);
        Some((at(Event::L2Refill)?, at(Event::L2WriteBack)?, self.line_bytes))
    }
}

impl ActiveCounters {
    /// How many numbers a reading gives at most, and of how many groups faults may be told.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.events + usize::from(self.traffic.is_some()), self.groups.len())
    }

    /// Reads every group once. Hands on what has come to be wrong with a group, by its index.
    pub(crate) fn observe(
        &mut self,
        now_ns: u64,
        last: bool,
        fault: impl FnMut(usize, GroupFault),
    ) {
        self.sums.fill(None);
        if !self.groups.observe(now_ns, last, fault) {
            return;
        }
        self.sums.fill(Some((0, false)));
        for group in self.groups.iter() {
            for (event, sum) in self.sums.iter_mut().enumerate() {
                let Some(position) = group.position(event) else { continue };
                let add = |(total, scaled): (u64, bool)| {
                    let counted = group.totals.count(position);
                    (total.saturating_add(counted), scaled | group.totals.is_scaled())
                };
                *sum = sum.filter(|_| !group.is_starved).map(add);
            }
        }
    }

    /// What the last reading gave, since the start: (index among the names, count, whether part of
    /// it is scaled). Nothing of an event while some CPU's counters say nothing new of it.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (usize, u64, bool)> {
        let count = |(event, sum): (usize, &Option<(u64, bool)>)| {
            sum.map(|(total, scaled)| (event, total, scaled))
        };
        let measured = self.sums.iter().enumerate().filter_map(count);
        measured.chain(self.bytes_estimated().map(|(bytes, scaled)| (self.events, bytes, scaled)))
    }

    fn bytes_estimated(&self) -> Option<(u64, bool)> {
        let (refills, write_backs, line_bytes) = self.traffic?;
        let ((refills, a), (write_backs, b)) = (self.sums[refills]?, self.sums[write_backs]?);
        Some((refills.saturating_add(write_backs).saturating_mul(line_bytes), a | b))
    }
}
