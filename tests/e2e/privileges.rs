//! Root is given up once everything that takes root is open.

use std::fs;

use crate::place::Place;
use crate::root;
use crate::running::Running;

const CAP_SYS_ADMIN: u64 = 1 << 21;
const CAP_DAC_OVERRIDE: u64 = 1 << 1;

#[test]
fn no_thread_that_records_keeps_root() {
    if !root::is_root("has privileges to give up") {
        return;
    }
    let place = Place::new();
    let line = "run --board emulated:exynos5422 --network squeezenet --on gpu --images 10000";
    let mut run = Running::start(&place, line);
    run.wait_for("power.csv", "VDD_ARM");
    let mut checked = Vec::new();
    for task in fs::read_dir(format!("/proc/{}/task", run.pid())).unwrap() {
        let task = task.unwrap().path();
        let name = fs::read_to_string(task.join("comm")).unwrap().trim().to_owned();
        let status = fs::read_to_string(task.join("status")).unwrap();
        for set in ["CapEff", "CapPrm"] {
            let line = status.lines().find(|line| line.starts_with(set)).unwrap();
            let held = u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap();
            let excess = held & (CAP_SYS_ADMIN | CAP_DAC_OVERRIDE);
            assert_eq!(excess, 0, "{name}: {set} {held:#x}");
        }
        checked.push(name);
    }
    checked.sort();
    checked.dedup();
    for thread in ["emulated-board", "recorder", "sampler", "trace-flusher", "wattline"] {
        assert!(checked.iter().any(|name| name == thread), "{thread} is not among {checked:?}");
    }
}
