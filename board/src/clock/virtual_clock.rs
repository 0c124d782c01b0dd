//! A clock that stands still while anyone works and jumps when everyone sleeps.
//!
//! At any moment one attending thread runs and all others sleep, so a run on this clock is
//! deterministic: the same seed gives the same bundle, to the byte.

use std::fmt::Debug;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use wattline_trace::ClockKind;

use super::Clock;

/// Work in progress in a [`World`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// What changes by itself as time goes by: the emulated board.
pub trait World: Send + Debug {
    /// When the next thing happens of itself, if anything does.
    fn next_event_ns(&self) -> Option<u64>;
    /// Lets time go by. Never called with a time before the last one, nor past
    /// [`World::next_event_ns`].
    fn advance_to(&mut self, now_ns: u64);
    /// Whether a job is done.
    fn is_done(&self, job: JobId) -> bool;
}

#[derive(Debug, Clone, Copy)]
enum Until {
    Instant(u64),
    Done(JobId),
}

#[derive(Debug)]
struct Sleeper {
    ticket: u64,
    until: Until,
}

#[derive(Debug)]
struct State {
    now_ns: u64,
    attending: usize,
    sleepers: Vec<Sleeper>,
    next_ticket: u64,
    /// The sleeper whose turn it is.
    awake: Option<u64>,
}

/// The virtual clock. It owns the right to let its [`World`]'s time go by.
#[derive(Debug)]
pub struct VirtualClock {
    state: Mutex<State>,
    turn: Condvar,
    world: Arc<Mutex<dyn World>>,
}

impl VirtualClock {
    /// A clock that starts at `start_ns`.
    pub fn new(world: Arc<Mutex<dyn World>>, start_ns: u64) -> Self {
        let state = State {
            now_ns: start_ns,
            attending: 0,
            sleepers: Vec::new(),
            next_ticket: 0,
            awake: None,
        };
        VirtualClock { state: Mutex::new(state), turn: Condvar::new(), world }
    }

    /// Sleeps until a job is done. The thread must attend the clock.
    pub fn sleep_until_done(&self, job: JobId) {
        self.sleep(Until::Done(job));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep(&self, until: Until) {
        let mut state = self.lock();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.sleepers.push(Sleeper { ticket, until });
        self.move_on(&mut state);
        // Most often it is this thread's own turn again: then nobody else needs to look.
        if state.awake.is_some_and(|next| next != ticket) {
            self.turn.notify_all();
        }
        while state.awake != Some(ticket) {
            state = self.turn.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.awake = None;
    }

    /// If everyone sleeps, moves time to the next instant somebody waits for and wakes that one.
    fn move_on(&self, state: &mut State) {
        if state.attending == 0 || state.sleepers.len() < state.attending || state.awake.is_some() {
            return;
        }
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let due = |sleeper: &Sleeper| match sleeper.until {
                Until::Instant(at) => at <= state.now_ns,
                Until::Done(job) => world.is_done(job),
            };
            if let Some(index) = state.sleepers.iter().position(due) {
                state.awake = Some(state.sleepers.remove(index).ticket);
                break;
            }
            let instants = state.sleepers.iter().filter_map(|sleeper| match sleeper.until {
                Until::Instant(at) => Some(at),
                Until::Done(_) => None,
            });
            // With no instant and no event nobody could ever wake: that is a program that waits
            // for a job it never submitted, and it is left asleep as it would be on the wall.
            let Some(next) = instants.chain(world.next_event_ns()).min() else { break };
            state.now_ns = next.max(state.now_ns);
            world.advance_to(state.now_ns);
        }
    }
}

impl Clock for VirtualClock {
    fn kind(&self) -> ClockKind {
        ClockKind::Virtual
    }

    fn now_ns(&self) -> u64 {
        self.lock().now_ns
    }

    fn sleep_until(&self, deadline_ns: u64) {
        self.sleep(Until::Instant(deadline_ns));
    }

    fn enter(&self) {
        self.lock().attending += 1;
    }

    fn leave(&self) {
        let mut state = self.lock();
        state.attending = state.attending.saturating_sub(1);
        self.move_on(&mut state);
        self.turn.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::attend;

    /// A world in which job `n` is done at `n` milliseconds.
    #[derive(Debug, Default)]
    struct Ticks {
        now_ns: u64,
    }

    impl World for Ticks {
        fn next_event_ns(&self) -> Option<u64> {
            Some((self.now_ns / 1_000_000 + 1) * 1_000_000)
        }
        fn advance_to(&mut self, now_ns: u64) {
            assert!(now_ns >= self.now_ns && Some(now_ns) <= self.next_event_ns());
            self.now_ns = now_ns;
        }
        fn is_done(&self, job: JobId) -> bool {
            self.now_ns >= job.0 * 1_000_000
        }
    }

    /// Two threads with different periods take turns in the order of their deadlines.
    #[test]
    fn turns_are_taken_in_order_of_time() {
        let clock = Arc::new(VirtualClock::new(Arc::new(Mutex::new(Ticks::default())), 0));
        let order = Mutex::new(Vec::new());
        let shared: Arc<dyn Clock> = clock.clone();
        let guards = [attend(&shared), attend(&shared)];
        std::thread::scope(|scope| {
            for (guard, period) in guards.into_iter().zip([300u64, 700]) {
                let (shared, order) = (&shared, &order);
                scope.spawn(move || {
                    for k in 1..=2100 / period {
                        shared.sleep_until(k * period);
                        order.lock().unwrap().push((shared.now_ns(), period));
                    }
                    drop(guard);
                });
            }
        });
        let order = order.into_inner().unwrap();
        assert_eq!(order.len(), 10);
        assert!(order.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{order:?}");
        assert_eq!(clock.now_ns(), 2100);
    }

    #[test]
    fn a_job_wakes_its_waiter_at_its_end() {
        let clock = Arc::new(VirtualClock::new(Arc::new(Mutex::new(Ticks::default())), 0));
        let shared: Arc<dyn Clock> = clock.clone();
        let _here = attend(&shared);
        clock.sleep_until_done(JobId(5));
        assert_eq!(clock.now_ns(), 5_000_000);
    }
}
