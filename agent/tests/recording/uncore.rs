//! Traffic by perf PMUs, whose events are the kernel's software events here: the same system call,
//! groups and readings, on machines without such a PMU. A count of cpu-clock is a nanosecond.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wattline_agent::probe::Probe;
use wattline_agent::{Inventory, Recorder, Settings, privileges};
use wattline_board::RegisterSource;
use wattline_board::clock::{Clock, WallClock, attend};
use wattline_board::description::Description;
use wattline_board::registers::ppmu;
use wattline_trace::rows::{EventKind, EventRow, TrafficRow};
use wattline_trace::{CounterRecord, Provenance};

use crate::fake::{FakeBoard, exynos5422};

/// Codes of software events: time of a CPU, whatever it does, and switches between threads.
const CPU_CLOCK: u64 = 0;
const CONTEXT_SWITCHES: u64 = 3;

/// A board of which nothing is described but what computes.
fn undescribed() -> Description {
    let mut description = exynos5422();
    description.rails.clear();
    description.counters.clear();
    description.memory.counter = None;
    description
}

/// Whether the kernel lets us watch a CPU; said loudly where not.
fn allowed(inventory: &Inventory) -> bool {
    let refusal = inventory.missing().iter().find(|it| it.why.contains("Permission denied"));
    if let Some(refusal) = refusal {
        assert!(std::env::var_os("CI").is_none(), "not tested: {refusal}");
        eprintln!("NOT TESTED: {refusal}");
    }
    refusal.is_none()
}

/// What was recorded for some 300 ms: the rows, the counters' records, and the least and the most
/// time for which the counters counted.
fn record(
    board: &FakeBoard,
    description: &Description,
) -> Option<(Vec<TrafficRow>, Vec<CounterRecord>, [Duration; 2])> {
    let inventory = Inventory::discover(description, &board.roots);
    if !allowed(&inventory) {
        return None;
    }
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let settings = Settings {
        rate_hz: 200.0,
        update_interval_ms: None,
        priority: None,
        lock_memory: false,
        ..Settings::default()
    };
    let bundle = board.bundle();
    let begun = Instant::now();
    let recorder = Recorder::start(inventory, &clock, &bundle, &settings).unwrap();
    let recording = Instant::now();
    let mut records = recorder.counter_records(None);
    std::thread::sleep(Duration::from_millis(300));
    let least = recording.elapsed();
    let report = recorder.stop(attend(&clock));
    let most = begun.elapsed();
    report.mark_scaled(&mut records);
    drop(bundle);
    Some((board.traffic(), records, [least, most]))
}

/// Whether so many bytes are those of cpu-clock in a time between these, at 16 B a nanosecond.
fn is_cpu_clock(bytes: u64, [least, most]: [Duration; 2]) -> bool {
    let bytes = u128::from(bytes);
    (least.as_nanos() * 16 * 9 / 10..=most.as_nanos() * 16).contains(&bytes)
}

#[test]
fn a_controllers_pmu_becomes_the_dram_counter_of_a_board_that_describes_none() {
    let board = FakeBoard::bare();
    let events = [("read-bytes", CPU_CLOCK), ("write-bytes", CONTEXT_SWITCHES)];
    board.add_uncore_pmu("rockchip_ddr", 16, &events);
    let inventory = Inventory::discover(&undescribed(), &board.roots);
    assert_eq!(inventory.dram_source(), Some("rockchip_ddr"));
    let Some((rows, records, times)) = record(&board, &undescribed()) else { return };
    assert!(rows.iter().all(|row| row.source == *"rockchip_ddr" && row.port == *"all"));
    assert!(rows.windows(2).all(|it| it[0].t_ns < it[1].t_ns));
    assert!(rows.windows(2).all(|it| it[0].total_bytes <= it[1].total_bytes));
    let sum = |row: &TrafficRow| Some(row.read_bytes? + row.write_bytes?);
    assert!(rows.iter().all(|row| sum(row) == Some(row.total_bytes) && !row.scaled));
    let last = rows.last().unwrap();
    assert!(is_cpu_clock(last.read_bytes.unwrap(), times), "{last:?} {times:?}");
    assert!(last.write_bytes.unwrap() % 16 == 0);
    assert!(records[0].path.ends_with("devices/rockchip_ddr"), "{records:?}");
    assert_eq!((records[0].bytes_per_count, records[0].provenance), (16.0, Provenance::Measured));
    let events: Vec<EventRow> = board.rows();
    assert!(events.iter().all(|it| it.kind == EventKind::Note), "{events:?}");
}

#[test]
fn a_counter_of_both_together_splits_nothing() {
    let board = FakeBoard::bare();
    board.add_uncore_pmu("meson_ddr_bw", 16, &[("total_rw_bytes", CPU_CLOCK)]);
    let Some((rows, _, times)) = record(&board, &undescribed()) else { return };
    assert!(rows.len() > 10, "{rows:?}");
    assert!(rows.iter().all(|row| row.read_bytes.is_none() && row.write_bytes.is_none()));
    assert!(is_cpu_clock(rows.last().unwrap().total_bytes, times));
}

