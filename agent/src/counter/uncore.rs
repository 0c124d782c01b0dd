//! Counters of memory traffic that the kernel shows as PMUs: memory controllers, interconnects,
//! and those that our own kernel module shows.
//!
//! All events of a PMU are opened in one group on each CPU of its `cpumask`; what its counters do
//! not hold at once takes turns and is scaled, and said to be. The kernel undoes wrap.
//!
//! A counter is whole or it is missing: bytes without those of a port that was refused would be
//! too few.

mod catalogue;
mod choice;
mod pmu;
#[cfg(test)]
mod reading_tests;
#[cfg(test)]
mod tests;
mod unit;

use std::io;

use wattline_board::Roots;
use wattline_trace::{Name, Provenance};

use super::{Moved, PortReading, TrafficFault};
use crate::inventory::Missing;
use crate::perf_event::group::{ActiveGroups, Open};
use crate::perf_event::{ActiveGroup, Code, Group};
use catalogue::{Counted, PortEvents};
use pmu::{Event, Pmu};

pub(crate) use choice::{adopted, described};
pub(crate) use pmu::find_all;

/// PMUs that together are one source of `traffic.csv`.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    name: Name,
    covers: String,
    provenance: Provenance,
    pmus: Vec<(&'a Pmu, Vec<PortEvents>)>,
}

/// A source whose counters are opened and do not count yet.
#[derive(Debug)]
pub(crate) struct UncoreCounter {
    pub(crate) name: Name,
    pub(crate) covers: String,
    pub(crate) ports: Vec<Name>,
    /// The PMUs, as the kernel names them.
    pub(crate) pmus: Vec<String>,
    /// Where they are, in words.
    pub(crate) path: String,
    pub(crate) bytes_per_count: u64,
    provenance: Provenance,
    sums: Vec<PortSum>,
    groups: Vec<Group>,
    /// The PMU of each group.
    labels: Vec<Name>,
    /// Whether a PMU's events did not fit into one group.
    takes_turns: bool,
}

/// A source that counts.
#[derive(Debug)]
pub(crate) struct ActiveUncore {
    sums: Vec<PortSum>,
    groups: ActiveGroups,
    is_scaled: bool,
}

/// Of what a port's bytes are the sum.
#[derive(Debug, Clone)]
enum PortSum {
    Apart { reads: Vec<Term>, writes: Vec<Term> },
    Together(Vec<Term>),
}

/// One event's part of a sum.
#[derive(Debug, Clone, Copy)]
struct Term {
    group: usize,
    /// Where it stands in its group.
    position: usize,
    bytes_per_count: u64,
}

impl Source<'_> {
    /// Its name in `traffic.csv`.
    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    /// Opens all of its counters.
    ///
    /// # Errors
    /// What was refused, and what to do about it.
    pub(crate) fn open(
        self,
        roots: &Roots,
        open: &mut Open<'_>,
    ) -> Result<UncoreCounter, Box<Missing>> {
        let mut counter = UncoreCounter {
            name: self.name,
            covers: self.covers,
            ports: Vec::new(),
            pmus: Vec::new(),
            path: self.pmus.first().map_or_else(String::new, |(pmu, _)| pmu.at(self.pmus.len())),
            bytes_per_count: self.pmus.first().map_or(1, |(_, ports)| bytes_per_count(ports)),
            provenance: self.provenance,
            sums: Vec::new(),
            groups: Vec::new(),
            labels: Vec::new(),
            takes_turns: false,
        };
        let instances = self.pmus.iter().map(|(pmu, _)| pmu.cpus.len()).sum::<usize>();
        for (pmu, ports) in &self.pmus {
            counter.pmus.push(pmu.name.clone());
            for &cpu in &pmu.cpus {
                let of_instance = |port: &PortEvents| match instances {
                    1 => Name::new(&port.name),
                    _ => pmu.port(cpu, (ports.len() > 1).then_some(&port.name)),
                };
                counter.ports.extend(ports.iter().map(of_instance));
                counter.open_on(pmu, cpu, ports, open).map_err(|refused| Missing {
                    what: format!("counter {}", counter.name),
                    why: format!("{}: {}", pmu.name, refused.why(roots)),
                    advice: refused.uncore_advice().to_owned(),
                })?;
            }
        }
        Ok(counter)
    }
}

impl UncoreCounter {
    /// Where its numbers come from; scaled from the outset where its events take turns.
    pub(crate) fn provenance(&self) -> Provenance {
        if self.takes_turns { self.provenance.max(Provenance::Scaled) } else { self.provenance }
    }

    /// The PMU and the CPU of each group.
    pub(crate) fn groups(&self) -> Vec<(Name, u32)> {
        let cpus = self.groups.iter().map(|group| group.cpu);
        self.labels.iter().cloned().zip(cpus).collect()
    }

    /// Lets it count, from zero.
    ///
    /// # Errors
    /// The system's, of the first group that would not.
    pub(crate) fn start(self, now_ns: u64) -> io::Result<ActiveUncore> {
        let groups = ActiveGroups::start(self.groups, now_ns).map_err(|(_, error)| error)?;
        Ok(ActiveUncore { sums: self.sums, groups, is_scaled: false })
    }

