//! The counter blocks, played in files: a reader programs them and reads them by mapping the
//! file, as it would `/dev/mem` on the board; or in a virtual machine's memory, where the reader is
//! the guest's kernel.
//!
//! The player has no interrupt and sees no write as it happens; at each step it looks at what is
//! enabled and selected and adds what was counted since the last step. Counts start just below
//! 2^32, so that every run of any length wraps.
//!
//! Registers are plain memory otherwise. Overflow flags are set and never cleared: over a flag
//! that is set, the 1 that clears it on the chip changes nothing. The reset bits of the control
//! registers do nothing either; whoever wants a count of zero writes zero.

use std::io;

use wattline_trace::{create_dir_all_for_invoker, create_file_for_invoker};

use super::fluid::Fluid;
use crate::description::{Counter, CounterKind, Description};
use crate::registers::{
    self, RegisterWindow, cci_counter, cci_identity, cci400, cci550, pmcr, ppmu,
};
use crate::roots::RegisterSource;

/// Where counts start: a wrap comes after 65 536 counts.
const FIRST_COUNT: u32 = 0xffff_0000;

/// One counter block's player.
#[derive(Debug)]
pub(super) struct CounterPlayer {
    kind: CounterKind,
    windows: Vec<RegisterWindow>,
    ports: Vec<PlayedPort>,
}

/// What passes through one port: cumulative bytes, of which only whole counts have been shown.
#[derive(Debug)]
struct PlayedPort {
    number: u32,
    passing: Passing,
    read: Whole,
    write: Whole,
}

/// Whose traffic passes through a port.
#[derive(Debug, Clone, Copy)]
enum Passing {
    /// One component's.
    Of(usize),
    /// An equal share of all DRAM traffic: a port on the memory's side.
    Share,
    /// Nobody's: an interface of which it is not known who sits on it.
    Nothing,
}

/// Bytes seen so far, and the whole counts among them.
#[derive(Debug, Default)]
struct Whole {
    counts: u64,
}

impl Whole {
    /// Counts that have been completed since the last call.
    fn new_counts(&mut self, bytes: f64, bytes_per_count: f64) -> u32 {
        let counts = (bytes / bytes_per_count) as u64;
        let fresh = counts.wrapping_sub(self.counts);
        self.counts = counts;
        fresh as u32
    }
}

impl CounterPlayer {
    /// Creates the block's register files and gives the registers their values at reset.
    ///
    /// # Errors
    /// Whatever the file system answers.
    pub(super) fn create(
        counter: &Counter,
        board: &Description,
        registers: &RegisterSource,
    ) -> io::Result<Self> {
        let size = match counter.kind {
            CounterKind::Cci400 => cci400::SIZE,
            CounterKind::Cci550 => cci550::SIZE,
            CounterKind::ExynosPpmu => ppmu::SIZE,
        };
        let window = |base: &u64| {
            let (path, offset) = registers.locate(*base);
            if let RegisterSource::Directory(directory) = registers {
                create_dir_all_for_invoker(directory)?;
                create_file_for_invoker(&path)?.set_len(size as u64)?;
            }
            RegisterWindow::open(&path, offset, size)
        };
        let windows = counter.bases.iter().map(window).collect::<io::Result<Vec<_>>>()?;
        windows.iter().for_each(|window| reset(counter.kind, window));
        let elsewhere = match counter.kind {
            CounterKind::Cci400 => Passing::Nothing,
            CounterKind::Cci550 | CounterKind::ExynosPpmu => Passing::Share,
        };
        let ports = counter
            .ports
            .iter()
            .map(|port| PlayedPort {
                number: port.number,
                passing: port
                    .component
                    .as_ref()
                    .and_then(|name| {
                        board.components.iter().position(|it| it.name() == name.get_ref())
                    })
                    .map_or(elsewhere, Passing::Of),
                read: Whole::default(),
                write: Whole::default(),
            })
            .collect();
        Ok(CounterPlayer { kind: counter.kind, windows, ports })
    }

