//! Sensors that break while they are sampled.

use std::fs::{self, OpenOptions};
use std::sync::Arc;

use wattline_agent::{Inventory, Recorder, Settings};
use wattline_board::clock::{Clock, VirtualClock, attend};
use wattline_board::description::Description;
use wattline_trace::rows::{EventKind, EventRow};

use crate::fake::{FakeBoard, FilesWorld, exynos5422, show};

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_000 * SECOND;

fn changing(conversion: u64) -> u64 {
    500 + conversion % 100
}

/// Records two virtual seconds; `breakage` happens after the first.
fn record(board: &FakeBoard, breakage: impl FnOnce()) {
    record_described(board, &exynos5422(), breakage);
}

fn record_described(board: &FakeBoard, description: &Description, breakage: impl FnOnce()) {
    let world = FilesWorld::new(board, 35_200_000, changing);
    let clock: Arc<dyn Clock> = Arc::new(VirtualClock::new(world, START));
    let attendance = attend(&clock);
    let bundle = board.bundle();
    let inventory = Inventory::discover(description, &board.roots);
    let settings = Settings { rate_hz: 100.0, update_interval_ms: None, ..Settings::default() };
    let recorder = Recorder::start(inventory, &clock, &bundle, &settings).unwrap();
    clock.sleep_until(START + SECOND);
    breakage();
    clock.sleep_until(START + 3 * SECOND);
    recorder.stop(attendance);
}

fn events(board: &FakeBoard, kind: EventKind) -> Vec<EventRow> {
    board.events().into_iter().filter(|row| row.kind == kind).collect()
}

/// Rows of a rail after the breakage.
fn later(board: &FakeBoard, rail: &str) -> usize {
    let is_later = |t_ns: u64| t_ns > START + SECOND + SECOND / 10;
    board.power().iter().filter(|row| row.rail == *rail && is_later(row.t_ns)).count()
}

fn truncate(path: &std::path::Path) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap();
}

#[test]
fn one_dead_channel_among_four_is_given_up_and_the_others_go_on() {
    for text in ["", "garbage\n", "999999999\n", "99999999999999999999999\n"] {
        let board = FakeBoard::exynos();
        let volts = board.sensor(0x41).join("in1_input");
        record(&board, || {
            truncate(&volts);
            fs::write(&volts, text).unwrap();
        });
        assert_eq!(later(&board, "VDD_MEM"), 0, "{text:?}");
        assert!(later(&board, "VDD_ARM") > 50);
        let errors = events(&board, EventKind::SensorError);
        assert_eq!(errors.len(), 1, "once an episode: {errors:?}");
        assert_eq!(errors[0].source, *"VDD_MEM");
        let gone = events(&board, EventKind::ChannelGone);
        assert_eq!(gone.len(), 1);
        assert!(gone[0].detail.contains("100 failures"), "{gone:?}");
    }
}

#[test]
fn a_channel_that_recovers_is_sampled_again() {
    let board = FakeBoard::exynos();
    let volts = board.sensor(0x40).join("in1_input");
    let world = FilesWorld::new(&board, 35_200_000, changing);
    let clock: Arc<dyn Clock> = Arc::new(VirtualClock::new(world, START));
    let attendance = attend(&clock);
    let bundle = board.bundle();
    let inventory = Inventory::discover(&exynos5422(), &board.roots);
    let settings = Settings { rate_hz: 100.0, update_interval_ms: None, ..Settings::default() };
    let recorder = Recorder::start(inventory, &clock, &bundle, &settings).unwrap();
    truncate(&volts);
    clock.sleep_until(START + SECOND / 2);
    show(&volts, 1100);
    clock.sleep_until(START + 2 * SECOND);
    recorder.stop(attendance);
    drop(bundle);
    assert!(later(&board, "VDD_ARM") > 20);
    assert_eq!(events(&board, EventKind::SensorError).len(), 1);
    assert!(events(&board, EventKind::ChannelGone).is_empty());
}

#[test]
fn a_removed_device_is_gone_at_once_where_its_files_fail() {
    let board = FakeBoard::exynos();
    let volts = board.sensor(0x44).join("in1_input");
    record(&board, || {
        truncate(&volts);
        fs::remove_file(&volts).unwrap();
    });
    assert!(events(&board, EventKind::SensorError).is_empty());
    let gone = events(&board, EventKind::ChannelGone);
    assert_eq!((gone.len(), gone[0].source.as_str()), (1, "VDD_G3D"));
    assert!(gone[0].t_ns <= START + SECOND + 20_000_000, "at the next tick");
}

/// A held file that was unlinked goes on showing its last value.
#[test]
fn a_removed_device_whose_files_fall_silent_is_gone_after_64_windows() {
    let board = FakeBoard::exynos();
    for (_, address) in crate::fake::SENSORS {
        fs::write(board.sensor(address).join("update_interval"), "9\n").unwrap();
    }
    let directory = board.sensor(0x45);
    let volts = directory.join("in1_input");
    let current = directory.join("curr1_input");
    record(&board, || {
        fs::remove_file(&volts).unwrap();
        fs::rename(&current, directory.join("elsewhere")).unwrap();
        fs::write(&current, "1\n").unwrap();
    });
    let gone = events(&board, EventKind::ChannelGone);
    assert_eq!((gone.len(), gone[0].source.as_str()), (1, "VDD_KFC"), "{gone:?}");
    assert!(gone[0].t_ns > START + SECOND + 60 * 8_800_000);
}

#[test]
fn with_every_sensor_gone_recording_goes_on_and_says_so() {
    let board = FakeBoard::exynos();
    let mut without_counters = exynos5422();
    without_counters.counters.clear();
    record_described(&board, &without_counters, || {
        for (_, address) in crate::fake::SENSORS {
            let volts = board.sensor(address).join("in1_input");
            truncate(&volts);
            fs::remove_file(volts).unwrap();
        }
    });
    assert_eq!(events(&board, EventKind::ChannelGone).len(), 4);
    let said: Vec<_> = events(&board, EventKind::Note);
    assert_eq!(said.len(), 1);
    assert!(said[0].detail.contains("no sensor is left"));
    assert!(board.accounts().len() >= 3);
}
