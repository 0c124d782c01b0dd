//! What is found, and what is said about what is not.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use wattline_agent::{Inventory, privileges};
use wattline_board::RegisterSource;
use wattline_board::description::Description;
use wattline_trace::Provenance;

use crate::fake::{FakeBoard, exynos5422};

/// A board of which nothing is known.
fn unknown() -> Description {
    let mut description = exynos5422();
    description.rails.clear();
    description.counters.clear();
    description
}

#[test]
fn rails_are_told_apart_by_address_whatever_their_hwmon_numbers() {
    let board = FakeBoard::exynos();
    board.add_chip(1, "cpu_thermal", "thermal", &[("temp1_input", "45000\n")]);
    board.add_chip(3, "pwmfan", "5-0040", &[("in1_input", "5000\n"), ("curr1_input", "1\n")]);
    let inventory = Inventory::discover(&exynos5422(), &board.roots);
    assert_eq!(inventory.missing(), []);
    let records = inventory.rail_records(None);
    let found: Vec<_> = records.iter().map(|it| (it.name.as_str(), it.path.clone())).collect();
    let path = |address| board.sensor(address).display().to_string();
    let expected = [
        ("VDD_ARM", path(0x40)),
        ("VDD_MEM", path(0x41)),
        ("VDD_G3D", path(0x44)),
        ("VDD_KFC", path(0x45)),
    ];
    assert_eq!(found, expected);
    assert!(records.iter().all(|it| it.window_ns == 35_200_000 && it.volts_step == 1.25e-3));
    assert_eq!(inventory.counter_names(), ["cci400", "ppmu"]);
}

#[test]
fn counters_say_where_their_bytes_come_from() {
    let board = FakeBoard::exynos();
    let inventory = Inventory::discover(&exynos5422(), &board.roots);
    let records = inventory.counter_records(450.0, None);
    assert_eq!(records[0].provenance, Provenance::Estimated);
    assert_eq!((records[0].bytes_per_count, records[0].interval_ns), (64.0, 2_222_222));
    assert_eq!(records[1].provenance, Provenance::Measured);
    assert_eq!(records[1].ports, ["dmc0_0", "dmc0_1", "dmc1_0", "dmc1_1"]);
    let emulated = inventory.counter_records(450.0, Some(Provenance::Emulated));
    assert!(emulated.iter().all(|it| it.provenance == Provenance::Emulated));
}

#[test]
fn what_is_not_there_is_missing_with_advice_and_the_rest_is_found() {
    let board = FakeBoard::exynos();
    fs::remove_dir_all(board.sensor(0x44)).unwrap();
    fs::remove_file(board.sensor(0x45).join("name")).unwrap();
    let (cci, _) = board.roots.registers.locate(0x10d2_0000);
    fs::remove_file(cci).unwrap();
    let inventory = Inventory::discover(&exynos5422(), &board.roots);
    assert_eq!(inventory.rail_names(), ["VDD_ARM", "VDD_MEM"]);
    assert_eq!(inventory.counter_names(), ["ppmu"]);
    let missing: Vec<_> = inventory.missing().iter().map(|it| it.what.as_str()).collect();
    assert_eq!(missing, ["rail VDD_G3D", "rail VDD_KFC", "counter cci400"]);
    assert!(inventory.missing().iter().all(|it| !it.why.is_empty() && !it.advice.is_empty()));
}

#[test]
fn a_register_file_that_is_too_short_is_missing_not_a_crash() {
    let board = FakeBoard::exynos();
    board.add_registers(0x10d6_0000, 16);
    let inventory = Inventory::discover(&exynos5422(), &board.roots);
    assert_eq!(inventory.counter_names(), ["cci400"]);
    assert!(inventory.missing()[0].why.contains("10d60000"), "{:?}", inventory.missing());
}

#[test]
fn a_machine_without_dev_mem_says_what_to_do() {
    let board = FakeBoard::exynos();
    let mut roots = board.roots.clone();
    if std::path::Path::new("/dev/mem").exists() {
        println!("skipped: this machine has /dev/mem, and mapping it here would be rude");
        return;
    }
    roots.registers = RegisterSource::DevMem;
    let inventory = Inventory::discover(&exynos5422(), &roots);
    assert!(inventory.counter_names().is_empty());
    assert!(inventory.missing()[0].advice.contains("CONFIG_DEVMEM"));
}

#[test]
fn a_file_we_may_not_read_is_missing_with_advice() {
    let board = FakeBoard::exynos();
    let file = board.sensor(0x40).join("curr1_input");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    // Root reads every file, until it gives its capabilities up.
    let looked = std::thread::spawn(move || {
        privileges::drop_to(&[]).unwrap();
        let inventory = Inventory::discover(&exynos5422(), &board.roots);
        assert_eq!(inventory.rail_names(), ["VDD_MEM", "VDD_G3D", "VDD_KFC"]);
        assert!(inventory.missing()[0].advice.contains("root"));
    });
    looked.join().unwrap();
}

#[test]
fn on_an_unknown_board_whatever_reports_power_is_a_rail() {
    let board = FakeBoard::bare();
    board.add_chip(0, "amdgpu", "a", &[("in0_input", "800\n"), ("power1_average", "9000000\n")]);
    board.add_chip(1, "BAT0", "b", &[("in1_input", "12000\n"), ("curr1_input", "800\n")]);
    let channels = [("power1_input", "1000000\n"), ("power2_input", "2000000\n")];
    let meter = board.add_chip(2, "meter", "c", &channels);
    fs::write(meter.join("power2_label"), "dram\n").unwrap();
    board.add_chip(3, "nvme", "d", &[("temp1_input", "45000\n"), ("curr1_input", "3\n")]);
    let pairs = [("in1_input", "5000\n"), ("curr1_input", "100\n")];
    board.add_chip(4, "ina3221", "1-0040", &pairs);
    board.add_ina231(5, 0x4a);
    let off = board.add_chip(6, "switched", "e", &[("power1_input", "1\n")]);
    fs::write(off.join("power1_enable"), "0\n").unwrap();
    let inventory = Inventory::discover(&unknown(), &board.roots);
    let mut names = inventory.rail_names();
    names.sort_unstable();
    assert_eq!(names, ["BAT0", "amdgpu", "ina231", "meter", "meter:dram"]);
    assert_eq!(inventory.missing().len(), 1);
    assert!(inventory.missing()[0].why.contains("switched off"));
}

#[test]
fn a_machine_with_nothing_has_nothing() {
    let board = FakeBoard::bare();
    let inventory = Inventory::discover(&unknown(), &board.roots);
    assert!(inventory.rail_names().is_empty() && inventory.missing().is_empty());
}
