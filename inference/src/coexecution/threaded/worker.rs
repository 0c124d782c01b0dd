//! A component's thread: asks, runs, hands on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::deques::Deque;
use super::engine::{Engine, EngineError, Opener};
use super::{Shared, wait};
use crate::clock::monotonic_ns;
use crate::coexecution::flight::{Ended, Ran};
use crate::coexecution::task::{Assignment, Job};

/// Runs jobs on one component until the run is over or its engine fails.
pub(super) fn work<T>(component: usize, shared: &Shared<T>, own: &Deque, open: Opener<T>) {
    let Some(mut engine) = open_engine(component, shared, open) else { return };
    while let Some(job) = next_job(component, shared, own) {
        let ran = run(&mut *engine, &job);
        let mut state = shared.lock();
        let now_ns = monotonic_ns();
        let failed = ran.is_err();
        let task = match ran {
            Ok(ran) => match state.ledger.finish(component, now_ns, ran) {
                Ended::HandedOver(task) | Ended::Returned(task) => Some(task),
                Ended::Done | Ended::Discarded => None,
            },
            Err(error) => state.ledger.fail(component, now_ns, error.to_string()),
        };
        if let Some(task) = task {
            own.push(task);
            shared.work.notify_all();
        }
        // The supervisor need not know of a result that waits for an earlier one.
        if state.ledger.can_deliver() || failed || state.over || task.is_some() {
            shared.supervisor.notify_one();
        }
        if failed {
            return;
        }
    }
}

/// Makes the engine, says so, and waits for the run to start.
fn open_engine<T>(
    component: usize,
    shared: &Shared<T>,
    open: Opener<T>,
) -> Option<Box<dyn Engine<Output = T>>> {
    let opened =
        catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|panic| Err(panicked(&*panic)));
    let mut state = shared.lock();
    state.opened += 1;
    shared.supervisor.notify_one();
    let engine = match opened {
        Ok(engine) => engine,
        Err(error) => {
            state.not_opened = Some((component, error));
            return None;
        }
    };
    while !state.started && !state.over {
        state = wait(&shared.work, state, None);
    }
    Some(engine)
}

/// The next job; `None` when the run is over.
fn next_job<T>(component: usize, shared: &Shared<T>, own: &Deque) -> Option<Job> {
    let mut state = shared.lock();
    loop {
        if state.over {
            return None;
        }
        // Tasks are taken under the lock, so that what the policy saw is there.
        let take = |layers: &_| shared.deques.take(layers, own);
        let until_ns = match state.ledger.assign(component, monotonic_ns(), take) {
            Assignment::Run(job) => return Some(job),
            Assignment::Wait => None,
            Assignment::WaitUntil(at_ns) => Some(at_ns),
        };
        // What changed may make another one want what this one declined.
        if state.ledger.has_more_to_ask() {
            shared.work.notify_all();
        } else if state.ledger.dead_end().is_some() {
            shared.supervisor.notify_one();
        }
        state = wait(&shared.work, state, until_ns);
    }
}

/// Runs a job; a panic is an error like any other, as the engine is not used again.
fn run<T>(engine: &mut dyn Engine<Output = T>, job: &Job) -> Result<Ran<T>, EngineError> {
    catch_unwind(AssertUnwindSafe(|| engine.run(job)))
        .unwrap_or_else(|panic| Err(panicked(&*panic)))
}

fn panicked(panic: &(dyn Any + Send)) -> EngineError {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("with no message")).into()
}
