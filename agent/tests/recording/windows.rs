//! Averaging windows: set, read back, restored.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use wattline_agent::{Inventory, Recorder, Settings, StartError, privileges};
use wattline_board::clock::{Clock, WallClock, attend};

use crate::fake::{FakeBoard, SENSORS, exynos5422};

fn settings() -> Settings {
    Settings { priority: None, lock_memory: false, ..Settings::default() }
}

fn wall() -> Arc<dyn Clock> {
    Arc::new(WallClock)
}

#[test]
fn the_wish_is_set_while_recording_and_what_was_there_comes_back() {
    let board = FakeBoard::exynos();
    fs::write(board.sensor(0x41).join("update_interval"), "141\n").unwrap();
    let bundle = board.bundle();
    let inventory = Inventory::discover(&exynos5422(), &board.roots);
    assert_eq!(board.interval(0x40), "35\n", "looking changes nothing");
    let recorder = Recorder::start(inventory, &wall(), &bundle, &settings()).unwrap();
    assert!(SENSORS.iter().all(|(_, address)| board.interval(*address) == "2\n"));
    assert!(recorder.rail_records(None).iter().all(|it| it.window_ns == 2_200_000));
    recorder.stop(attend(&wall()));
    assert_eq!(board.interval(0x40), "35\n");
    assert_eq!(board.interval(0x41), "141\n");
}

#[test]
fn what_the_driver_made_of_the_wish_is_what_counts() {
    let board = FakeBoard::exynos();
    let bundle = board.bundle();
    let file = board.sensor(0x40).join("update_interval");
    let inventory = Inventory::discover(&exynos5422(), &board.roots);
    // A driver that takes 9 ms where 7 are wished, a moment later.
    let driver = std::thread::spawn(move || {
        for _ in 0..1000 {
            if fs::read_to_string(&file).unwrap() == "7\n" {
                std::thread::sleep(Duration::from_millis(5));
                return fs::write(&file, "9\n").unwrap();
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        panic!("the wish never came");
    });
    let settings = Settings { update_interval_ms: Some(7), ..settings() };
    let recorder = Recorder::start(inventory, &wall(), &bundle, &settings).unwrap();
    driver.join().unwrap();
    assert_eq!(recorder.rail_records(None)[0].window_ns, 8_800_000);
    recorder.stop(attend(&wall()));
    assert_eq!(board.interval(0x40), "35\n");
}

#[test]
fn a_recorder_that_is_dropped_restores_too() {
    let board = FakeBoard::exynos();
    let bundle = board.bundle();
    let inventory = Inventory::discover(&exynos5422(), &board.roots);
    drop(Recorder::start(inventory, &wall(), &bundle, &settings()).unwrap());
    assert_eq!(board.interval(0x45), "35\n");
}

/// Settings are changed and restored through files opened before.
#[test]
fn no_privilege_is_needed_once_everything_is_open() {
    let board = FakeBoard::exynos();
    let recorded = std::thread::spawn(move || {
        let bundle = board.bundle();
        let inventory = Inventory::discover(&exynos5422(), &board.roots);
        privileges::drop_to(&[]).unwrap();
        let file = board.sensor(0x40).join("update_interval");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
        assert!(fs::write(&file, "9\n").is_err());
        let recorder = Recorder::start(inventory, &wall(), &bundle, &settings()).unwrap();
        assert_eq!(board.interval(0x40), "2\n");
        recorder.stop(attend(&wall()));
        assert_eq!(board.interval(0x40), "35\n");
    });
    recorded.join().unwrap();
}

#[test]
fn a_recorder_that_cannot_start_changes_nothing() {
    let board = FakeBoard::exynos();
    let bundle = board.bundle();
    let inventory = Inventory::discover(&exynos5422(), &board.roots);
    let settings = Settings { rate_hz: 0.0, ..settings() };
    let refused = Recorder::start(inventory, &wall(), &bundle, &settings);
    assert!(matches!(refused, Err(StartError::Rate { .. })));
    assert_eq!(board.interval(0x40), "35\n");
}

#[test]
fn without_a_wish_nothing_is_written() {
    let board = FakeBoard::exynos();
    fs::write(board.sensor(0x40).join("update_interval"), "not mine").unwrap();
    let bundle = board.bundle();
    let inventory = Inventory::discover(&exynos5422(), &board.roots);
    let settings = Settings { update_interval_ms: None, ..settings() };
    Recorder::start(inventory, &wall(), &bundle, &settings).unwrap().stop(attend(&wall()));
    assert_eq!(board.interval(0x40), "not mine");
}

#[test]
fn an_interval_that_makes_no_sense_is_noted_and_the_rail_recorded() {
    let board = FakeBoard::exynos();
    fs::write(board.sensor(0x40).join("update_interval"), "soon\n").unwrap();
    let bundle = board.bundle();
    let inventory = Inventory::discover(&exynos5422(), &board.roots);
    Recorder::start(inventory, &wall(), &bundle, &settings()).unwrap().stop(attend(&wall()));
    drop(bundle);
    assert!(board.power().iter().any(|row| row.rail == "VDD_ARM"));
    assert!(
        board.events().iter().any(|row| row.source == "VDD_ARM" && row.detail.contains("soon"))
    );
    assert_eq!(board.interval(0x40), "soon\n");
}

/// Hardkernel's 3.10 kernel: decimal files, switched off at boot.
#[test]
fn the_vendor_driver_is_switched_on_and_off_again() {
    let board = FakeBoard::bare();
    let directory = board.roots.sysfs.join("bus/i2c/drivers/INA231/3-0040");
    fs::create_dir_all(&directory).unwrap();
    let files = [
        ("sensor_name", "sensor_arm\n"),
        ("sensor_V", "1.128750\n"),
        ("sensor_A", "0.500000\n"),
        ("sensor_W", "0.564375\n"),
        ("enable", "0\n"),
        ("update_period", "20000 usec\n"),
    ];
    for (file, text) in files {
        fs::write(directory.join(file), text).unwrap();
    }
    let bundle = board.bundle();
    let inventory = Inventory::discover(&exynos5422(), &board.roots);
    assert_eq!(inventory.rail_names(), ["VDD_ARM"]);
    let recorder = Recorder::start(inventory, &wall(), &bundle, &settings()).unwrap();
    assert_eq!(fs::read_to_string(directory.join("enable")).unwrap(), "1\n");
    std::thread::sleep(Duration::from_millis(20));
    recorder.stop(attend(&wall()));
    drop(bundle);
    assert_eq!(fs::read_to_string(directory.join("enable")).unwrap(), "0\n");
    let rows = board.power();
    assert!(rows.iter().all(|row| row.window_ns == 20_000_000 && row.volts == 1.12875));
    assert!((rows[0].watts - 0.564375).abs() < 1e-12);
}
