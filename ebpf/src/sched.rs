//! Accounts CPU time to a target, at every switch of the scheduler.

use std::fs;
use std::io;
use std::sync::atomic::Ordering;

use libbpf_rs::{MapHandle, ProgramInput};
use nix::time::{ClockId, clock_gettime};

use crate::cgroup::{self, CgroupId};
use crate::mapping::Numbers;
use crate::object::{Loaded, Opened, compiled};
use crate::{CpuTime, EbpfError, Program, Step, Target, cpus, tree};

const NAME: &str = "sched";
/// The map that holds a byte for each process there may be.
pub(crate) const FOLLOWED_PROCESSES: &str = "followed";
const ON_SWITCH: &str = "on_switch";
const ON_FORK: &str = "on_fork";
const ON_EXIT: &str = "on_exit";
const BEGIN: &str = "begin";
const WHO_AM_I: &str = "who_am_i";

/// Processes in one entry of the map `followed`, and what it holds for each that is followed.
const PROCESSES: u32 = 64;
const STRANGER: u8 = 0;
const FOLLOWED: u8 = 1;

/// The highest number a process may have, PID_MAX_LIMIT in include/linux/threads.h.
const PID_LIMIT: u32 = 4 << 20;

/// `BPF_F_TEST_RUN_ON_CPU`: run a program on the CPU that is named.
const ON_CPU: u32 = 1;

/// Numbers of 64 bits in `struct account` of `bpf/sched.bpf.c`, and where each is.
const ACCOUNT: usize = 16;
const FIRST: usize = 4;
const RUNNING: usize = 5;
const UNTRACKED: usize = 6;
#[cfg(test)]
const PID: usize = 7;

/// Who runs, in the lowest bits of `running`; what is above them is since when.
const KIND_BITS: u32 = 2;

/// How often a reader looks again for an account that is not being changed. One switch takes
/// some hundred nanoseconds, so that a second look mostly does.
const LOOKS: usize = 100;

/// Accounts CPU time to a target, at every switch of the scheduler, in the kernel.
#[derive(Debug)]
pub struct Sched {
    loaded: Loaded,
    /// A byte for each process there may be.
    followed: Numbers,
    accounts: Numbers,
    /// Processes there were at the start that could not be followed.
    missed: u64,
    /// The last account of each CPU that could be read.
    last: Vec<CpuTime>,
}

impl Sched {
    /// Starts accounting: what runs now is accounted from now on.
    ///
    /// # Errors
    /// [`EbpfError::NoProcess`], [`EbpfError::PidNamespace`] and [`EbpfError::NoCgroup`] if there
    /// is no such target; else what keeps the programs from being loaded or attached.
    pub fn attach(target: Target) -> Result<Self, EbpfError> {
        let limit = fs::read_to_string("/proc/sys/kernel/pid_max");
        let limit = limit.ok().and_then(|limit| limit.trim().parse().ok()).unwrap_or(PID_LIMIT);
        Self::attach_below(target, limit)
    }

