//! Accounts CPU time to a target, at every switch of the scheduler.

use std::io;

use libbpf_rs::{MapCore, MapFlags, MapHandle, ProgramInput};
use nix::time::{ClockId, clock_gettime};

use crate::cgroup::{self, CgroupId};
use crate::mapping::Numbers;
use crate::object::{Loaded, Opened, compiled};
use crate::{CpuTime, EbpfError, Program, Step, Target, cpus, tree};

const NAME: &str = "sched";
const ON_SWITCH: &str = "on_switch";
const ON_FORK: &str = "on_fork";
const ON_FREE: &str = "on_free";
const BEGIN: &str = "begin";
const WHO_AM_I: &str = "who_am_i";

/// `BPF_F_TEST_RUN_ON_CPU`: run a program on the CPU that is named.
const ON_CPU: u32 = 1;

/// Numbers of 64 bits in `struct account` of `bpf/sched.bpf.c`, and where each is.
const ACCOUNT: usize = 8;
const FIRST: usize = 4;
const RUNNING: usize = 5;
const UNTRACKED: usize = 6;

/// Who runs, in the lowest bits of `running`; what is above them is since when.
const KIND_BITS: u32 = 2;

/// How often a reader looks again for an account that is not being changed. One switch takes
/// some hundred nanoseconds, so that a second look mostly does.
const LOOKS: usize = 100;

/// Accounts CPU time to a target, at every switch of the scheduler, in the kernel.
#[derive(Debug)]
pub struct Sched {
    loaded: Loaded,
    followed: MapHandle,
    accounts: Numbers,
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
        let mut opened = Opened::open(NAME, compiled!("sched.bpf.o"))?;
        opened.set(".rodata.settings", &settings(&target)?)?;
        opened.size("accounts", cpus::possible() as u32)?;
        if matches!(target, Target::Tree(_)) {
            opened.only(&[BEGIN, WHO_AM_I, ON_SWITCH, ON_FORK, ON_FREE]);
        } else {
            opened.only(&[BEGIN, ON_SWITCH]);
            opened.size("followed", 1)?;
        }
        let loaded = opened.load()?;
        let accounts = Numbers::map(loaded.map("accounts")?, cpus::possible() * ACCOUNT);
        let accounts = accounts.map_err(|source| EbpfError::Failed {
            program: NAME,
            step: Step::Use,
            what: "its accounts".to_owned(),
            source,
        })?;
        let followed = loaded.map("followed")?;
        let last = vec![CpuTime::default(); cpus::possible()];
        let mut sched = Sched { loaded, followed, accounts, last };
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

    /// Processes of a tree that were not followed, because 16,384 were already: their time counts
    /// as that of others.
    pub fn untracked(&self) -> u64 {
        (0..self.cpus()).map(|cpu| self.accounts.get(cpu * ACCOUNT + UNTRACKED)).sum()
    }

    /// How many processes of a tree are followed now: those alive, and those not reaped yet.
    pub fn tracked(&self) -> usize {
        self.followed.keys().count()
    }

    /// Its programs, for [`SelfMeter::start`](crate::SelfMeter::start).
    ///
    /// # Errors
    /// If file descriptors run out.
    pub fn programs(&self) -> Result<Vec<Program>, EbpfError> {
        self.loaded.programs(&[ON_SWITCH, ON_FORK, ON_FREE])
    }

    /// Follows a process and what descends from it, from now on.
    fn follow(&mut self, root: u32) -> Result<(), EbpfError> {
        if !tree::is_process(root) {
            return Err(EbpfError::NoProcess { pid: root });
        }
        // Kernels before 5.10 cannot run it; they are trusted.
        let seen = self.loaded.program(WHO_AM_I)?.test_run(ProgramInput::default());
        if seen.is_ok_and(|seen| seen.return_value != std::process::id()) {
            return Err(EbpfError::PidNamespace { pid: root });
        }
        self.loaded.attach_as_named(ON_FORK)?;
        self.loaded.attach_as_named(ON_FREE)?;
        let (followed, loaded) = (&self.followed, &self.loaded);
        tree::each_descendant(root, |pid| {
            let forked_ns = 0u64.to_ne_bytes();
            let added = followed.update(&pid.to_ne_bytes(), &forked_ns, MapFlags::ANY);
            added.map_err(|error| loaded.failure(Step::Use, "the list of processes", error))
        })?;
        // Had it ended before it was followed, nobody would tell.
        if tree::is_process(root) { Ok(()) } else { Err(EbpfError::NoProcess { pid: root }) }
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
