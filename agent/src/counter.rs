//! Memory-traffic counters: the PMUs in which the kernel shows them, and register blocks, which we
//! program ourselves where it shows none.
//!
//! A PMU that counts what a board's description calls a counter takes its place, under its name:
//! its driver owns the registers. A board whose description names no DRAM counter takes the
//! kernel's PMU of its memory controller, if there is one.

mod kernel_support;
mod registers;
mod uncore;

use std::io;

use wattline_board::description::{Counter, Description};
use wattline_board::{RegisterSource, Roots};
use wattline_trace::{Name, Provenance};

use crate::inventory::Missing;
use crate::perf_event::GroupFault;
use crate::perf_event::system_call;
use registers::{ActiveBlock, CounterBlock};
use uncore::{ActiveUncore, UncoreCounter};

/// Counters are read at least this often, lest a 32-bit register wrap twice unseen.
pub(crate) const SLOWEST_HZ: f64 = 1.0;

/// A counter, opened and not yet changed.
#[derive(Debug)]
pub(crate) enum TrafficCounter {
    Registers(CounterBlock),
    Pmu(UncoreCounter),
}

/// A counter that counts.
#[derive(Debug)]
pub(crate) enum ActiveCounter {
    Registers(ActiveBlock),
    Pmu(ActiveUncore),
}

/// What passed a port since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moved {
    /// Reads and writes are told apart.
    Apart { read_bytes: u64, write_bytes: u64 },
    /// They are not.
    Together { bytes: u64 },
}

/// What one port says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PortReading {
    /// Its index in the counter.
    pub(crate) port: usize,
    pub(crate) moved: Moved,
    /// Whether part of it is scaled up for time its events were not counted.
    pub(crate) scaled: bool,
}

/// What has come to be wrong with a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrafficFault {
    /// The group of this index says no more.
    Group(usize, GroupFault),
    /// From here on its bytes are scaled.
    Scaled,
}

/// The counters of a board.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) opened: Vec<TrafficCounter>,
    /// The one that sees all DRAM traffic, as described or as found.
    pub(crate) dram: Option<String>,
    pub(crate) missing: Vec<Missing>,
    /// How the kernel could show described counters that it does not show.
    pub(crate) hints: Vec<Missing>,
}

/// Opens the counters that a description names, and where it names none of the DRAM, the kernel's.
pub(crate) fn discover(description: &Description, roots: &Roots) -> Counters {
    let pmus = uncore::find_all(roots);
    let mut counters = Counters {
        dram: description.memory.counter.as_ref().map(|name| name.get_ref().clone()),
        ..Counters::default()
    };
    for counter in &description.counters {
        match uncore::described(counter, &pmus) {
            Some(source) => counters.open_pmu(counter.name(), source, roots),
            None => counters.open_registers(counter, roots),
        }
    }
    if counters.dram.is_none() {
        let used =
            |name: &str| counters.opened.iter().any(|it| it.pmus().iter().any(|it| it == name));
        let free: Vec<_> = pmus.iter().filter(|pmu| !used(pmu.name())).collect();
        let (source, unusable) = uncore::adopted(&free);
        if let Some(source) = source {
            let name = source.name().to_string();
            counters.open_pmu(&name, Ok(source), roots);
            counters.dram = Some(name);
        }
        let unusable = unusable.into_iter().map(|why| Missing {
            what: "DRAM traffic".to_owned(),
            why,
            advice: "describe the board, with a counter, in a TOML file (--board FILE.toml)".into(),
        });
        counters.missing.extend(unusable);
    }
    counters
}

impl Counters {
    fn open_pmu(&mut self, name: &str, source: Result<uncore::Source<'_>, String>, roots: &Roots) {
        let opened = match source {
            Ok(source) => source.open(roots, &mut system_call::open).map_err(|missing| *missing),
            Err(why) => Err(Missing {
                what: format!("counter {name}"),
                why,
                advice: "update its driver, or unload it: then its registers are read".to_owned(),
            }),
        };
        match opened {
            Ok(counter) => self.opened.push(TrafficCounter::Pmu(counter)),
            Err(missing) => self.missing.push(missing),
        }
    }

    fn open_registers(&mut self, counter: &Counter, roots: &Roots) {
        let block = CounterBlock::open(counter, &roots.registers);
        if let RegisterSource::DevMem = roots.registers {
            let revision = block.as_ref().ok().and_then(CounterBlock::revision);
            self.hints.push(kernel_support::hint(counter, roots, revision));
        }
        match block {
            Ok(block) => self.opened.push(TrafficCounter::Registers(block)),
            Err(error) => {
                let advice = match &roots.registers {
                    RegisterSource::DevMem => format!(
                        "run as root on a kernel with /dev/mem (CONFIG_DEVMEM, booted with \
                         iomem=relaxed where CONFIG_STRICT_DEVMEM is set), or load kmod-shim ({})",
                        kernel_support::module_command(counter)
                    ),
                    RegisterSource::Directory(_) | RegisterSource::GuestMemory { .. } => {
                        "start the emulated board before looking for its counters".to_owned()
                    }
                };
                let what = format!("counter {}", counter.name());
                self.missing.push(Missing { what, why: error.to_string(), advice });
            }
        }
    }
}

