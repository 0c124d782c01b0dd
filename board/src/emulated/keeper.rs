//! Keeps the board up to date with the wall clock.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::fluid::Completion;
use super::lock;
use super::world::EmulatedWorld;
use crate::clock::{Clock, JobId, WallClock, World};

/// The thread that lets the board's time go by on the wall clock.
#[derive(Debug)]
pub(super) struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Something was submitted, or something is done.
    changed: Condvar,
    stop: AtomicBool,
    /// The longest the board was behind the clock, in nanoseconds.
    longest_lag_ns: AtomicU64,
}

impl Keeper {
    pub(super) fn start(world: Arc<Mutex<EmulatedWorld>>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let kept = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("emulated-board".into())
            .spawn(move || keep(&world, &kept))?;
        Ok(Keeper { shared, thread: Some(thread) })
    }

    /// Lets the keeper look again at what comes next.
    pub(super) fn wake(&self) {
        self.shared.changed.notify_all();
    }

    pub(super) fn wait_for(&self, world: &Mutex<EmulatedWorld>, job: JobId) -> Option<Completion> {
        let mut world = lock(world);
        while !world.is_done(job) {
            world = self.shared.changed.wait(world).unwrap_or_else(PoisonError::into_inner);
        }
        world.take(job)
    }

    pub(super) fn longest_lag_ns(&self) -> u64 {
        self.shared.longest_lag_ns.load(Ordering::Relaxed)
    }

    pub(super) fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Puts the calling thread before readers: hardware does not wait for a CPU. On a busy machine a reader under real-time priority would
/// otherwise find the last value again and again, and take it for new conversions that came out
/// equal. Where the kernel refuses it, it refuses readers too.
pub fn outrank_readers() {
    /// Above the agent's 50.
    const PRIORITY: i32 = 60;
    let parameters = libc::sched_param { sched_priority: PRIORITY };
    // SAFETY: `parameters` lives through the call; 0 names the calling thread.
    let answer = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameters) };
    if answer != 0 {
        tracing::info!("the emulated board has no real-time priority: it may lag under load");
    }
}

fn keep(world: &Mutex<EmulatedWorld>, shared: &Shared) {
    // Conversions end within microseconds of when they should, not the default fifty.
    let _ = nix::sys::prctl::set_timerslack(1);
    outrank_readers();
    let mut world = lock(world);
    while !shared.stop.load(Ordering::Relaxed) {
        let now_ns = WallClock.now_ns();
        let due_ns = world.next_event_ns().unwrap_or(now_ns);
        shared.longest_lag_ns.fetch_max(now_ns.saturating_sub(due_ns), Ordering::Relaxed);
        world.catch_up(now_ns);
        shared.changed.notify_all();
        // The board looks at its settings every few milliseconds, so there is always a next event.
        let next_ns = world.next_event_ns().unwrap_or(now_ns + 1_000_000);
        let pause = Duration::from_nanos(next_ns.saturating_sub(WallClock.now_ns()));
        let waited = shared.changed.wait_timeout(world, pause);
        world = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}
