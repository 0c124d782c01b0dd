//! A run on a simulated clock: from event to event, in one thread, without running a network.

mod fluid_board;
mod live_board;
mod paced;

use std::collections::VecDeque;
use std::fmt::Debug;
use std::ops::{ControlFlow, Range};

pub use fluid_board::FluidBoard;
pub use live_board::LiveBoard;
pub use paced::{Pace, Paced};

use super::consumer::{Consumer, Deliver};
use super::flight::{Ended, Ran};
use super::ledger::Ledger;
use super::report::Report;
use super::task::{Assignment, Delivered, Job, Task};
use super::{Plan, RunError};

/// How long jobs take: what a simulated run runs on instead of components.
///
/// Its clock starts at 0 ns with the run.
pub trait TimeModel: Debug {
    /// A component that is at rest starts a job now.
    fn start(&mut self, component: usize, job: &Job, now_ns: u64);

    /// The next instant at which something may end, if anything runs that ever does.
    fn next_event_ns(&self) -> Option<u64>;

    /// Lets time go by, up to [`TimeModel::next_event_ns`] at most, and tells what has ended.
    fn advance_to(&mut self, now_ns: u64, ended: &mut dyn FnMut(Finished));
}

/// The end of a simulated job.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The component that ran it.
    pub component: usize,
    /// Joules above idle that it took, if the model knows; or the component's error.
    pub outcome: Result<Option<f64>, String>,
}

/// Makes a run on a simulated clock, which starts at 0 ns. `deliver` is given every image in
/// stream order, and may end the stream: images that were begun are then still finished.
///
/// # Errors
/// If the plan makes no sense, or no component is left that could go on.
pub fn simulate(
    plan: Plan,
    model: &mut dyn TimeModel,
    deliver: impl FnMut(Delivered<()>) -> ControlFlow<()>,
) -> Result<Report, RunError> {
    simulate_to(plan, model, &mut Deliver(deliver))
}

/// As [`simulate`], for a consumer that is told of more than results.
///
/// # Errors
/// As [`simulate`].
pub fn simulate_to(
    plan: Plan,
    model: &mut dyn TimeModel,
    consumer: &mut impl Consumer<()>,
) -> Result<Report, RunError> {
    let mut run = Run {
        components: plan.profiles.len(),
        ledger: Ledger::new(plan.policy, &plan.profiles, plan.source, plan.settings)?,
        queue: VecDeque::with_capacity(plan.settings.window),
        now_ns: 0,
    };
    let mut ends = Vec::with_capacity(run.components);
    let mut faults_told = 0;
    run.ledger.start(0);
    loop {
        while let Some(task) = run.ledger.admit(run.now_ns) {
            run.queue(task);
        }
        let wake_ns = run.start_jobs(model);
        while let Some(fault) = run.ledger.faults().get(faults_told) {
            consumer.fault(fault);
            faults_told += 1;
        }
        if run.ledger.is_over() {
            return Ok(run.ledger.report());
        }
        if let Some(error) = run.ledger.dead_end() {
            return Err(error);
        }
        let ledger = &run.ledger;
        let instants =
            [model.next_event_ns(), ledger.next_deadline_ns(), ledger.next_arrival_ns(), wake_ns];
        // Something is always next: images in flight have deadlines, and if nothing is in flight
        // images are to come, or wait for an instant, or the ledger has called this a dead end.
        let Some(next_ns) = instants.into_iter().flatten().min() else {
            unreachable!("a run that is neither over nor at a dead end has a next event")
        };
        run.now_ns = run.now_ns.max(next_ns);
        model.advance_to(run.now_ns, &mut |end| ends.push(end));
        ends.drain(..).for_each(|end| run.end(end));
        while let Some(task) = run.ledger.expire(run.now_ns) {
            run.queue(task);
        }
        while let Some(delivered) = run.ledger.deliver(run.now_ns) {
            if consumer.take(delivered).is_break() {
                run.ledger.stop(run.now_ns);
            }
        }
        if consumer.has_enough() {
            run.ledger.stop(run.now_ns);
        }
    }
}

#[derive(Debug)]
struct Run {
    components: usize,
    ledger: Ledger<()>,
    /// Tasks that wait, in stream order.
    queue: VecDeque<Task>,
    now_ns: u64,
}

impl Run {
    /// Asks every free component. Answers the earliest instant that one waits for.
    fn start_jobs(&mut self, model: &mut dyn TimeModel) -> Option<u64> {
        let mut wake_ns: Option<u64> = None;
        for component in 0..self.components {
            if self.ledger.in_flight(component) {
                continue;
            }
            let queue = &mut self.queue;
            let take = |layers: &Range<usize>| {
                let oldest = queue.iter().position(|task| layers.contains(&task.layer))?;
                queue.remove(oldest)
            };
            match self.ledger.assign(component, self.now_ns, take) {
                Assignment::Run(job) => model.start(component, &job, self.now_ns),
                Assignment::Wait => {}
                Assignment::WaitUntil(at_ns) => {
                    // Never now: time has to go on.
                    let at_ns = at_ns.max(self.now_ns + 1);
                    wake_ns = Some(wake_ns.map_or(at_ns, |wake_ns| wake_ns.min(at_ns)));
                }
            }
        }
        wake_ns
    }

    fn end(&mut self, end: Finished) {
        let task = match end.outcome {
            Ok(joules) => {
                let ran = Ran { output: Some(()), joules };
                match self.ledger.finish(end.component, self.now_ns, ran) {
                    Ended::HandedOver(task) | Ended::Returned(task) => Some(task),
                    Ended::Done | Ended::Discarded => None,
                }
            }
            Err(error) => self.ledger.fail(end.component, self.now_ns, error),
        };
        if let Some(task) = task {
            self.queue(task);
        }
    }

    /// Puts a task in its place in stream order.
    fn queue(&mut self, task: Task) {
        let place = self.queue.partition_point(|it| it.image < task.image);
        self.queue.insert(place, task);
    }
}

#[cfg(test)]
#[path = "simulate/tests.rs"]
mod tests;
