//! Hardware counters, by the kernel's software events: the same system call, groups and readings,
//! on machines without a PMU too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wattline_agent::{Inventory, Recorder, Settings, privileges};
use wattline_board::clock::{Clock, WallClock, attend};
use wattline_trace::Provenance;
use wattline_trace::rows::CounterRow;

use crate::fake::{FakeBoard, exynos5422};

fn settings() -> Settings {
    Settings {
        rate_hz: 200.0,
        update_interval_ms: None,
        priority: None,
        lock_memory: false,
        ..Settings::default()
    }
}

/// Why the kernel does not let us watch a CPU, said loudly; a test has nothing to look at then.
fn refused(inventory: &Inventory) -> bool {
    let refusal = inventory.missing().iter().find(|it| it.why.contains("Permission denied"));
    if let Some(refusal) = refusal {
        eprintln!("NOT TESTED: {refusal}");
    }
    refusal.is_some()
}

#[test]
fn a_group_of_events_counts_what_the_cpu_does() {
    let board = FakeBoard::bare();
    board.add_software_pmu();
    let inventory = Inventory::discover(&exynos5422(), &board.roots);
    if refused(&inventory) {
        return;
    }
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let bundle = board.bundle();
    let begun = Instant::now();
    let recorder = Recorder::start(inventory, &clock, &bundle, &settings()).unwrap();
    let records = recorder.hardware_counter_records();
    let recording = Instant::now();
    std::thread::sleep(Duration::from_millis(400));
    let least = recording.elapsed();
    recorder.stop(attend(&clock));
    let most = begun.elapsed();
    drop(bundle);

    let rows: Vec<CounterRow> = board.rows();
    let of = |event: &str| -> Vec<u64> {
        let rows = rows.iter().filter(|row| row.component == *"a7" && row.event == *event);
        rows.inspect(|row| assert!(!row.scaled && row.t_ns.is_some()))
            .map(|row| row.value)
            .collect()
    };
    // `cycles` is the kernel's cpu-clock here: nanoseconds of a CPU, whatever it does.
    let cycles = of("cycles");
    let last = u128::from(*cycles.last().unwrap());
    assert!(last >= least.as_nanos() * 9 / 10 && last <= most.as_nanos(), "{last} {least:?}");
    for event in ["cycles", "instructions", "l2d_cache_refill", "l2d_cache_wb", "bus_access"] {
        let values = of(event);
        assert_eq!(values.len(), cycles.len(), "{event}");
        assert!(values.windows(2).all(|it| it[0] <= it[1]), "{event}: {values:?}");
    }
    let traffic = of("l2d_cache_refill").into_iter().zip(of("l2d_cache_wb"));
    let bytes: Vec<u64> =
        traffic.map(|(refills, write_backs)| 64 * (refills + write_backs)).collect();
    assert_eq!(of("bytes_estimated"), bytes);
    let estimates: Vec<_> =
        records.iter().filter(|it| it.provenance == Provenance::Estimated).collect();
    assert_eq!(estimates.len(), 1);
    assert_eq!((&estimates[0].event[..], &estimates[0].cpus[..]), ("bytes_estimated", &[0][..]));
    assert_eq!(records.len(), 6);
}

#[test]
fn a_probe_lists_what_would_be_counted() {
    let board = FakeBoard::bare();
    board.add_software_pmu();
    let probe = wattline_agent::probe::Probe::run(&exynos5422(), "test", &board.roots);
    let text = probe.to_string();
    if probe.hardware_counters.is_empty() {
        eprintln!("NOT TESTED: {text}");
        return;
    }
    for part in
        ["hardware counters", "armv7_cortex_a7", "CPUs 0", "all the time", "bytes_estimated"]
    {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert!(text.contains("hardware counters of a15"), "the other cluster has none:\n{text}");
}

#[test]
fn without_privileges_the_refusal_says_what_to_do() {
    let refusal = std::thread::spawn(|| {
        let board = FakeBoard::bare();
        board.add_software_pmu();
        let setting = board.roots.procfs.join("sys/kernel/perf_event_paranoid");
        std::fs::create_dir_all(setting.parent().unwrap()).unwrap();
        let level = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap();
        std::fs::write(setting, &level).unwrap();
        privileges::drop_to(&[]).unwrap();
        let inventory = Inventory::discover(&exynos5422(), &board.roots);
        let missing = inventory.missing().iter().find(|it| it.what.ends_with("counters of a7"));
        (missing.map(ToString::to_string), level)
    });
    let (refusal, level) = refusal.join().unwrap();
    if level.trim().parse::<i32>().is_ok_and(|level| level <= 0) {
        eprintln!("NOT TESTED: kernel.perf_event_paranoid of {level} lets everybody count");
        return;
    }
    let refusal = refusal.expect("refused");
    for part in ["Permission denied", level.trim(), "CAP_PERFMON", "kernel.perf_event_paranoid=0"] {
        assert!(refusal.contains(part), "{part:?} is not in {refusal}");
    }
}
