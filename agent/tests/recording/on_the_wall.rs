//! Recordings in real time.

use std::sync::Arc;
use std::time::Duration;

use wattline_agent::{Inventory, Recorder, Settings};
use wattline_board::Roots;
use wattline_board::clock::{Clock, WallClock, attend};
use wattline_trace::rows::{CpuRow, EventKind};

use crate::fake::{FakeBoard, Updater, exynos5422};

fn wall() -> Arc<dyn Clock> {
    Arc::new(WallClock)
}

#[test]
fn rows_arrive_and_the_agent_accounts_for_itself() {
    let mut board = FakeBoard::exynos();
    board.roots.procfs = Roots::machine().procfs;
    let updater = Updater::start(&board, Duration::from_millis(2));
    let bundle = board.bundle();
    let inventory = Inventory::discover(&exynos5422(), &board.roots);
    let recorder = Recorder::start(inventory, &wall(), &bundle, &Settings::default()).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    assert!(recorder.failure().is_none());
    let report = recorder.stop(attend(&wall()));
    drop(updater);
    drop(bundle);
    println!("{report}");
    // A loaded test machine may be late; it must not lose count.
    assert!(report.ticks + report.overruns >= 890, "{report}");
    assert_eq!(report.samples as usize, board.power().len() + board.traffic().len());
    assert!(report.cost() > 0.0 && report.resident_bytes > 0);
    let accounts = board.accounts();
    assert!(accounts.len() >= 2 && accounts.iter().all(|row| row.cpu_ns > 0));
    assert!(accounts.windows(2).all(|it| it[0].ticks <= it[1].ticks));
    let cpus: Vec<CpuRow> = board.rows();
    assert!(cpus.iter().any(|row| row.busy_ns > 0));
    assert!(cpus.iter().all(|row| row.target_busy_ns.is_none()));
}

/// What was sampled is either written or counted as dropped.
#[test]
fn overflow_is_counted_exactly() {
    let board = FakeBoard::exynos();
    let updater = Updater::start(&board, Duration::from_micros(50));
    let bundle = board.bundle();
    let inventory = Inventory::discover(&exynos5422(), &board.roots);
    let settings = Settings { rate_hz: 5000.0, queue_capacity: 16, ..Settings::default() };
    let recorder = Recorder::start(inventory, &wall(), &bundle, &settings).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let report = recorder.stop(attend(&wall()));
    drop(updater);
    drop(bundle);
    let written = (board.power().len() + board.traffic().len()) as u64;
    assert!(report.drops > 0, "{report}");
    assert_eq!(report.samples, written + report.drops);
    let drops = board.events().into_iter().filter(|row| row.kind == EventKind::Drop);
    assert_eq!(drops.map(|row| row.count).sum::<u64>(), report.drops);
}

#[test]
fn a_board_without_sensors_still_records_its_own_cost() {
    let board = FakeBoard::bare();
    let mut description = exynos5422();
    description.rails.clear();
    description.counters.clear();
    let bundle = board.bundle();
    let inventory = Inventory::discover(&description, &board.roots);
    let recorder = Recorder::start(inventory, &wall(), &bundle, &Settings::default()).unwrap();
    let report = recorder.stop(attend(&wall()));
    drop(bundle);
    assert_eq!((report.ticks, report.samples), (0, 0));
    assert_eq!(board.accounts().len(), 2, "one at the start, one at the end");
}
