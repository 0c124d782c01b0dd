//! Root is given up once everything that takes root is open.

use std::fs;

use crate::place::Place;
use crate::root;
use crate::running::Running;

/// Real-time priority, locked memory, and, for the cost of BPF programs, `CAP_BPF` on Linux before
/// 5.19.
const KEPT: u64 = 1 << 23 | 1 << 14 | 1 << 39;

/// Once `line` runs and table `file` says `text`, none of its threads has more than that.
fn none_keeps_root(line: &str, file: &str, text: &str, threads: &[&str]) {
    if !root::is_root("has privileges to give up") {
        return;
    }
    let place = Place::new();
    let mut run = Running::start(&place, line);
    run.wait_for(file, text);
    let mut checked = Vec::new();
    for task in fs::read_dir(format!("/proc/{}/task", run.pid())).unwrap() {
        let task = task.unwrap().path();
        let name = fs::read_to_string(task.join("comm")).unwrap().trim().to_owned();
        let status = fs::read_to_string(task.join("status")).unwrap();
        for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
            let line = status.lines().find(|line| line.starts_with(set)).unwrap();
            let held = u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap();
            assert_eq!(held & !KEPT, 0, "{name}: {set} {held:#x}");
        }
        checked.push(name);
    }
    for thread in threads {
        assert!(checked.iter().any(|name| name == thread), "{thread} is not among {checked:?}");
    }
}

#[test]
fn no_thread_that_records_keeps_root() {
    let line = "run --board emulated:exynos5422 --network squeezenet --on gpu --images 10000";
    let threads = ["emulated-board", "recorder", "sampler", "trace-flusher", "wattline"];
    none_keeps_root(line, "power.csv", "VDD_ARM", &threads);
}

/// Nor one that computes: here the network really runs.
#[test]
fn no_thread_on_a_real_machine_keeps_root() {
    let line =
        "run --board host --network squeezenet --on cpu --threads 2 --idle 0.1 --images 10000";
    let threads = ["recorder", "sampler", "trace-flusher", "wattline"];
    none_keeps_root(line, "spans.csv", "image,squeezenet,", &threads);
}
