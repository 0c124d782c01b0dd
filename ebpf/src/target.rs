//! Whose time is accounted, and the account.

use std::path::PathBuf;

/// Whose time on a CPU is accounted as the target's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A process, its threads, and every process that descends from it, also once the parent has
    /// gone. Attach before the process forks, or its earlier orphans are missed.
    Tree(u32),
    /// The processes in a cgroup of the version 2 hierarchy and in those below it.
    Cgroup(PathBuf),
    /// Everything but idle.
    Machine,
}

/// Where the time of one CPU went since [`Sched::attach`](crate::Sched::attach), cumulative.
///
/// The three add up to the time since the CPU was first seen. The target's is its CPU time as the
/// scheduler counts it, which leaves out what a hypervisor took and, on kernels that account
/// interrupts by themselves, those: they are with the others'. A slice begins and ends when the
/// scheduler decided so, by its own clock: a microsecond or two before the switch. A slice that goes on counts in full
/// until it ends; no number goes back, so that their sum may be ahead by what was left out of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// Time the target ran, ns.
    pub target_ns: u64,
    /// Time anything else ran, ns.
    pub other_ns: u64,
    /// Time nothing ran, ns.
    pub idle_ns: u64,
}

impl CpuTime {
    /// Time anything ran, ns.
    pub fn busy_ns(&self) -> u64 {
        self.target_ns + self.other_ns
    }
}

/// What one BPF program cost since the meter was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// The program's name.
    pub program: &'static str,
    /// Time it ran, ns.
    pub run_ns: u64,
    /// How often it ran.
    pub runs: u64,
    /// How often the kernel left it out because it was running on that CPU already.
    pub missed: u64,
}
