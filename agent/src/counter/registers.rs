//! Register blocks of counters: programmed, read as bytes, and left as found.
//!
//! A block is never reset and its counts are never written: we take differences, so another
//! user's counts stay intact. Between two readings no 32-bit counter may wrap twice. At 64 B a
//! request (CCI-400) that is 275 GB, at 16 B a beat (CCI-550, PPMU) 68.7 GB: 2.3 s at the
//! 29.86 GB/s of a HiKey 970 on one port. Hence [`super::SLOWEST_HZ`].

mod cci;
mod ppmu;
mod programming;
mod wrap;

use std::io;

use wattline_board::RegisterSource;
use wattline_board::description::{Counter, CounterKind};
use wattline_board::registers::{RegisterWindow, cci400, cci550, ppmu as ppmu_map};
use wattline_trace::{Name, Provenance};

use super::{Moved, PortReading};
use programming::Programming;
use wrap::Unwrapped;

/// A counter block, mapped and not yet changed.
#[derive(Debug)]
pub(crate) struct CounterBlock {
    pub(crate) name: Name,
    pub(crate) kind: CounterKind,
    pub(crate) covers: String,
    pub(crate) ports: Vec<Name>,
    /// Where the first of its blocks is mapped from, in words.
    pub(crate) path: String,
    numbers: Vec<u32>,
    windows: Vec<RegisterWindow>,
}

/// What one counter register of a port says, and which.
#[derive(Debug, Clone, Copy)]
struct CountRegister {
    /// Index of the window it lies in.
    window: usize,
    offset: usize,
}

/// A counter block that counts. Dropping it leaves the registers as they were found.
#[derive(Debug)]
pub(crate) struct ActiveBlock {
    windows: Vec<RegisterWindow>,
    programmings: Vec<Programming>,
    ports: Vec<ActivePort>,
    bytes_per_count: u64,
}

#[derive(Debug)]
struct ActivePort {
    read: (CountRegister, Unwrapped),
    write: (CountRegister, Unwrapped),
}

/// A block does not take what is written to it.
#[derive(Debug, thiserror::Error)]
#[error(
    "counter {block}: register {offset:#x} holds {found:#x} after {written:#x} was written: the \
     block is not open to us; on a board its firmware must set the secure access bit (CCI) or \
     nothing else may use the block (PPMU)"
)]
pub(crate) struct ProgramError {
    block: Name,
    offset: usize,
    written: u32,
    found: u32,
}

