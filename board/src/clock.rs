//! One trait, two clocks: the wall's, and a virtual one that moves as fast as the model can be
//! computed.

mod virtual_clock;
mod wall;

use std::fmt::Debug;
use std::sync::Arc;

use wattline_trace::ClockKind;

pub use virtual_clock::{JobId, VirtualClock, World};
pub use wall::WallClock;

/// What time it is, and how to wait for later.
pub trait Clock: Send + Sync + Debug {
    /// Which clock this is.
    fn kind(&self) -> ClockKind;

    /// Now, in nanoseconds of the clock all rows are stamped with.
    fn now_ns(&self) -> u64;

    /// Sleeps until an instant; returns at once if it is past. The thread must attend the clock.
    fn sleep_until(&self, deadline_ns: u64);

    /// A thread that sleeps on this clock says so first, through [`attend`].
    fn enter(&self);

    /// And says when it no longer does.
    fn leave(&self);
}

/// Attends a clock for as long as the guard lives.
///
/// A virtual clock moves only when every thread that attends it sleeps on it; a thread that
/// waits for anything else (another thread's end, say) drops its guard first.
#[derive(Debug)]
pub struct Attendance {
    clock: Arc<dyn Clock>,
}

/// Makes the current thread one that sleeps on `clock`.
pub fn attend(clock: &Arc<dyn Clock>) -> Attendance {
    clock.enter();
    Attendance { clock: Arc::clone(clock) }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        self.clock.leave();
    }
}
