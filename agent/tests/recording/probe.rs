//! What a probe says.

use std::fs;

use wattline_agent::probe::Probe;

use crate::fake::{FakeBoard, exynos5422};

#[test]
fn a_board_is_told_in_full() {
    let board = FakeBoard::exynos();
    let file = |path: &str, text: &str| {
        let path = board.roots.sysfs.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    file("bus/event_source/devices/uncore_imc_0/cpumask", "0\n");
    file("bus/event_source/devices/uncore_imc_0/events/data_reads", "event=1\n");
    file("bus/event_source/devices/uncore_imc_0/events/data_reads.unit", "MiB\n");
    file("bus/event_source/devices/armv7_cortex_a7/cpus", "0-3\n");
    file("class/powercap/intel-rapl:0/energy_uj", "1\n");
    file("class/powercap/intel-rapl:0/name", "package-0\n");
    file("devices/system/cpu/cpufreq/policy4/related_cpus", "4 5 6 7\n");
    file("devices/system/cpu/cpufreq/policy4/scaling_cur_freq", "2000000\n");
    let probe = Probe::run(&exynos5422(), "--board exynos5422", &board.roots);
    let text = probe.to_string();
    println!("{text}");
    for part in [
        "Odroid XU3",
        "--board exynos5422",
        "64 GFLOP/s",
        "VDD_ARM",
        "0x40",
        "1.000 V 0.500 A 0.500 W",
        "35.2 ms",
        "up to 455 Hz",
        "Exynos PPMU",
        "16 B a count",
        "uncore_imc_0",
        "data_reads",
        "package-0",
        "policy4",
        "CAP_SYS_NICE",
        "secure access",
        "→",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert!(!text.contains("data_reads.unit"));
    let json = serde_json::to_value(&probe).unwrap();
    assert_eq!(json["rails"][0]["now"]["watts"], 0.5);
    assert_eq!(json["counters"][0]["secure_access"], false);
    assert_eq!(board.interval(0x40), "35\n", "looking changes nothing");
}

#[test]
fn a_machine_with_no_sensor_is_told_so_plainly() {
    let board = FakeBoard::bare();
    let mut description = exynos5422();
    description.rails.clear();
    description.counters.clear();
    let text = Probe::run(&description, "detected", &board.roots).to_string();
    assert!(text.contains("no power sensor") && text.contains("power rails: none"), "{text}");
}
