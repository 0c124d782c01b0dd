//! A disk that fills up: recording stops, says why, and what was written stays whole.
//!
//! A limit on the size of files (`RLIMIT_FSIZE`) plays the disk; it holds for a whole process,
//! hence a test binary of its own.

mod fake;

use std::sync::Arc;
use std::time::Duration;

use fake::{FakeBoard, Updater, exynos5422};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, Signal, signal};
use wattline_agent::{Inventory, Recorder, Settings};
use wattline_board::clock::{Clock, WallClock, attend};
use wattline_trace::WriteError;

#[test]
fn the_first_write_error_stops_sampling_and_is_told() {
    let board = FakeBoard::exynos();
    let updater = Updater::start(&board, Duration::from_millis(1));
    let bundle = board.bundle();
    // SAFETY: ignoring a signal runs no handler.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, 100_000, 100_000).unwrap();
    let inventory = Inventory::discover(&exynos5422(), &board.roots);
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let settings = Settings { rate_hz: 2000.0, ..Settings::default() };
    let recorder = Recorder::start(inventory, &clock, &bundle, &settings).unwrap();
    for _ in 0..1000 {
        if recorder.failure().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let Some(WriteError::Rows { rows_on_disk, reason, .. }) = recorder.failure() else {
        panic!("{:?}", recorder.failure());
    };
    assert!(reason.contains("too large"), "{reason}");
    let (rows_on_disk, table) = (*rows_on_disk, recorder.failure().unwrap().to_string());
    recorder.stop(attend(&clock));
    drop(updater);
    drop(bundle);
    assert_eq!(board.interval(0x40), "35\n", "sensors are restored all the same");
    let rows = if table.contains("traffic") { board.traffic().len() } else { board.power().len() };
    assert!(rows as u64 >= rows_on_disk && rows_on_disk > 0, "{table}");
}
