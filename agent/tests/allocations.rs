//! The sampler allocates nothing once it samples.

mod fake;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fake::{FakeBoard, Updater, exynos5422};
use wattline_agent::{CpuTimes, Inventory, Recorder, Settings};
use wattline_board::clock::{Clock, WallClock, attend};
use wattline_ebpf::{Support, SupportRoots, Target, Watch};
use wattline_trace::rows::CpuRow;

static BY_THE_SAMPLER: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: hands every request on to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut name = [0u8; 16];
        // SAFETY: PR_GET_NAME writes at most 16 bytes.
        unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
        if name.starts_with(b"sampler\0") {
            BY_THE_SAMPLER.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller keeps the allocator's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `System` in `alloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn no_allocation_a_sample() {
    let board = FakeBoard::exynos();
    board.add_software_pmu();
    let updater = Updater::start(&board, Duration::from_millis(1));
    let bundle = board.bundle();
    let mut inventory = Inventory::discover(&exynos5422(), &board.roots);
    // The CPUs' accounts are sampled too, where the kernel gives them.
    let ourselves = CpuTimes::attach(Target::Tree(std::process::id()));
    inventory.attach_bpf(ourselves, Watch::FrequencyAndIdle, Vec::new());
    let accounted = inventory.cpu_times().is_some();
    let works = Support::detect(&SupportRoots::default()).works();
    assert_eq!(accounted, works, "{:?}", inventory.missing());
    if !accounted {
        eprintln!("without BPF: the sampler reads no account of CPUs here");
    }
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let settings = Settings { rate_hz: 1000.0, ..Settings::default() };
    let recorder = Recorder::start(inventory, &clock, &bundle, &settings).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let before = BY_THE_SAMPLER.load(Ordering::Relaxed);
    assert!(before > 0, "its start allocates: the counting works");
    // Long enough for accounts (one a second) and for a sensor that fails.
    let volts = board.sensor(0x44).join("in1_input");
    std::fs::OpenOptions::new().write(true).open(volts).unwrap().set_len(0).unwrap();
    std::thread::sleep(Duration::from_millis(2200));
    let after = BY_THE_SAMPLER.load(Ordering::Relaxed);
    let report = recorder.stop(attend(&clock));
    drop(updater);
    assert!(report.ticks > 1000, "{report}");
    assert_eq!(after - before, 0, "{report}");
    drop(bundle);
    let accounts = board.rows::<CpuRow>();
    assert_eq!(accounts.iter().any(|row| row.target_busy_ns > Some(0)), accounted, "{report}");
}
