//! Attached and detached a hundred times, nothing is left behind.

#![cfg(feature = "bpf")]

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use wattline_ebpf::{
    Arguments, Frequency, MarkSettings, Marks, Moment, Place, Probe, Sched, Scope, SelfMeter,
    Support, SupportRoots, Target, Watch,
};

#[inline(never)]
fn marked() {
    probe::probe!(wattline_lifecycle, marked);
}

/// Everything at once.
fn attach() -> (Sched, Frequency, Marks, SelfMeter) {
    let probe = Probe {
        binary: std::env::current_exe().unwrap(),
        place: Place::Usdt {
            provider: "wattline_lifecycle".into(),
            name: "marked".into(),
            moment: Moment::Begin,
        },
        arguments: Arguments::default(),
        cookie: 0,
    };
    let sched = Sched::attach(Target::Tree(std::process::id())).unwrap();
    let frequency = Frequency::attach(Watch::FrequencyAndIdle).unwrap();
    let scope = Scope::Process(std::process::id());
    let marks = Marks::attach(&[probe], scope, MarkSettings { buffer_bytes: 4096 }).unwrap();
    let programs = [sched.programs(), frequency.programs(), marks.programs()];
    let meter = SelfMeter::start(programs.into_iter().flat_map(Result::unwrap)).unwrap();
    (sched, frequency, marks, meter)
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// What the kernel calls our programs and maps: `prog_id` and `map_id` with numbers, each a line of
/// `/proc/self/fdinfo`.
fn held() -> BTreeSet<String> {
    let files = std::fs::read_dir("/proc/self/fdinfo").unwrap().flatten();
    let texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
    let lines: Vec<_> =
        texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let ids = ["prog_id:", "map_id:"];
    lines.into_iter().filter(|line| ids.iter().any(|id| line.starts_with(id))).collect()
}

/// Whether the kernel still has what a line of [`held`] names.
fn exists(line: &str) -> bool {
    use libbpf_rs::{MapHandle, Program};
    let (what, id) = line.split_once(':').unwrap();
    let id = id.trim().parse().unwrap();
    match what {
        "prog_id" => Program::fd_from_id(id).is_ok(),
        _ => MapHandle::from_map_id(id).is_ok(),
    }
}

#[test]
fn a_hundred_times() {
    if !Support::detect(&SupportRoots::default()).works() {
        assert!(std::env::var_os("CI").is_none(), "CI must be able to load BPF programs");
        // Not eprintln!, which the test harness captures.
        let _ = writeln!(std::io::stderr(), "SKIPPED a_hundred_times: it needs root and BPF");
        return;
    }
    // Once, so that what is opened for good is open.
    {
        let _once = attach();
    }
    let before = open_files();
    let mut ids = BTreeSet::new();
    for _ in 0..100 {
        let (mut sched, mut frequency, mut marks, mut meter) = attach();
        ids.extend(held());
        marked();
        let mut times = vec![wattline_ebpf::CpuTime::default(); sched.cpus()];
        sched.read(&mut times);
        frequency.drain(|_| ());
        assert_eq!(marks.drain(|_| ()), 1);
        let costs = meter.costs().unwrap();
        assert!(costs.iter().any(|cost| cost.program == "on_usdt" && cost.runs == 1), "{costs:?}");
    }
    assert_eq!(open_files(), before, "file descriptors");
    assert!(ids.len() > 700, "{}", ids.len());
    // The kernel frees maps and programs after a grace period.
    for _ in 0..100 {
        ids.retain(|id| exists(id));
        if ids.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(ids, BTreeSet::new(), "left in the kernel");
}