impl TrafficCounter {
    /// Its name in `traffic.csv`.
    pub(crate) fn name(&self) -> &Name {
        match self {
            TrafficCounter::Registers(block) => &block.name,
            TrafficCounter::Pmu(counter) => &counter.name,
        }
    }

    /// Its ports, in the order in which they are read.
    pub(crate) fn ports(&self) -> &[Name] {
        match self {
            TrafficCounter::Registers(block) => &block.ports,
            TrafficCounter::Pmu(counter) => &counter.ports,
        }
    }

    /// What it sees.
    pub(crate) fn covers(&self) -> &str {
        match self {
            TrafficCounter::Registers(block) => &block.covers,
            TrafficCounter::Pmu(counter) => &counter.covers,
        }
    }

    /// Where it is read, in words.
    pub(crate) fn path(&self) -> &str {
        match self {
            TrafficCounter::Registers(block) => &block.path,
            TrafficCounter::Pmu(counter) => &counter.path,
        }
    }

    /// What counts, in words.
    pub(crate) fn kind(&self) -> String {
        match self {
            TrafficCounter::Registers(block) => block.kind_in_words().to_owned(),
            TrafficCounter::Pmu(counter) => match &counter.pmus[..] {
                [pmu] => format!("perf PMU {pmu}"),
                pmus => format!("{} perf PMUs", pmus.len()),
            },
        }
    }

    /// Bytes one count stands for.
    pub(crate) fn bytes_per_count(&self) -> u64 {
        match self {
            TrafficCounter::Registers(block) => block.bytes_per_count(),
            TrafficCounter::Pmu(counter) => counter.bytes_per_count,
        }
    }

    /// Where its numbers come from.
    pub(crate) fn provenance(&self) -> Provenance {
        match self {
            TrafficCounter::Registers(block) => block.provenance(),
            TrafficCounter::Pmu(counter) => counter.provenance(),
        }
    }

    /// Whether the secure world opened it to us; `None` where no register says so.
    pub(crate) fn secure_access(&self) -> Option<bool> {
        match self {
            TrafficCounter::Registers(block) => block.secure_access(),
            TrafficCounter::Pmu(_) => None,
        }
    }

    /// The PMUs it is read by.
    pub(crate) fn pmus(&self) -> &[String] {
        match self {
            TrafficCounter::Registers(_) => &[],
            TrafficCounter::Pmu(counter) => &counter.pmus,
        }
    }

    /// The PMU and the CPU of each of its groups.
    pub(crate) fn groups(&self) -> Vec<(Name, u32)> {
        match self {
            TrafficCounter::Registers(_) => Vec::new(),
            TrafficCounter::Pmu(counter) => counter.groups(),
        }
    }

    /// Lets it count, from zero.
    ///
    /// # Errors
    /// What the registers, or the kernel, did not take.
    pub(crate) fn start(self, now_ns: u64) -> Result<ActiveCounter, StartError> {
        Ok(match self {
            TrafficCounter::Registers(block) => ActiveCounter::Registers(block.start()?),
            TrafficCounter::Pmu(counter) => ActiveCounter::Pmu(counter.start(now_ns)?),
        })
    }
}

/// A counter does not count.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Registers(#[from] registers::ProgramError),
    #[error("its PMU does not start: {0}")]
    Pmu(#[from] io::Error),
}

impl ActiveCounter {
    /// Reads every port in turn and hands on what it says, and what has come to be wrong. A port
    /// of which nothing new is known is left out. Allocates nothing.
    pub(crate) fn read(
        &mut self,
        now_ns: u64,
        last: bool,
        each: impl FnMut(PortReading),
        fault: impl FnMut(TrafficFault),
    ) {
        match self {
            ActiveCounter::Registers(block) => block.read(each),
            ActiveCounter::Pmu(counter) => counter.read(now_ns, last, each, fault),
        }
    }

    /// How many ports it has, and how many groups of which faults may be told.
    pub(crate) fn size(&self) -> (usize, usize) {
        match self {
            ActiveCounter::Registers(block) => (block.ports(), 0),
            ActiveCounter::Pmu(counter) => (counter.ports(), counter.groups()),
        }
    }

    /// Whether anything it said is scaled.
    pub(crate) fn is_scaled(&self) -> bool {
        match self {
            ActiveCounter::Registers(_) => false,
            ActiveCounter::Pmu(counter) => counter.is_scaled(),
        }
    }
}
