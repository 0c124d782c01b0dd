//! What a component is at, and what it has done.

use super::policy::Candidate;
use super::report::ComponentReport;
use super::task::Task;

/// What an executor made of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran<T> {
    /// The result: must be there when the job ends with the network's last layer.
    pub output: Option<T>,
    /// Joules above idle that the job took, if the executor knows.
    pub joules: Option<f64>,
}

/// How a finished job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The image has its result.
    Done,
    /// Layers are left for others: the task is to be queued.
    HandedOver(Task),
    /// It was no good: the task is to be queued again.
    Returned(Task),
    /// Its image was done already.
    Discarded,
}

/// A job at work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flight {
    pub(super) task: Task,
    /// Where its layers end.
    pub(super) end: usize,
    pub(super) start_ns: u64,
    /// After so many ns it has stalled.
    pub(super) patience_ns: u64,
    /// Its component has stalled, and its image was given to others.
    pub(super) disowned: bool,
}

/// What a component is at, and what it has done.
#[derive(Debug, Clone, Default)]
pub(super) struct Lane {
    pub(super) flight: Option<Flight>,
    pub(super) images: u64,
    /// Images, parts counted as parts.
    pub(super) share: f64,
    pub(super) busy_s: f64,
    pub(super) joules: f64,
    pub(super) stalls: u32,
}

impl Lane {
    pub(super) fn report(&self, candidate: &Candidate) -> ComponentReport {
        ComponentReport {
            name: candidate.profile().name().to_owned(),
            images: self.images,
            // Becomes percents when all are known.
            frames_pct: self.share,
            busy_s: self.busy_s,
            joules: self.joules,
            solo_rate: candidate.profile().rate(),
            seconds: candidate.seconds(),
            working: candidate.is_working(),
        }
    }
}