    /// Starts accounting; processes with numbers from `limit` on cannot be followed.
    fn attach_below(target: Target, limit: u32) -> Result<Self, EbpfError> {
        let mut opened = Opened::open(NAME, compiled!("sched.bpf.o"))?;
        let is_tree = matches!(target, Target::Tree(_));
        opened.set(".rodata.settings", &settings(&target)?)?;
        opened.size("accounts", cpus::possible() as u32)?;
        if !is_tree {
            opened.only(&[BEGIN, ON_SWITCH]);
        }
        let blocks = if is_tree { limit.div_ceil(PROCESSES) } else { 1 };
        opened.size(FOLLOWED_PROCESSES, blocks)?;
        let loaded = opened.load()?;
        let numbers = |map: &'static str, length| {
            Numbers::map(loaded.map(map)?, length).map_err(|source| EbpfError::Failed {
                program: NAME,
                step: Step::Use,
                what: format!("its map {map}"),
                source,
            })
        };
        let accounts = numbers("accounts", cpus::possible() * ACCOUNT)?;
        let followed =
            numbers(FOLLOWED_PROCESSES, (blocks * PROCESSES) as usize / size_of::<u64>())?;
        let last = vec![CpuTime::default(); cpus::possible()];
        let mut sched = Sched { loaded, followed, accounts, missed: 0, last };
        if let Target::Tree(root) = target {
            sched.follow(root)?;
        }
        sched.loaded.attach_as_named(ON_SWITCH)?;
        sched.begin()?;
        Ok(sched)
    }

    /// How many CPUs there may be: the length [`Sched::read`] wants.
    pub fn cpus(&self) -> usize {
        self.last.len()
    }

    /// Puts the account of CPU `i` into `times[i]`, with the time of what runs there now; answers
    /// the instant it holds for, ns. Allocates nothing and makes no system call. No number ever
    /// goes back.
    pub fn read(&mut self, times: &mut [CpuTime]) -> u64 {
        let mut now_ns = now_ns();
        // A switch after `now_ns` has been read makes it too old to be accounted for.
        for _ in 0..LOOKS {
            let cpus = 0..self.cpus();
            let switched = |cpu: usize| running(&self.accounts, cpu * ACCOUNT).1 > now_ns;
            for (cpu, time) in cpus.clone().zip(times.iter_mut()) {
                let found = account(&self.accounts, cpu * ACCOUNT, now_ns);
                *time = found.unwrap_or(self.last[cpu]);
            }
            if !cpus.into_iter().any(switched) {
                break;
            }
            now_ns = self::now_ns();
        }
        for (time, last) in times.iter_mut().zip(&mut self.last) {
            last.target_ns = last.target_ns.max(time.target_ns);
            last.other_ns = last.other_ns.max(time.other_ns);
            last.idle_ns = last.idle_ns.max(time.idle_ns);
            *time = *last;
        }
        now_ns
    }

    /// Processes of a tree that were not followed, because their number is above the `pid_max`
    /// there was: their time counts as that of others.
    pub fn untracked(&self) -> u64 {
        let untracked = |cpu: usize| self.accounts.get(cpu * ACCOUNT + UNTRACKED);
        self.missed + (0..self.cpus()).map(untracked).sum::<u64>()
    }

    /// How many processes of a tree are followed now.
    pub fn tracked(&self) -> usize {
        let any = self.followed.all().filter(|processes| *processes != 0);
        any.map(|processes| processes.to_ne_bytes().iter().filter(|state| **state != 0).count())
            .sum()
    }

    /// Whom it follows, for programs that look at nobody else.
    pub(crate) fn followed(&self) -> Result<MapHandle, EbpfError> {
        self.loaded.map(FOLLOWED_PROCESSES)
    }

    /// Its programs, for [`SelfMeter::start`](crate::SelfMeter::start).
    ///
    /// # Errors
    /// If file descriptors run out.
    pub fn programs(&self) -> Result<Vec<Program>, EbpfError> {
        self.loaded.programs(&[ON_SWITCH, ON_FORK, ON_EXIT])
    }

    /// Follows a process and what descends from it, from now on.
    fn follow(&mut self, root: u32) -> Result<(), EbpfError> {
        if !tree::is_alive(root) {
            return Err(EbpfError::NoProcess { pid: root });
        }
        // Kernels before 5.10 cannot run it; they are trusted.
        let seen = self.loaded.program(WHO_AM_I)?.test_run(ProgramInput::default());
        if seen.is_ok_and(|seen| seen.return_value != std::process::id()) {
            return Err(EbpfError::PidNamespace { pid: root });
        }
        self.loaded.attach_as_named(ON_FORK)?;
        self.loaded.attach_as_named(ON_EXIT)?;
        tree::each_descendant(root, |pid| match self.followed.byte(pid as usize) {
            Some(state) => {
                state.store(FOLLOWED, Ordering::Relaxed);
                // Had it ended before it was followed, nobody would tell.
                if !tree::is_alive(pid) {
                    state.store(STRANGER, Ordering::Relaxed);
                }
            }
            None => self.missed += 1,
        });
        if tree::is_alive(root) { Ok(()) } else { Err(EbpfError::NoProcess { pid: root }) }
    }

    /// Opens the account of every CPU. Where the kernel cannot (before 5.10; a CPU that is off),
    /// its first switch does.
    fn begin(&self) -> Result<(), EbpfError> {
        let begin = self.loaded.program(BEGIN)?;
        for cpu in 0..self.cpus() as u32 {
            let _ = begin.test_run(ProgramInput { cpu, flags: ON_CPU, ..ProgramInput::default() });
        }
        Ok(())
    }
}

