//! What happens to a CPU's clock.

/// What to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Frequency changes: a few hundred a second at most.
    Frequency,
    /// Idle states entered and left too: thousands a second on a quiet machine.
    FrequencyAndIdle,
}

/// Something that happened to a CPU's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrequencyEvent {
    /// When.
    pub t_ns: u64,
    /// The CPU.
    pub cpu: u32,
    /// What.
    pub change: Change,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It runs at another frequency from now on.
    Frequency {
        /// The frequency, kHz.
        khz: u32,
    },
    /// It sleeps.
    IdleEntered {
        /// How deep, as cpuidle numbers its states.
        state: u32,
    },
    /// It woke.
    IdleLeft,
}