    /// Counts what moved since the last step.
    pub(super) fn play(&mut self, fluid: &Fluid) {
        let ports = self.ports.len() as f64;
        let bytes_per_count = match self.kind {
            CounterKind::Cci400 => cci400::BYTES_PER_REQUEST,
            CounterKind::Cci550 => cci550::BYTES_PER_BEAT,
            CounterKind::ExynosPpmu => ppmu::BYTES_PER_COUNT,
        } as f64;
        for (index, port) in self.ports.iter_mut().enumerate() {
            let (read, written) = match port.passing {
                Passing::Of(component) => fluid.component_bytes(component),
                Passing::Share => {
                    let (read, written) = fluid.dram_bytes();
                    (read / ports, written / ports)
                }
                Passing::Nothing => (0.0, 0.0),
            };
            let read = port.read.new_counts(read, bytes_per_count);
            let written = port.write.new_counts(written, bytes_per_count);
            match self.kind {
                CounterKind::Cci400 => {
                    let event = |code| cci400::slave_event(port.number, code);
                    let events = [
                        (event(cci400::READ_REQUEST), read),
                        (event(cci400::WRITE_REQUEST), written),
                    ];
                    count_cci(&self.windows[0], cci400::COUNTERS, cci400::counter, events);
                }
                CounterKind::Cci550 => {
                    let event = |code| cci550::master_event(port.number, code);
                    let events =
                        [(event(cci550::READ_BEAT), read), (event(cci550::WRITE_BEAT), written)];
                    count_cci(&self.windows[0], cci550::COUNTERS, cci550::counter, events);
                }
                CounterKind::ExynosPpmu => {
                    let events = [(ppmu::READ_DATA, read), (ppmu::WRITE_DATA, written)];
                    count_ppmu(&self.windows[index], events);
                }
            }
        }
    }
}

fn reset(kind: CounterKind, window: &RegisterWindow) {
    match kind {
        CounterKind::Cci400 => {
            // Revision r1: [7:4] of peripheral id 2 is at least 5.
            identify(window, cci_identity::CCI400, 6);
            reset_cci(window, cci400::COUNTERS, cci400::counter);
        }
        CounterKind::Cci550 => {
            identify(window, cci_identity::CCI550, 1);
            reset_cci(window, cci550::COUNTERS, cci550::counter);
        }
        CounterKind::ExynosPpmu => {
            (0..3).for_each(|index| window.write(ppmu::count(index), FIRST_COUNT));
        }
    }
}

/// Says which CCI this is, and that its registers are open to all.
fn identify(window: &RegisterWindow, part: [u32; 2], revision: u32) {
    window.write(cci400::SECURE_ACCESS, 1);
    window.write(cci_identity::PERIPHERAL_ID0, part[0]);
    window.write(cci_identity::PERIPHERAL_ID1, part[1]);
    window.write(cci_identity::PERIPHERAL_ID2, revision << 4 | cci_identity::ARM);
}

fn reset_cci(window: &RegisterWindow, counters: usize, block: fn(usize) -> usize) {
    window.write(cci400::PMCR, (counters as u32) << pmcr::COUNTERS_SHIFT);
    (0..counters).for_each(|index| window.write(block(index) + cci_counter::COUNT, FIRST_COUNT));
}

/// Adds to every enabled counter that has one of `events` selected.
fn count_cci(
    window: &RegisterWindow,
    counters: usize,
    block: fn(usize) -> usize,
    events: [(u32, u32); 2],
) {
    if window.read(registers::cci400::PMCR) & pmcr::ENABLE == 0 {
        return;
    }
    for block in (0..counters).map(block) {
        if window.read(block + cci_counter::CONTROL) & 1 == 0 {
            continue;
        }
        let selected = window.read(block + cci_counter::EVENT_SELECT);
        for (_, counts) in events.iter().filter(|(event, _)| *event == selected) {
            if window.add(block + cci_counter::COUNT, *counts) {
                window.write(block + cci_counter::OVERFLOW, 1);
            }
        }
    }
}

/// As [`count_cci`]. The set and clear registers are plain memory here: bits written to the clear
/// register are taken out of the set register, which then shows what is enabled, as on the chip.
fn count_ppmu(window: &RegisterWindow, events: [(u32, u32); 2]) {
    let disable = window.read(ppmu::COUNTER_DISABLE);
    if disable != 0 {
        window.write(ppmu::COUNTER_ENABLE, window.read(ppmu::COUNTER_ENABLE) & !disable);
        window.write(ppmu::COUNTER_DISABLE, 0);
    }
    if window.read(ppmu::PMNC) & 1 == 0 {
        return;
    }
    let enabled = window.read(ppmu::COUNTER_ENABLE);
    for index in (0..3).filter(|index| enabled >> index & 1 == 1) {
        let selected = window.read(ppmu::event_select(index));
        for (_, counts) in events.iter().filter(|(event, _)| *event == selected) {
            if window.add(ppmu::count(index), *counts) {
                window.write(ppmu::FLAG, window.read(ppmu::FLAG) | 1 << index);
            }
        }
    }
}
