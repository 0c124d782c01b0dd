//! All CPUs of a cluster at one job, over and over.

use std::convert::Infallible;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Barrier, Mutex, PoisonError};

use super::Repeats;
use crate::affinity::{AffinityError, bind};
use crate::clock::monotonic_ns;

/// Nobody runs any more.
const OVER: u64 = 0;

/// Runs `job` on every one of `cpus` at once, each with a state of its own made by `prepare` on
/// that CPU, and answers the seconds of one pass for each repeat: from the first start to the last
/// end, over the passes in between. `step` hears of each repeat.
pub(super) fn seconds_per_pass<S>(
    cpus: &[u32],
    repeats: Repeats,
    prepare: impl Fn() -> S + Sync,
    job: impl Fn(&mut S, u64) + Sync,
    step: &mut dyn FnMut(),
) -> Result<Vec<f64>, AffinityError> {
    let barrier = Barrier::new(cpus.len() + 1);
    let passes = AtomicU64::new(OVER);
    // How often a member stood ready to start.
    let ready = AtomicU64::new(0);
    let all = cpus.len() as u64;
    let times: Vec<[AtomicU64; 2]> = cpus.iter().map(|_| Default::default()).collect();
    let failed = Mutex::new(None);
    let member = |cpu: u32, times: &[AtomicU64; 2]| {
        // One that cannot run where it should still comes to every meeting, and does nothing.
        let mut state = match bind(&[cpu]) {
            Ok(()) => Some(prepare()),
            Err(error) => {
                *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                None
            }
        };
        barrier.wait();
        loop {
            barrier.wait();
            let passes = passes.load(SeqCst);
            if passes == OVER {
                return;
            }
            // To be woken takes some ten microseconds more for one than for another; a repeat may be
            // no longer than a millisecond.
            let round = ready.fetch_add(1, SeqCst) / all;
            while ready.load(SeqCst) < (round + 1) * all {
                spin_loop();
            }
            times[0].store(monotonic_ns(), SeqCst);
            if let Some(state) = &mut state {
                job(state, passes);
            }
            times[1].store(monotonic_ns(), SeqCst);
            barrier.wait();
        }
    };
    let round = |count: u64| {
        passes.store(count, SeqCst);
        barrier.wait();
        barrier.wait();
        let of = |edge: usize| times.iter().map(move |times| times[edge].load(SeqCst));
        let (start, end) = (of(0).min().unwrap_or(0), of(1).max().unwrap_or(0));
        // A pass takes microseconds at least; a clock that stands still gives no infinite rate.
        (end - start).max(1) as f64 * 1e-9
    };
    let seconds = std::thread::scope(|scope| {
        for (&cpu, times) in cpus.iter().zip(&times) {
            scope.spawn(move || member(cpu, times));
        }
        barrier.wait();
        let Ok(seconds) = repeats.seconds_per_pass(step, |count| Ok::<_, Infallible>(round(count)));
        passes.store(OVER, SeqCst);
        barrier.wait();
        seconds
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(seconds),
    }
}