#[test]
fn a_pmu_takes_the_place_of_the_registers_it_owns() {
    let board = FakeBoard::exynos();
    let ports = ["dmc0_0", "dmc0_1", "dmc1_0", "dmc1_1"];
    let events: Vec<_> = ports
        .iter()
        .flat_map(|port| [("read", CPU_CLOCK), ("write", CONTEXT_SWITCHES)].map(|it| (port, it)))
        .map(|(port, (direction, code))| (format!("{port}-{direction}-beats"), code))
        .collect();
    let events: Vec<_> = events.iter().map(|(name, code)| (&name[..], *code)).collect();
    board.add_uncore_pmu("wattline_ppmu", 16, &events);
    let base = exynos5422().counters[1].bases[0];
    let window = board.registers(base, ppmu::SIZE);
    let Some((rows, records, times)) = record(&board, &exynos5422()) else { return };
    assert_eq!(window.read(ppmu::PMNC), 0, "its registers are left alone");
    let paths: Vec<_> = records.iter().map(|it| (&it.source[..], &it.path[..])).collect();
    assert_eq!(paths[0].0, "cci400", "of which there is no PMU");
    assert!(paths[1].0 == "ppmu" && paths[1].1.ends_with("wattline_ppmu"), "{paths:?}");
    assert_eq!(records[1].ports, ports);
    for port in ports {
        let last = rows.iter().rfind(|row| row.source == *"ppmu" && row.port == *port).unwrap();
        assert!(is_cpu_clock(last.read_bytes.unwrap(), times), "{last:?}");
    }
}

#[test]
fn a_pmu_that_does_not_tell_what_is_described_is_missing_and_its_registers_are_left_alone() {
    let board = FakeBoard::exynos();
    board.add_uncore_pmu("wattline_ppmu", 16, &[("cycles", CPU_CLOCK)]);
    let inventory = Inventory::discover(&exynos5422(), &board.roots);
    assert_eq!(inventory.counter_names(), ["cci400"]);
    let missing = inventory.missing().iter().find(|it| it.what == "counter ppmu").unwrap();
    assert!(missing.why.contains("wattline_ppmu") && !missing.advice.is_empty(), "{missing}");
}

#[test]
fn a_probe_says_what_counts_the_dram_and_what_is_not_recorded() {
    let board = FakeBoard::bare();
    let events = [("read-bytes", CPU_CLOCK), ("write-bytes", CONTEXT_SWITCHES)];
    board.add_uncore_pmu("rockchip_ddr", 16, &events);
    board.add_uncore_pmu("arm_cmn_0", 16, &events);
    let probe = Probe::run(&undescribed(), "test", &board.roots);
    let text = probe.to_string();
    if probe.counters.is_empty() {
        eprintln!("NOT TESTED: {text}");
        return;
    }
    let line = |part: &str| text.lines().find(|line| line.contains(part)).unwrap_or_default();
    assert!(line("perf PMU rockchip_ddr").contains("DRAM"), "{text}");
    assert!(line("16 B a count, measured").contains("all DRAM traffic"), "{text}");
    assert!(line("recorded as rockchip_ddr").contains("CPU 0"), "{text}");
    assert!(line("arm_cmn_0").contains("not recorded"), "{text}");
}

#[test]
fn a_probe_says_how_the_kernel_could_show_a_described_counter() {
    let board = FakeBoard::bare();
    let mut roots = board.roots.clone();
    // No such device: registers that nobody can map.
    roots.registers = RegisterSource::Directory(board.directory.path().join("none"));
    let text = Probe::run(&exynos5422(), "test", &roots).to_string();
    assert!(!text.contains("perf PMU of counter"), "an emulated board has no kernel\n{text}");
    if std::path::Path::new("/dev/mem").exists() {
        println!("skipped: this machine has /dev/mem, and mapping it here would be rude");
        return;
    }
    roots.registers = RegisterSource::DevMem;
    let node = roots.procfs.join("device-tree/soc/cci@10d20000");
    std::fs::create_dir_all(&node).unwrap();
    std::fs::write(node.join("compatible"), "arm,cci-400\0").unwrap();
    let text = Probe::run(&exynos5422(), "test", &roots).to_string();
    for part in [
        "perf PMU of counter cci400",
        "/soc/cci@10d20000 of the device tree has no PMU",
        "pmu@9000 { compatible = \"arm,cci-400-pmu,r1\"",
        "insmod wattline_cci.ko ppmu=0x10d00000,0x10d10000,0x10d60000,0x10d70000",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn without_privileges_the_refusal_says_what_to_do() {
    let refusal = std::thread::spawn(|| {
        let board = FakeBoard::bare();
        let events = [("read-bytes", CPU_CLOCK), ("write-bytes", CONTEXT_SWITCHES)];
        board.add_uncore_pmu("rockchip_ddr", 16, &events);
        privileges::drop_to(&[]).unwrap();
        let inventory = Inventory::discover(&undescribed(), &board.roots);
        inventory.missing().iter().map(ToString::to_string).collect::<Vec<_>>()
    });
    let refusal = refusal.join().unwrap();
    let level = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap();
    if level.trim().parse::<i32>().is_ok_and(|level| level <= 0) {
        eprintln!("NOT TESTED: kernel.perf_event_paranoid of {level} lets everybody count");
        return;
    }
    let refusal = refusal.iter().find(|it| it.contains("rockchip_ddr")).expect("refused");
    assert!(refusal.contains("CAP_PERFMON"), "{refusal}");
}
