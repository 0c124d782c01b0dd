//! Components that take times of their own, whatever the others do.

use std::fmt;

use super::{Finished, TimeModel};
use crate::coexecution::profile::Profile;
use crate::coexecution::task::Job;

/// What becomes of one job on a paced component.
#[derive(Debug, Clone, PartialEq)]
pub enum Pace {
    /// It is done after so many seconds.
    Done(f64),
    /// It fails after so many seconds, with this error.
    Fails(f64, String),
    /// It never ends.
    Hangs,
}

/// What becomes of a component's job.
type PaceOf<'a> = dyn FnMut(usize, &Job) -> Pace + 'a;

/// A [`TimeModel`] without contention: every component keeps its own pace.
pub struct Paced<'a> {
    pace: Box<PaceOf<'a>>,
    running: Vec<(u64, Finished)>,
}

impl<'a> Paced<'a> {
    /// Components that take exactly what their profiles say.
    pub fn new(profiles: &[Profile]) -> Self {
        let profiles = profiles.to_vec();
        Paced::with(move |component, job| {
            Pace::Done(profiles[component].layers_seconds(&job.layers))
        })
    }

    /// Components that take what `pace` says of each job: a place for noise and faults.
    pub fn with(pace: impl FnMut(usize, &Job) -> Pace + 'a) -> Self {
        Paced { pace: Box::new(pace), running: Vec::new() }
    }
}

impl fmt::Debug for Paced<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Paced").field("running", &self.running).finish_non_exhaustive()
    }
}

impl TimeModel for Paced<'_> {
    fn start(&mut self, component: usize, job: &Job, now_ns: u64) {
        let (seconds, outcome) = match (self.pace)(component, job) {
            Pace::Done(seconds) => (seconds, Ok(None)),
            Pace::Fails(seconds, error) => (seconds, Err(error)),
            Pace::Hangs => return,
        };
        let end_ns = now_ns.saturating_add((seconds * 1e9).round() as u64);
        self.running.push((end_ns, Finished { component, outcome }));
    }

    fn next_event_ns(&self) -> Option<u64> {
        self.running.iter().map(|(end_ns, _)| *end_ns).min()
    }

    fn advance_to(&mut self, now_ns: u64, ended: &mut dyn FnMut(Finished)) {
        self.running
            .extract_if(.., |(end_ns, _)| *end_ns <= now_ns)
            .for_each(|(_, finished)| ended(finished));
    }
}
