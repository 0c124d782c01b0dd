//! A run on the wall clock: one worker thread per component.
//!
//! Tasks wait in crossbeam's work-stealing deques: one for the stream, one for what the supervisor
//! takes from stalled workers, and one per worker for what it hands over (the next layers of an
//! image in a pipeline, an image that it failed). Every worker steals from all of them, the
//! stream's last, for what is handed over is older. All are rings that were made large enough
//! before the run, so that a steady state allocates nothing. The ledger is behind one lock, held
//! for the time of a decision: microseconds, where images take milliseconds.

mod board_engine;
mod deques;
mod engine;
mod worker;

use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

pub use board_engine::BoardEngine;
pub use engine::{Engine, EngineError, ExecutorEngine, Opener};

use super::consumer::{Consumer, Deliver};
use super::ledger::Ledger;
use super::report::Report;
use super::task::Delivered;
use super::{Plan, RunError};
use crate::clock::monotonic_ns;
use deques::{Deque, Deques};

/// Makes a run on the wall clock. `openers` make each component's engine, on the thread that will
/// run it, before the run begins; there is one for each profile of the plan. `deliver` is called
/// on the caller's thread with every result in stream order, and may end the stream: images that
/// were begun are then still finished.
///
/// A worker that hangs for ever cannot be joined: its thread is left behind, and what it may yet
/// produce is dropped.
///
/// # Errors
/// If the plan makes no sense, an engine cannot be made, or no component is left that could go on.
pub fn threaded<T: Send + 'static>(
    plan: Plan,
    openers: Vec<Opener<T>>,
    deliver: impl FnMut(Delivered<T>) -> ControlFlow<()>,
) -> Result<Report, RunError> {
    threaded_to(plan, openers, &mut Deliver(deliver))
}

/// As [`threaded`], for a consumer that is told of more than results.
///
/// # Errors
/// As [`threaded`].
pub fn threaded_to<T: Send + 'static>(
    plan: Plan,
    openers: Vec<Opener<T>>,
    consumer: &mut impl Consumer<T>,
) -> Result<Report, RunError> {
    if openers.len() != plan.profiles.len() {
        let (profiles, openers) = (plan.profiles.len(), openers.len());
        return Err(RunError::Setup(format!(
            "{profiles} profiles and {openers} engines; give as many"
        )));
    }
    let names: Vec<_> = plan.profiles.iter().map(|it| it.name().to_owned()).collect();
    let ledger = Ledger::new(plan.policy, &plan.profiles, plan.source, plan.settings)?;
    let (deques, shared) = Shared::new(ledger, openers.len(), plan.settings.window);
    let mut own = deques.into_iter();
    let (Some(stream), Some(returned)) = (own.next(), own.next()) else {
        unreachable!("there are two deques more than workers")
    };
    let mut crew = Crew { shared: Arc::clone(&shared), threads: Vec::new() };
    for (component, ((open, deque), name)) in openers.into_iter().zip(own).zip(&names).enumerate() {
        let shared = Arc::clone(&shared);
        let work = move || worker::work(component, &shared, &deque, open);
        let thread = thread::Builder::new().name(format!("run-{name}")).spawn(work);
        let thread = thread.map_err(|error| RunError::Open {
            component: name.clone(),
            error: format!("no thread: {error}"),
        })?;
        crew.threads.push(thread);
    }
    shared.wait_for_engines(&names)?;
    supervise(&shared, &stream, &returned, consumer)?;
    crew.dismiss();
    Ok(shared.lock().ledger.report())
}

/// How often the consumer is asked whether it has had enough.
const BETWEEN_QUESTIONS_NS: u64 = 50_000_000;

/// Feeds the stream, hands results on and watches for stalls, until the run is over.
fn supervise<T>(
    shared: &Shared<T>,
    stream: &Deque,
    returned: &Deque,
    consumer: &mut impl Consumer<T>,
) -> Result<(), RunError> {
    let mut state = shared.lock();
    let mut faults_told = 0;
    loop {
        let now_ns = monotonic_ns();
        while let Some(task) = state.ledger.admit(now_ns) {
            stream.push(task);
        }
        while let Some(task) = state.ledger.expire(now_ns) {
            returned.push(task);
        }
        // Not only for new tasks: one that others were left to do may be wanted now that a
        // component is out.
        if state.ledger.has_more_to_ask() {
            shared.work.notify_all();
        }
        if let Some(delivered) = state.ledger.deliver(now_ns) {
            // The consumer takes its time: workers go on as far as the buffer lets them.
            drop(state);
            let flow = consumer.take(delivered);
            state = shared.lock();
            if flow.is_break() {
                state.ledger.stop(monotonic_ns());
                shared.work.notify_all();
            }
            continue;
        }
        if let Some(fault) = state.ledger.faults().get(faults_told).cloned() {
            faults_told += 1;
            drop(state);
            consumer.fault(&fault);
            state = shared.lock();
            continue;
        }
        if consumer.has_enough() {
            state.ledger.stop(now_ns);
            shared.work.notify_all();
        }
        if state.ledger.is_over() {
            return Ok(());
        }
        if let Some(error) = state.ledger.dead_end() {
            return Err(error);
        }
        let instants = [state.ledger.next_arrival_ns(), state.ledger.next_deadline_ns()];
        let asks_again_ns = monotonic_ns() + BETWEEN_QUESTIONS_NS;
        let until_ns = instants.into_iter().flatten().fold(asks_again_ns, u64::min);
        state.watched_until_ns = until_ns;
        state = wait(&shared.supervisor, state, Some(until_ns));
        state.watched_until_ns = 0;
    }
}

