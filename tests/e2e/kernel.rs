//! What BPF programs account and report, on the real kernel.

use std::collections::HashMap;
use std::process::Command;

use crate::bundle::Table;
use crate::place::{Answer, Place};
use crate::root;

const WHY: &str = "BPF programs are loaded";

/// One sampling period at the rate that runs have if not told.
const PERIOD_NS: u64 = 1_000_000_000 / 450 + 1;

/// Never backwards, never more than all; answers the target's and all busy time, of all CPUs.
fn check_accounts(cpus: &Table) -> (u64, u64) {
    let mut last: HashMap<&str, (u64, u64, u64)> = HashMap::new();
    for row in cpus.rows() {
        let now = ["t_ns", "target_busy_ns", "busy_ns"].map(|column| row.integer(column));
        let now = (now[0], now[1], now[2]);
        assert!(now.1 <= now.2 + PERIOD_NS, "{row:?}");
        if let Some(before) = last.insert(row.text("cpu"), now) {
            assert!(before.0 < now.0, "{row:?} after {before:?}");
            assert!(before.1 <= now.1 && before.2 <= now.2, "{row:?} after {before:?}");
        }
    }
    last.values().fold((0, 0), |sum, it| (sum.0 + it.1, sum.1 + it.2))
}

#[test]
fn the_time_of_a_run_is_its_own() {
    if !root::is_root(WHY) {
        return;
    }
    let place = Place::alone();
    let run = "run --board host --network squeezenet --on cpu --images 20 --idle 0.2 --out trace";
    let answer = place.wattline(run).succeeded();
    answer.says(&["BPF ", " runs, 0 BPF events dropped"]);
    let bundle = place.bundle("trace");
    let cpus = bundle.table("cpu.csv");
    let (target_ns, busy_ns) = check_accounts(&cpus);
    let spans = bundle.table("spans.csv");
    let run = spans.only("kind", "run");
    let worked_ns = run.integer("end_ns") - run.integer("start_ns");
    println!("target {target_ns}, busy {busy_ns}, worked {worked_ns}");
    // Threads work at the same time; a machine that others use too gives them less of it.
    assert!(target_ns > worked_ns / 4, "{target_ns} of {worked_ns}");
    assert!(target_ns <= busy_ns);
    let agent = bundle.table("agent.csv");
    let last = agent.rows().last().unwrap();
    assert!(last.integer("bpf_ns") > 0 && last.integer("bpf_runs") > 0, "{last:?}");
    assert_eq!(last.integer("bpf_drops"), 0, "{last:?}");
    place.wattline("analyze trace --out results").succeeded().prints(&["BPF ", "of one core in"]);
}

/// What is recorded is the command, not who records it.
#[test]
fn the_time_of_a_recorded_command_is_not_the_agents() {
    if !root::is_root(WHY) {
        return;
    }
    let place = Place::alone();
    let own = env!("CARGO_BIN_EXE_wattline");
    let mark = "uprobe:wattline_inference::model::Model::open";
    let line = "record --board host --idle 0.5 --idle-states --out trace --image-mark";
    let command = format!("{line} {mark} -- {own} network inspect squeezenet");
    place.wattline(&command).succeeded();
    let bundle = place.bundle("trace");
    let (target_ns, busy_ns) = check_accounts(&bundle.table("cpu.csv"));
    assert!(0 < target_ns && target_ns < busy_ns, "{target_ns} of {busy_ns}");
    // Where CPUs sleep by cpuidle, they are seen to.
    let events = bundle.table("events.csv");
    let idle = events.rows().filter(|row| row.text("detail").contains("idle state")).count();
    let has_states = std::path::Path::new("/sys/devices/system/cpu/cpu0/cpuidle/state0").exists();
    println!("{idle} idle events; cpuidle: {has_states}");
    assert!(idle > 0 || !has_states);
    assert!(events.with("kind", "frequency").len() >= idle);
}

/// As an ordinary user of a machine where only root may load programs.
#[test]
fn without_the_capability_a_run_goes_on_and_says_so() {
    if !root::is_root("gives capabilities up") {
        return;
    }
    let place = Place::new();
    let run = "run --board host --network squeezenet --on cpu --images 2 --idle 0.1 --out trace";
    let (whole, mut bounded) = (place.command(run), Command::new("setpriv"));
    bounded.args(["--bounding-set", "-all"]).arg(whole.get_program()).args(whole.get_args());
    let output = bounded.current_dir(place.path("")).output().expect("setpriv, of util-linux");
    let answer = Answer::new(run, output).succeeded();
    answer.says(&["missing CPU time of the program", "not permitted", "/proc/stat"]);
    let bundle = place.bundle("trace");
    let cpus = bundle.table("cpu.csv");
    assert!(cpus.rows().count() > 0);
    for row in cpus.rows() {
        assert_eq!(row.text("target_busy_ns"), "", "{row:?}");
    }
    for row in bundle.table("agent.csv").rows() {
        let columns = ["bpf_ns", "bpf_runs", "bpf_drops"].map(|column| row.text(column));
        assert_eq!(columns, ["", "", ""], "{row:?}");
    }
    place.wattline("analyze trace --out results").succeeded();
}

/// An emulated board's CPUs are not those of this kernel.
#[test]
fn an_emulated_board_is_not_accounted() {
    let place = Place::new();
    let run = "run --board emulated:exynos5422 --network squeezenet --on gpu --images 2 \
               --clock virtual --out trace";
    place.wattline(run).succeeded();
    let bundle = place.bundle("trace");
    assert_eq!(bundle.table("cpu.csv").rows().count(), 0);
    assert!(bundle.table("agent.csv").rows().all(|row| row.text("bpf_ns").is_empty()));
}

#[test]
fn a_probe_says_what_there_is_for_bpf() {
    let place = Place::new();
    let answer = place.wattline("probe --board host").succeeded();
    answer.prints(&["BPF programs", "type information", "lockdown"]);
    let json = place.wattline("probe --board host --json").succeeded();
    let probe: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let findings = probe["bpf"]["findings"].as_array().unwrap();
    assert!(findings.len() > 5);
    assert!(findings.iter().all(|it| it["good"] == true || it["advice"].is_string()), "{probe}");
    let emulated = place.wattline("probe --board emulated:exynos5422 --json").succeeded();
    let probe: serde_json::Value = serde_json::from_str(&emulated.stdout).unwrap();
    assert!(probe["bpf"].is_null());
}
