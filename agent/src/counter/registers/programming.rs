//! Register writes that can be undone.

use wattline_board::registers::RegisterWindow;

/// What a register write has to leave behind.
#[derive(Debug, Clone, Copy)]
struct Undo {
    offset: usize,
    value: u32,
}

/// The writes to one window, in order.
#[derive(Debug)]
pub(super) struct Programming {
    window: usize,
    undo: Vec<Undo>,
}

/// A register did not keep what was written to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct NotTaken {
    pub(super) offset: usize,
    pub(super) written: u32,
    pub(super) found: u32,
}

impl Programming {
    /// Nothing written yet to the window of this index.
    pub(super) fn new(window: usize) -> Self {
        Programming { window, undo: Vec::new() }
    }

    /// Writes a register, to be restored to what it held.
    pub(super) fn set(&mut self, window: &RegisterWindow, offset: usize, value: u32) {
        self.undo.push(Undo { offset, value: window.read(offset) });
        window.write(offset, value);
    }

    /// As [`Programming::set`], and checks that the register kept the bits of `mask`.
    pub(super) fn set_and_check(
        &mut self,
        window: &RegisterWindow,
        offset: usize,
        value: u32,
        mask: u32,
    ) -> Result<(), NotTaken> {
        self.set(window, offset, value);
        let found = window.read(offset);
        let taken = (found ^ value) & mask == 0;
        if taken { Ok(()) } else { Err(NotTaken { offset, written: value, found }) }
    }

    /// Has `value` written to `offset` when all that was set later is undone, for registers whose
    /// writes are commands and not values.
    pub(super) fn at_undo(&mut self, offset: usize, value: u32) {
        self.undo.push(Undo { offset, value });
    }

    /// Undoes the writes, last first.
    pub(super) fn undo(self, windows: &[RegisterWindow]) {
        for undo in self.undo.iter().rev() {
            windows[self.window].write(undo.offset, undo.value);
        }
    }
}