/// What threads share.
#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    /// Workers wait here for work.
    work: Condvar,
    /// The supervisor waits here for results, and for trouble.
    supervisor: Condvar,
    deques: Deques,
}

#[derive(Debug)]
struct State<T> {
    ledger: Ledger<T>,
    /// Workers whose engine is made, or could not be.
    opened: usize,
    /// When the supervisor looks for stalls again by itself; 0 when it is about to.
    watched_until_ns: u64,
    not_opened: Option<(usize, EngineError)>,
    started: bool,
    over: bool,
}

impl<T> Shared<T> {
    /// The shared part, and the deques: the stream's, the supervisor's, and each worker's.
    fn new(ledger: Ledger<T>, workers: usize, window: usize) -> (Vec<Deque>, Arc<Self>) {
        let (own, deques) = Deques::new(workers + 2, window);
        let state = State {
            ledger,
            opened: 0,
            watched_until_ns: 0,
            not_opened: None,
            started: false,
            over: false,
        };
        let shared = Shared {
            state: Mutex::new(state),
            work: Condvar::new(),
            supervisor: Condvar::new(),
            deques,
        };
        (own, Arc::new(shared))
    }

    /// The state is whole between any two statements that could panic: engines run without it.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until every engine is made, and starts the run.
    fn wait_for_engines(&self, names: &[String]) -> Result<(), RunError> {
        let mut state = self.lock();
        while state.opened < names.len() {
            state = wait(&self.supervisor, state, None);
        }
        if let Some((component, error)) = state.not_opened.take() {
            let component = names[component].clone();
            return Err(RunError::Open { component, error: error.to_string() });
        }
        state.ledger.start(monotonic_ns());
        state.started = true;
        self.work.notify_all();
        Ok(())
    }
}

impl<T> State<T> {
    /// Whether the supervisor has something to do, or to watch for, sooner than it knows of. It
    /// need not know of a result that waits for an earlier one.
    fn needs_supervisor(&self) -> bool {
        let deadline_ns = self.ledger.next_deadline_ns();
        deadline_ns.is_some_and(|deadline_ns| deadline_ns < self.watched_until_ns)
            || self.ledger.can_deliver()
            || self.over
    }
}

/// Waits to be notified, or until an instant.
fn wait<'a, S>(on: &Condvar, guard: MutexGuard<'a, S>, until_ns: Option<u64>) -> MutexGuard<'a, S> {
    let Some(until_ns) = until_ns else {
        return on.wait(guard).unwrap_or_else(PoisonError::into_inner);
    };
    let left = Duration::from_nanos(until_ns.saturating_sub(monotonic_ns()));
    on.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0
}

/// The workers' threads. However a run ends, they are told.
#[derive(Debug)]
struct Crew<T> {
    shared: Arc<Shared<T>>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl<T> Crew<T> {
    /// Tells all workers that the run is over, and waits for those that have not stalled.
    fn dismiss(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        state.over = true;
        shared.work.notify_all();
        // A worker may be at an image that another has finished by now: it ends or stalls.
        while let Some(deadline_ns) = state.ledger.next_deadline_ns() {
            state = wait(&shared.supervisor, state, Some(deadline_ns));
            // All images have left, so nothing is queued again.
            let _ = state.ledger.expire(monotonic_ns());
        }
        let stalled = |component: usize| state.ledger.in_flight(component);
        let threads = self.threads.drain(..).enumerate();
        let joined: Vec<_> =
            threads.filter(|(component, _)| !stalled(*component)).map(|(_, it)| it).collect();
        drop(state);
        for thread in joined {
            // A worker catches its engine's panics; one of its own would be a defect of ours.
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl<T> Drop for Crew<T> {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.work.notify_all();
    }
}

#[cfg(test)]
#[path = "threaded/tests.rs"]
mod tests;
