//! CCI-400 and CCI-550: one register layout, other offsets and event codes.
//! [drivers/perf/arm-cci.c; ARM DDI 0470]
//!
//! The CCI-400 counts request handshakes of its slave interfaces and no data beats: its bytes are
//! an estimate. The CCI-550 counts data beats of its memory interfaces.

use wattline_board::registers::{cci_counter, cci400, cci550, pmcr};

use super::programming::{NotTaken, Programming};
use super::{ActiveBlock, CountRegister};

/// What differs between the two.
#[derive(Debug)]
pub(super) struct Layout {
    counter: fn(usize) -> usize,
    pmcr: usize,
    read_event: fn(u32) -> u32,
    write_event: fn(u32) -> u32,
}

pub(super) const CCI400: Layout = Layout {
    counter: cci400::counter,
    pmcr: cci400::PMCR,
    read_event: |port| cci400::slave_event(port, cci400::READ_REQUEST),
    write_event: |port| cci400::slave_event(port, cci400::WRITE_REQUEST),
};

pub(super) const CCI550: Layout = Layout {
    counter: cci550::counter,
    pmcr: cci550::PMCR,
    read_event: |port| cci550::master_event(port, cci550::READ_BEAT),
    write_event: |port| cci550::master_event(port, cci550::WRITE_BEAT),
};

/// Gives port `n` of `numbers` the counters 2n (reads) and 2n+1 (writes).
pub(super) fn start(
    layout: &Layout,
    numbers: &[u32],
    block: &mut ActiveBlock,
) -> Result<Vec<(CountRegister, CountRegister)>, NotTaken> {
    block.programmings.push(Programming::new(0));
    let (window, Some(programming)) = (&block.windows[0], block.programmings.last_mut()) else {
        return Ok(Vec::new());
    };
    let mut select = |counter: usize, event: u32| {
        let base = (layout.counter)(counter);
        // An event is selected while the counter stands still.
        programming.set(window, base + cci_counter::CONTROL, 0);
        let event_select = base + cci_counter::EVENT_SELECT;
        programming.set_and_check(window, event_select, event, u32::MAX)?;
        programming.set_and_check(window, base + cci_counter::CONTROL, 1, 1)?;
        Ok(CountRegister { window: 0, offset: base + cci_counter::COUNT })
    };
    let mut pairs = Vec::new();
    for (index, &port) in numbers.iter().enumerate() {
        let read = select(2 * index, (layout.read_event)(port))?;
        let write = select(2 * index + 1, (layout.write_event)(port))?;
        pairs.push((read, write));
    }
    let enabled = window.read(layout.pmcr) | pmcr::ENABLE;
    programming.set_and_check(window, layout.pmcr, enabled, pmcr::ENABLE)?;
    Ok(pairs)
}
