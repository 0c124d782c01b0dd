//! CPU time as accounted in the kernel, against CPU time as the workload's own clocks show it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use wattline_ebpf::{CpuTime, EbpfError, Sched, Target};

use crate::workload::{Job, Used, Workload};

/// What the account may differ by from the workload's own clocks.
const TOLERANCE: f64 = 0.01;

fn read(sched: &mut Sched) -> (u64, Vec<CpuTime>) {
    let mut times = vec![CpuTime::default(); sched.cpus()];
    let t_ns = sched.read(&mut times);
    (t_ns, times)
}

fn target_ns(times: &[CpuTime]) -> u64 {
    times.iter().map(|time| time.target_ns).sum()
}

fn assert_near(accounted_ns: u64, used_ns: u64, what: &str) {
    let error = accounted_ns as f64 / used_ns as f64 - 1.0;
    println!("{what}: accounted {accounted_ns} ns, used {used_ns} ns: {:+.3} %", 100.0 * error);
    assert!(error.abs() <= TOLERANCE, "{what}: {accounted_ns} ns accounted, {used_ns} ns used");
}

/// The workload's threads, each pinned to a CPU, against the account of that CPU.
fn assert_cpu_by_cpu(times: &[CpuTime], used: &[Used]) {
    assert!(!used.is_empty());
    for (cpu, used_ns) in used {
        let cpu = cpu.unwrap();
        assert_near(times[cpu].target_ns, *used_ns, &format!("CPU {cpu}"));
    }
}

pub(crate) fn threads_of_a_tree_are_accounted_cpu_by_cpu() {
    assert_in_full(Job::Threads);
}

/// Hundreds of thousands of slices of a microsecond or two, each stamped by the scheduler's clock.
pub(crate) fn threads_that_switch_all_the_time_are_accounted() {
    assert_in_full(Job::PingPong);
}

/// What a tree used is accounted, and with what others used and idle time all the time that passed.
fn assert_in_full(job: Job) {
    let mut workload = Workload::start(job);
    let mut sched = Sched::attach(Target::Tree(workload.pid())).unwrap();
    let (start_ns, before) = read(&mut sched);
    let used = workload.work();
    let (end_ns, after) = read(&mut sched);
    // Where this fails: a task that was not followed is in the time of others.
    eprintln!("untracked {}, before {before:?}, after {after:?}", sched.untracked());
    assert_cpu_by_cpu(&after, &used);
    for (before, after) in before.iter().zip(&after) {
        let passed = |time: &CpuTime| time.busy_ns() + time.idle_ns;
        let passed_ns = passed(after) - passed(before);
        assert!(passed_ns.abs_diff(end_ns - start_ns) < 1_000_000, "{passed_ns}");
    }
    workload.end();
}

pub(crate) fn a_child_that_outlives_its_parent_is_followed() {
    let mut workload = Workload::start(Job::Orphan);
    let mut sched = Sched::attach(Target::Tree(workload.pid())).unwrap();
    let used = workload.work();
    assert_cpu_by_cpu(&read(&mut sched).1, &used);
    workload.end();
}

pub(crate) fn a_thousand_children_are_followed_and_none_is_kept() {
    let mut workload = Workload::start(Job::Children);
    let mut sched = Sched::attach(Target::Tree(workload.pid())).unwrap();
    let used = workload.work();
    assert!(target_ns(&read(&mut sched).1) >= used[0].1, "what the children used is in");
    assert_eq!(sched.untracked(), 0);
    assert_eq!(sched.tracked(), 1, "only the root is left");
    workload.end();
    // Its last switch comes after its end is seen.
    for _ in 0..100 {
        if sched.tracked() == 0 {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(sched.tracked(), 0, "nothing is left");
}

pub(crate) fn what_runs_now_is_in_and_nothing_goes_back() {
    let mut sched = Sched::attach(Target::Machine).unwrap();
    let (mut last_ns, mut last) = read(&mut sched);
    for _ in 0..100_000 {
        let (now_ns, now) = read(&mut sched);
        for (last, now) in last.iter().zip(&now) {
            assert!(now.target_ns >= last.target_ns && now.idle_ns >= last.idle_ns);
            let passed = now.busy_ns() + now.idle_ns - last.busy_ns() - last.idle_ns;
            // Within what reading two clocks may differ by.
            assert!(passed.abs_diff(now_ns - last_ns) < 1_000_000, "{last:?} {now:?}");
            assert_eq!(now.other_ns, 0, "everything is the machine's");
        }
        (last_ns, last) = (now_ns, now);
    }
}

/// A cgroup of the version 2 hierarchy with a process in it, removed when dropped.
struct Cgroup(PathBuf);

impl Cgroup {
    fn make(root: &Path, name: &str) -> Self {
        let path = root.join(format!("wattline-test-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Cgroup(path)
    }

    fn hold(&self, pid: u32) {
        std::fs::write(self.0.join("cgroup.procs"), pid.to_string()).unwrap();
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for _ in 0..100 {
            if std::fs::remove_dir(&self.0).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

pub(crate) fn a_cgroup_and_those_below_it_are_accounted() {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"));
    let Some(root) = mount.and_then(|line| line.split(' ').nth(1)) else {
        assert!(std::env::var_os("CI").is_none(), "CI must mount cgroup2");
        eprintln!("SKIPPED a_cgroup_and_those_below_it_are_accounted: no cgroup2 is mounted");
        return;
    };
    let outer = Cgroup::make(Path::new(root), "outer");
    let inner = Cgroup::make(&outer.0, "inner");
    let mut workload = Workload::start(Job::Threads);
    inner.hold(workload.pid());
    let mut sched = Sched::attach(Target::Cgroup(outer.0.clone())).unwrap();
    let used = workload.work();
    assert_cpu_by_cpu(&read(&mut sched).1, &used);
    workload.end();
    drop(inner);
}

pub(crate) fn a_target_that_does_not_exist_is_refused() {
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let refused = Sched::attach(Target::Tree(gone.id())).unwrap_err();
    assert!(matches!(refused, EbpfError::NoProcess { .. }), "{refused}");
    let refused = Sched::attach(Target::Cgroup("/tmp".into())).unwrap_err();
    assert!(matches!(refused, EbpfError::NoCgroup { .. }), "{refused}");
}
