//! A recording from end to end on the virtual clock: the same rows every time.

use std::sync::Arc;

use wattline_agent::{AgentReport, Inventory, Recorder, Settings};
use wattline_board::clock::{Clock, VirtualClock, attend};
use wattline_trace::rows::{AgentRow, EventKind};

use crate::fake::{FakeBoard, FilesWorld, SENSORS, exynos5422};

const SECOND: u64 = 1_000_000_000;
const START: u64 = 500 * SECOND;
const WINDOW: u64 = 2_200_000;

fn record(board: &FakeBoard, milliamps: fn(u64) -> u64, settings: &Settings) -> AgentReport {
    let world = FilesWorld::new(board, WINDOW, milliamps);
    let clock: Arc<dyn Clock> = Arc::new(VirtualClock::new(world, START));
    let attendance = attend(&clock);
    let bundle = board.bundle();
    let inventory = Inventory::discover(&exynos5422(), &board.roots);
    let recorder = Recorder::start(inventory, &clock, &bundle, settings).unwrap();
    assert_eq!(clock.now_ns(), START + 20_000_000, "the sensors were given time");
    clock.sleep_until(START + SECOND);
    recorder.note(EventKind::Note, "test", "half-time");
    clock.sleep_until(START + 2 * SECOND + 20_000_000);
    recorder.stop(attendance)
}

#[test]
fn every_conversion_is_a_row_in_order_and_nothing_is_late() {
    let board = FakeBoard::exynos();
    let report = record(&board, |conversion| 500 + conversion % 997, &Settings::default());
    let power = board.power();
    for (address, rail) in
        SENSORS.map(|(_, it)| it).into_iter().zip(["VDD_ARM", "VDD_MEM", "VDD_G3D", "VDD_KFC"])
    {
        let rows: Vec<_> = power.iter().filter(|row| row.rail == *rail).collect();
        // Two seconds at 450 Hz; the last sample is the one due when it was stopped.
        assert_eq!(rows.len(), 900, "{rail} at {address:#x}");
        assert!(rows.windows(2).all(|pair| pair[0].t_ns < pair[1].t_ns));
        for row in rows {
            let conversion = row.t_ns / WINDOW;
            assert_eq!(row.amps, (500 + conversion % 997) as f64 / 1e3);
            assert_eq!((row.volts, row.watts, row.window_ns), (1.0, row.amps, WINDOW));
        }
    }
    assert_eq!((report.ticks, report.overruns, report.drops, report.repeats), (900, 0, 0, 0));
    assert_eq!((report.lateness_p50_ns, report.lateness_p99_ns), (0, 0));
    let rows = power.len() + board.traffic().len();
    assert_eq!(report.samples as usize, rows);
    assert!(report.rails.iter().all(|rail| (rail.fresh_hz - 450.0).abs() < 1.0), "{report:?}");
}

/// A constant value is converted anew all the time.
#[test]
fn values_that_stay_equal_are_rows_too() {
    let board = FakeBoard::exynos();
    let report = record(&board, |_| 500, &Settings::default());
    assert!(report.rails.iter().all(|rail| rail.fresh_hz > 440.0), "{report}");
}

#[test]
fn repeats_of_slow_conversions_are_dropped_and_counted() {
    let board = FakeBoard::exynos();
    // Each value stands for 16 conversions of the fake, as a 35.2 ms window would.
    let settings = Settings { update_interval_ms: Some(35), ..Settings::default() };
    let report = record(&board, |conversion| 500 + conversion / 16 % 997, &settings);
    let fresh = board.power().iter().filter(|row| row.rail == *"VDD_ARM").count();
    assert!((56..=58).contains(&fresh), "2 s of 35.2 ms: {fresh}");
    assert_eq!(report.repeats as usize, 4 * 900 - board.power().len());
}

#[test]
fn traffic_is_exact_from_the_start_on() {
    let board = FakeBoard::exynos();
    record(&board, |_| 500, &Settings { counter_rate_hz: Some(100.0), ..Settings::default() });
    let traffic = board.traffic();
    let last = traffic.iter().rfind(|row| row.port == *"dmc1_1").unwrap();
    let start = (START + 20_000_000) / WINDOW;
    let conversions = last.t_ns / WINDOW - start;
    // 4.5e11 beats: the 32-bit counter wrapped a hundred times.
    let read_bytes = conversions * u64::from(FilesWorld::BEATS) * 16;
    assert_eq!((last.read_bytes, last.write_bytes), (Some(read_bytes), Some(read_bytes / 2)));
    assert_eq!((last.total_bytes, last.scaled), (read_bytes / 2 * 3, false));
    assert_eq!(traffic.iter().filter(|row| row.port == *"dmc1_1").count(), 200);
}

/// A queue far too short for the rate loses nothing: time stands still meanwhile.
#[test]
fn a_full_queue_makes_time_wait() {
    let board = FakeBoard::exynos();
    let settings = Settings { queue_capacity: 3, ..Settings::default() };
    let report = record(&board, |conversion| 500 + conversion % 997, &settings);
    assert_eq!(report.drops, 0);
    assert_eq!(report.samples as usize, board.power().len() + board.traffic().len());
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    let boards = [FakeBoard::exynos(), FakeBoard::exynos()];
    let files = boards.each_ref().map(|board| {
        record(board, |conversion| 500 + conversion * 7 % 31, &Settings::default());
        let read = |file| std::fs::read(board.directory.path().join("run").join(file)).unwrap();
        ["power.csv", "traffic.csv", "events.csv", "cpu.csv"].map(read)
    });
    assert!(files[0] == files[1]);
    let accounts = boards.each_ref().map(|board| {
        let without_cost = |row: AgentRow| AgentRow { cpu_ns: 0, resident_bytes: 0, ..row };
        board.accounts().into_iter().map(without_cost).collect::<Vec<_>>()
    });
    assert_eq!(accounts[0], accounts[1]);
    let stamps: Vec<_> = accounts[0].iter().map(|row| row.t_ns - START - 20_000_000).collect();
    assert_eq!(stamps[..3], [0, SECOND, 2 * SECOND]);
    let note = boards[0].events().into_iter().find(|row| row.source == *"test").unwrap();
    assert_eq!(note.t_ns, START + SECOND);
}
