//! Who is told when jobs ran.

use super::task::Job;

/// When a job ran, and each of its layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing<'a> {
    /// First instant, in ns of the clock that the component runs on.
    pub start_ns: u64,
    /// Last instant.
    pub end_ns: u64,
    /// First and last instant of each layer of the job, in order.
    pub layers: &'a [(u64, u64)],
    /// How far those of layers may be off that clock, in ns: a device may have one of its own.
    pub clock_error_ns: u64,
    /// What it took to bring tensors to a device and back, in ns: part of the first and the last
    /// layer's time.
    pub transfer_ns: u64,
}

/// Hears of every job that one component has run, also of one whose result nobody wants any more.
pub trait Watcher: Send {
    /// A job has run. Called where it ran: neither blocks nor allocates.
    fn ran(&mut self, job: &Job, timing: &Timing<'_>);
}

/// Watches nothing.
impl Watcher for () {
    fn ran(&mut self, _job: &Job, _timing: &Timing<'_>) {}
}