impl CounterBlock {
    /// Maps a block's registers.
    pub(crate) fn open(counter: &Counter, registers: &RegisterSource) -> io::Result<Self> {
        let size = match counter.kind {
            CounterKind::Cci400 => cci400::SIZE,
            CounterKind::Cci550 => cci550::SIZE,
            CounterKind::ExynosPpmu => ppmu_map::SIZE,
        };
        let map = |&base: &u64| {
            let (path, offset) = registers.locate(base);
            RegisterWindow::open(&path, offset, size).map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("mapping {} at {offset:#x}: {error}", path.display()),
                )
            })
        };
        let windows = counter.bases.iter().map(map).collect::<io::Result<Vec<_>>>()?;
        let path = match registers {
            RegisterSource::DevMem => {
                let bases: Vec<_> = counter.bases.iter().map(|base| format!("{base:#x}")).collect();
                format!("/dev/mem at {}", bases.join(", "))
            }
            RegisterSource::Directory(directory) => directory.display().to_string(),
            RegisterSource::GuestMemory { file, .. } => file.display().to_string(),
        };
        Ok(CounterBlock {
            path,
            name: Name::new(counter.name()),
            kind: counter.kind,
            covers: counter.covers.clone(),
            ports: counter.ports.iter().map(|port| Name::new(&port.name)).collect(),
            numbers: counter.ports.iter().map(|port| port.number).collect(),
            windows,
        })
    }

    /// The register map, in words.
    pub(crate) fn kind_in_words(&self) -> &'static str {
        match self.kind {
            CounterKind::Cci400 => "CCI-400",
            CounterKind::Cci550 => "CCI-550",
            CounterKind::ExynosPpmu => "Exynos PPMU",
        }
    }

    /// A CCI-400's revision as device trees spell it. [drivers/perf/arm-cci.c,
    /// `probe_cci400_revision`]
    pub(crate) fn revision(&self) -> Option<&'static str> {
        const FIRST_OF_R1: u32 = 5;
        match (self.kind, self.windows.first()) {
            (CounterKind::Cci400, Some(window)) => {
                let revision = window.read(cci400::PERIPHERAL_ID2) >> 4 & 0xf;
                Some(if revision < FIRST_OF_R1 { "r0" } else { "r1" })
            }
            _ => None,
        }
    }

    /// Bytes one count stands for.
    pub(crate) fn bytes_per_count(&self) -> u64 {
        match self.kind {
            CounterKind::Cci400 => cci400::BYTES_PER_REQUEST,
            CounterKind::Cci550 => cci550::BYTES_PER_BEAT,
            CounterKind::ExynosPpmu => ppmu_map::BYTES_PER_COUNT,
        }
    }

    /// Beats are counted; that a request moves a whole cache line is an assumption.
    pub(crate) fn provenance(&self) -> Provenance {
        match self.kind {
            CounterKind::Cci400 => Provenance::Estimated,
            CounterKind::Cci550 | CounterKind::ExynosPpmu => Provenance::Measured,
        }
    }

    /// Whether the secure world opened the block to us; `None` where no register says so.
    pub(crate) fn secure_access(&self) -> Option<bool> {
        match (self.kind, self.windows.first()) {
            (CounterKind::Cci400, Some(window)) => {
                Some(window.read(cci400::SECURE_ACCESS) & 1 == 1)
            }
            _ => None,
        }
    }

    /// Selects the events, lets them count, and takes the counts of now as zero.
    pub(crate) fn start(self) -> Result<ActiveBlock, ProgramError> {
        let bytes_per_count = self.bytes_per_count();
        let refused = |wrong: programming::NotTaken| ProgramError {
            block: self.name.clone(),
            offset: wrong.offset,
            written: wrong.written,
            found: wrong.found,
        };
        // Blocks programmed so far are restored if a later one fails.
        let mut block = ActiveBlock {
            windows: self.windows,
            programmings: Vec::new(),
            ports: Vec::new(),
            bytes_per_count,
        };
        let pairs = match self.kind {
            CounterKind::Cci400 => {
                cci::start(&cci::CCI400, &self.numbers, &mut block).map_err(refused)?
            }
            CounterKind::Cci550 => {
                cci::start(&cci::CCI550, &self.numbers, &mut block).map_err(refused)?
            }
            CounterKind::ExynosPpmu => ppmu::start(&self.numbers, &mut block).map_err(refused)?,
        };
        block.take_as_zero(pairs);
        Ok(block)
    }
}

impl ActiveBlock {
    /// Reads every port in turn and hands on what it says. Nothing is allocated.
    pub(crate) fn read(&mut self, mut each: impl FnMut(PortReading)) {
        for (port, active) in self.ports.iter_mut().enumerate() {
            let count =
                |register: &CountRegister| self.windows[register.window].read(register.offset);
            let reads = active.read.1.advance(count(&active.read.0));
            let writes = active.write.1.advance(count(&active.write.0));
            let moved = Moved::Apart {
                read_bytes: reads.saturating_mul(self.bytes_per_count),
                write_bytes: writes.saturating_mul(self.bytes_per_count),
            };
            each(PortReading { port, moved, scaled: false });
        }
    }

    /// How many ports there are.
    pub(crate) fn ports(&self) -> usize {
        self.ports.len()
    }

    fn take_as_zero(&mut self, pairs: Vec<(CountRegister, CountRegister)>) {
        let windows = &self.windows;
        let zero = |register: CountRegister| {
            (register, Unwrapped::new(windows[register.window].read(register.offset)))
        };
        self.ports = pairs
            .into_iter()
            .map(|(read, write)| ActivePort { read: zero(read), write: zero(write) })
            .collect();
    }
}

impl Drop for ActiveBlock {
    fn drop(&mut self) {
        while let Some(programming) = self.programmings.pop() {
            programming.undo(&self.windows);
        }
    }
}
