//! Exynos PPMU v1: four blocks, one a DRAM channel, which see all DRAM traffic.
//! [drivers/devfreq/event/exynos-ppmu.c; Hardkernel drivers/devfreq/exynos_ppmu.c]
//!
//! The kernel's own devfreq driver may be a second user of these blocks. It works with counter 3
//! and resets all counters at each of its polls, which shows here as traffic that was not: record
//! with the memory's devfreq governor set to `performance` or `userspace`, which do not poll.

use wattline_board::registers::ppmu;

use super::programming::{NotTaken, Programming};
use super::{ActiveBlock, CountRegister};

/// Counters 0 and 1 of a block; 3 is the kernel's.
const READS: usize = 0;
const WRITES: usize = 1;
const BOTH: u32 = 1 << READS | 1 << WRITES;

/// PMNC's bit that lets the block count.
const ENABLE: u32 = 1;

/// Has block `n` count for the `n`th port: its description lists one block a port.
pub(super) fn start(
    numbers: &[u32],
    block: &mut ActiveBlock,
) -> Result<Vec<(CountRegister, CountRegister)>, NotTaken> {
    let mut pairs = Vec::new();
    for index in 0..numbers.len() {
        block.programmings.push(Programming::new(index));
        let Some(programming) = block.programmings.last_mut() else { continue };
        let window = &block.windows[index];
        let events = [(READS, ppmu::READ_DATA), (WRITES, ppmu::WRITE_DATA)];
        for (counter, event) in events {
            programming.set_and_check(window, ppmu::event_select(counter), event, 0xff)?;
        }
        // Ones written to COUNTER_ENABLE switch on, ones written to COUNTER_DISABLE switch off.
        let on = window.read(ppmu::COUNTER_ENABLE);
        programming.at_undo(ppmu::COUNTER_DISABLE, BOTH & !on);
        programming.set_and_check(window, ppmu::COUNTER_ENABLE, on | BOTH, BOTH)?;
        let enabled = window.read(ppmu::PMNC) | ENABLE;
        programming.set_and_check(window, ppmu::PMNC, enabled, ENABLE)?;
        let register = |counter| CountRegister { window: index, offset: ppmu::count(counter) };
        pairs.push((register(READS), register(WRITES)));
    }
    Ok(pairs)
}