    fn open_on(
        &mut self,
        pmu: &Pmu,
        cpu: u32,
        ports: &[PortEvents],
        open: &mut Open<'_>,
    ) -> Result<(), crate::perf_event::refusal::Refused> {
        let codes: Vec<Code> =
            ports.iter().flat_map(PortEvents::events).map(|it| it.code).collect();
        let groups = Group::open_all(cpu, &codes, open)?;
        self.takes_turns |= groups.len() > 1;
        let first = self.groups.len();
        let mut places = groups.iter().enumerate().flat_map(|(group, it)| {
            (0..it.events.len()).map(move |position| (first + group, position))
        });
        // Groups hold the events in the order in which they were to be opened.
        let mut terms = |events: &[Event]| {
            let term = |(event, (group, position)): (&Event, (usize, usize))| Term {
                group,
                position,
                bytes_per_count: event.bytes,
            };
            events.iter().zip(&mut places).map(term).collect::<Vec<Term>>()
        };
        for port in ports {
            self.sums.push(match &port.counted {
                Counted::Apart { reads, writes } => {
                    PortSum::Apart { reads: terms(reads), writes: terms(writes) }
                }
                Counted::Together(events) => PortSum::Together(terms(events)),
            });
        }
        drop(places);
        self.labels.extend(groups.iter().map(|_| Name::new(&pmu.name)));
        self.groups.extend(groups);
        Ok(())
    }
}

impl ActiveUncore {
    /// Reads everything once and hands on what each port moved since the start, as far as it is
    /// known now, and what has come to be wrong. Allocates nothing.
    pub(crate) fn read(
        &mut self,
        now_ns: u64,
        last: bool,
        mut each: impl FnMut(PortReading),
        mut fault: impl FnMut(TrafficFault),
    ) {
        let told = |group, wrong| fault(TrafficFault::Group(group, wrong));
        if !self.groups.observe(now_ns, last, told) {
            return;
        }
        for (port, sum) in self.sums.iter().enumerate() {
            let Some((moved, scaled)) = sum.now(&self.groups) else { continue };
            if scaled && !self.is_scaled {
                self.is_scaled = true;
                fault(TrafficFault::Scaled);
            }
            each(PortReading { port, moved, scaled });
        }
    }

    /// How many groups there are.
    pub(crate) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// How many ports there are.
    pub(crate) fn ports(&self) -> usize {
        self.sums.len()
    }

    /// Whether anything that was read is scaled.
    pub(crate) fn is_scaled(&self) -> bool {
        self.is_scaled
    }
}

impl PortSum {
    /// Bytes, and whether they are scaled; none of a port some of whose counters say nothing new.
    fn now(&self, groups: &ActiveGroups) -> Option<(Moved, bool)> {
        let sum = |terms: &[Term]| {
            terms.iter().try_fold((0u64, false), |(bytes, scaled), term| {
                let group = groups.get(term.group);
                let counted = known(group)?.totals.count(term.position);
                let bytes = bytes.saturating_add(counted.saturating_mul(term.bytes_per_count));
                Some((bytes, scaled | group.totals.is_scaled()))
            })
        };
        Some(match self {
            PortSum::Apart { reads, writes } => {
                let ((read_bytes, a), (write_bytes, b)) = (sum(reads)?, sum(writes)?);
                (Moved::Apart { read_bytes, write_bytes }, a | b)
            }
            PortSum::Together(terms) => {
                let (bytes, scaled) = sum(terms)?;
                (Moved::Together { bytes }, scaled)
            }
        })
    }
}

/// A group of which something new is known.
fn known(group: &ActiveGroup) -> Option<&ActiveGroup> {
    (!group.is_gone && !group.is_starved).then_some(group)
}

impl PortEvents {
    fn events(&self) -> impl Iterator<Item = &Event> {
        let (first, second) = match &self.counted {
            Counted::Apart { reads, writes } => (reads, &writes[..]),
            Counted::Together(events) => (events, &[][..]),
        };
        first.iter().chain(second)
    }
}

impl Pmu {
    /// As the kernel names it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where it is, and how many others there are.
    fn at(&self, pmus: usize) -> String {
        let path = self.directory.display();
        match pmus {
            0 | 1 => path.to_string(),
            _ => format!("{path} and {} more", pmus - 1),
        }
    }

    /// A name for one of its ports where a machine has several PMUs of a kind, or one a socket.
    fn port(&self, cpu: u32, port: Option<&String>) -> Name {
        let socket = if self.cpus.len() > 1 { format!("@cpu{cpu}") } else { String::new() };
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        Name::new(&format!("{}{socket}{port}", self.name))
    }
}

/// Of the first event; those of one PMU are alike.
fn bytes_per_count(ports: &[PortEvents]) -> u64 {
    ports.iter().flat_map(PortEvents::events).next().map_or(1, |event| event.bytes)
}
