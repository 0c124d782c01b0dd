//! Times the scheduler itself: `scheduling_overhead [IMAGES]`.
//!
//! Engines that do nothing, one worker to begin with and then several: what a run takes for an
//! image and a worker is the scheduler's own. Counts allocations too; results are numbers, so
//! every one of them would be the scheduler's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::error::Error;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use wattline_inference::coexecution::policy::PolicyKind;
use wattline_inference::coexecution::{
    Engine, EngineError, Job, Opener, Plan, Profile, Ran, Settings, Source, threaded,
};

/// The system's allocator, counted.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is the system allocator's own, with the caller's arguments as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above, which is the system's, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Nothing;

impl Engine for Nothing {
    type Output = u64;

    fn run(&mut self, job: &Job) -> Result<Ran<u64>, EngineError> {
        Ok(Ran { output: Some(job.image), joules: None })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let images: u64 = std::env::args().nth(1).map_or(Ok(200_000), |count| count.parse())?;
    println!(
        "{:<12} {:>8} {:>16} {:>22}",
        "policy", "workers", "us/image/worker", "allocations after 1 %"
    );
    for kind in [PolicyKind::BestSingle, PolicyKind::Steal, PolicyKind::StealTailGuard] {
        for workers in [1usize, 2, 4] {
            let (us, allocations) = run(kind, workers, images)?;
            println!("{:<12} {workers:>8} {us:>16.2} {allocations:>22}", kind.as_str());
        }
    }
    Ok(())
}

fn run(kind: PolicyKind, workers: usize, images: u64) -> Result<(f64, u64), Box<dyn Error>> {
    let profile = |index| Profile::new(format!("c{index}"), 1e-6, 0.0);
    let plan = Plan {
        policy: kind.policy(None, Vec::new())?,
        profiles: (0..workers).map(profile).collect(),
        source: Source::Finite { images },
        // Nobody is taken out, however busy the machine.
        settings: Settings { least_patience_s: 3600.0, ..Settings::default() },
    };
    let opener = |_| -> Opener<u64> { Box::new(|| Ok(Box::new(Nothing))) };
    let mut first = 0;
    let mut last = 0;
    let report = threaded(plan, (0..workers).map(opener).collect(), |delivered| {
        let now = ALLOCATIONS.load(Ordering::Relaxed);
        if delivered.image == images / 100 {
            first = now;
        }
        last = now;
        ControlFlow::Continue(())
    })?;
    let at_work = if kind == PolicyKind::BestSingle { 1 } else { workers };
    let us = report.makespan_s * 1e6 * at_work as f64 / images as f64;
    Ok((us, last - first))
}