/// `struct settings` of `bpf/sched.bpf.c`.
fn settings(target: &Target) -> Result<[u8; 16], EbpfError> {
    let nowhere = CgroupId { id: 0, level: 0 };
    let (number, cgroup) = match target {
        Target::Tree(_) => (0u32, nowhere),
        Target::Cgroup(path) => {
            let found = cgroup::find(path);
            (1, found.ok_or_else(|| EbpfError::NoCgroup { path: path.clone() })?)
        }
        Target::Machine => (2, nowhere),
    };
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&cgroup.id.to_ne_bytes());
    bytes[8..12].copy_from_slice(&number.to_ne_bytes());
    bytes[12..].copy_from_slice(&cgroup.level.to_ne_bytes());
    Ok(bytes)
}

/// The account that begins at `base`, at `now_ns`. `None` if it was being changed at every look,
/// or nothing is in it yet.
///
/// Its sums and the instant of its first entry add up to the instant of its last; if they do not,
/// then part of a change was seen. That needs no lock and no memory barrier, on any machine.
fn account(numbers: &Numbers, base: usize, now_ns: u64) -> Option<CpuTime> {
    for _ in 0..LOOKS {
        let (kind, since_ns) = running(numbers, base);
        let mut ns = [0, 1, 2].map(|kind| numbers.get(base + kind));
        let first_ns = numbers.get(base + FIRST);
        let sum = ns.iter().fold(first_ns, |sum, ns| sum.wrapping_add(*ns));
        if sum != since_ns {
            std::hint::spin_loop();
            continue;
        }
        if since_ns == 0 {
            return None;
        }
        if let Some(ns) = ns.get_mut(kind) {
            *ns += now_ns.saturating_sub(since_ns);
        }
        let [target_ns, other_ns, idle_ns] = ns;
        return Some(CpuTime { target_ns, other_ns, idle_ns });
    }
    None
}

/// Who runs, and since when.
fn running(numbers: &Numbers, base: usize) -> (usize, u64) {
    let running = numbers.get(base + RUNNING);
    ((running & ((1 << KIND_BITS) - 1)) as usize, running >> KIND_BITS)
}

fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_err(io::Error::from);
    now.map_or(0, |now| std::time::Duration::from(now).as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::process::{Command, id};
    use std::sync::atomic::Ordering::Relaxed;
    use std::time::Duration;

    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    use nix::unistd::{ForkResult, Pid, fork};

    use super::*;

    #[test]
    fn processes_that_cannot_be_followed_are_counted() {
        if !crate::has_root_for("processes_that_cannot_be_followed_are_counted") {
            return;
        }
        let sched = Sched::attach_below(Target::Tree(id()), id() + 1).unwrap();
        // Numbers go up, and the block that holds ours ends soon.
        let enough = (0..1000).any(|_| {
            assert!(Command::new("true").status().unwrap().success());
            sched.untracked() > 0
        });
        assert!(enough, "{} processes are followed", sched.tracked());
    }

    /// The scheduler's clock tells the instant of a switch: two threads on one CPU wake each other,
    /// and each switch was after what one saw before it and before what the other saw next.
    #[test]
    fn a_switch_was_when_its_threads_say() {
        if !crate::has_root_for("a_switch_was_when_its_threads_say") {
            return;
        }
        const TRIPS: usize = 20_000;
        /// What an instant is off by at most, unless a hypervisor takes the CPU away just then.
        const ERROR_NS: u64 = 2000;
        let sched = Sched::attach(Target::Machine).unwrap();
        let (mut ping, pinged) = io::pipe().unwrap();
        let (mut pong, mut ponged) = io::pipe().unwrap();
        let (mut early, mut late) = (0, 0);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                stay_on_first_cpu();
                let mut byte = [0];
                while ping.read_exact(&mut byte).is_ok() {
                    ponged.write_all(&now_ns().to_ne_bytes()).unwrap();
                }
            });
            scope.spawn(|| {
                let mut pinged = pinged;
                stay_on_first_cpu();
                let mut before_ns = [0; 8];
                for _ in 0..TRIPS {
                    pinged.write_all(&[0]).unwrap();
                    pong.read_exact(&mut before_ns).unwrap();
                    let (_, switched_ns) = running(&sched.accounts, 0);
                    let after_ns = now_ns();
                    let before_ns = u64::from_ne_bytes(before_ns);
                    early += usize::from(switched_ns + ERROR_NS < before_ns);
                    late += usize::from(switched_ns > after_ns + ERROR_NS);
                }
            });
        });
        println!("of {TRIPS} switches {early} were too early, {late} too late");
        assert!(early + late < TRIPS / 100, "{early} too early, {late} too late");
    }

    /// A kernel may leave a switch out. The account then takes another to run, but gives who does
    /// its time once it leaves, even if the scheduler began to count anew meanwhile.
    #[test]
    fn a_switch_that_was_not_reported_takes_no_time_from_who_ran() {
        if !crate::has_root_for("a_switch_that_was_not_reported_takes_no_time_from_who_ran") {
            return;
        }
        const WORK: Duration = Duration::from_millis(100);
        const STRANGER_RUNS: u64 = 1;
        let anywhere = sched_getaffinity(Pid::from_raw(0)).unwrap();
        let (mut go, mut tell) = io::pipe().unwrap();
        // SAFETY: the child makes system calls and ends; it allocates nothing and takes no lock.
        let worker = match unsafe { fork() }.unwrap() {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                let _ = go.read(&mut [0]);
                stay_on_first_cpu();
                while cpu_time() < WORK {}
                // As its end does where sessions are scheduled as groups.
                let _ = sched_setaffinity(Pid::from_raw(0), &anywhere);
                // SAFETY: ends this process at once.
                unsafe { libc::_exit(0) }
            }
        };
        let mut sched = Sched::attach(Target::Tree(worker.as_raw() as u32)).unwrap();
        tell.write_all(&[0]).unwrap();
        while waitpid(worker, Some(WaitPidFlag::WNOHANG)).unwrap() == WaitStatus::StillAlive {
            sched.accounts.number(PID).store(id().into(), Relaxed);
            let running = sched.accounts.number(RUNNING);
            let now = running.load(Relaxed);
            let changed = now >> KIND_BITS << KIND_BITS | STRANGER_RUNS;
            let _ = running.compare_exchange(now, changed, Relaxed, Relaxed);
        }
        // Its last switch comes after its end is seen.
        while sched.tracked() > 0 {
            std::thread::yield_now();
        }
        let mut times = vec![CpuTime::default(); sched.cpus()];
        sched.read(&mut times);
        let accounted_ns: u64 = times.iter().map(|time| time.target_ns).sum();
        assert!(accounted_ns as f64 > 0.99 * WORK.as_nanos() as f64, "{accounted_ns} ns");
    }

    fn cpu_time() -> Duration {
        clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::MAX, Duration::from)
    }

    fn stay_on_first_cpu() {
        let mut cpus = CpuSet::new();
        cpus.set(0).and_then(|()| sched_setaffinity(Pid::from_raw(0), &cpus)).unwrap();
    }
}
