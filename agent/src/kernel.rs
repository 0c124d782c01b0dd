//! What BPF programs in the kernel tell the recorder: whose CPU time it is, changes of frequency
//! and idle states, and what those programs cost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wattline_ebpf::{
    CpuTime, EbpfError, Frequency, Program, Sched, SelfMeter, Support, SupportRoots, Target, Watch,
};

use crate::inventory::Missing;
use crate::privileges::Capability;

/// Linux before this tells what a program cost only to who may load programs.
const TELLS_EVERYONE: (u32, u32) = (5, 19);

/// Programs that are attached; each may be absent.
#[derive(Debug, Default)]
pub(crate) struct Kernel {
    pub(crate) cpu_times: Option<CpuTimes>,
    pub(crate) frequency: Option<Frequency>,
    pub(crate) meter: Option<Meter>,
}

/// The CPU time of a target, read by more than one thread.
///
/// The account is the kernel's; readers take turns, and the sampler leaves a turn out rather than
/// wait for it. Times are cumulative, so that nothing is lost by that.
#[derive(Debug, Clone)]
pub struct CpuTimes {
    sched: Arc<Mutex<Sched>>,
    cpus: usize,
}

/// What programs cost, and what they lost.
#[derive(Debug)]
pub(crate) struct Meter(SelfMeter);

/// Time that BPF programs ran, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BpfCost {
    pub(crate) run_ns: u64,
    pub(crate) runs: u64,
}

impl Kernel {
    /// Attaches what can be, and meters it together with the programs in `others`. What is refused
    /// is told in one line, or in one for each where the reasons differ.
    pub(crate) fn attach(
        cpu_times: Result<CpuTimes, EbpfError>,
        watch: Watch,
        others: Vec<Program>,
        missing: &mut Vec<Missing>,
    ) -> Self {
        let mut programs = others;
        if let Err(error) = &cpu_times {
            missing.push(lacking("CPU time of the program", error, WITHOUT_SCHED));
            if !is_of_the_target(error) {
                return Kernel { meter: Meter::start(programs, missing), ..Kernel::default() };
            }
        }
        let frequency = Frequency::attach(watch).inspect_err(|error| {
            missing.push(lacking("frequency changes", error, WITHOUT_FREQUENCY));
        });
        let (cpu_times, frequency) = (cpu_times.ok(), frequency.ok());
        let own = [
            cpu_times.as_ref().and_then(|cpu_times| cpu_times.sched().programs().ok()),
            frequency.as_ref().and_then(|frequency| frequency.programs().ok()),
        ];
        programs.extend(own.into_iter().flatten().flatten());
        Kernel { cpu_times, frequency, meter: Meter::start(programs, missing) }
    }
}

impl Kernel {
    /// What reading needs once everything is attached: for the most part nothing.
    pub(crate) fn capabilities(&self) -> &'static [Capability] {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        if self.meter.is_some() && !tells_everyone(&release) { &[Capability::CAP_BPF] } else { &[] }
    }
}

fn tells_everyone(release: &str) -> bool {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit()).map(str::parse::<u32>);
    let version = (numbers.next(), numbers.next());
    matches!(version, (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= TELLS_EVERYONE)
}

const WITHOUT_SCHED: &str =
    "until then cpu.csv holds busy_ns of all programs, from /proc/stat, and no target_busy_ns";
const WITHOUT_FREQUENCY: &str = "until then frequencies are read from cpufreq once a second";
const WITHOUT_METER: &str = "until then agent.csv has no bpf_ns and no bpf_runs";

fn lacking(what: &str, error: &EbpfError, until_then: &str) -> Missing {
    Missing { what: what.to_owned(), why: error.to_string(), advice: until_then.to_owned() }
}

/// Whether an error is about the target alone, so that other programs may still be had.
fn is_of_the_target(error: &EbpfError) -> bool {
    matches!(
        error,
        EbpfError::NoProcess { .. } | EbpfError::PidNamespace { .. } | EbpfError::NoCgroup { .. }
    )
}

impl CpuTimes {
    /// Attaches what accounts a target's time, from now on.
    ///
    /// # Errors
    /// As [`Sched::attach`].
    pub fn attach(target: Target) -> Result<Self, EbpfError> {
        let sched = Sched::attach(target)?;
        let cpus = sched.cpus();
        Ok(CpuTimes { sched: Arc::new(Mutex::new(sched)), cpus })
    }

    /// The account itself, for who else follows its target. Nobody reads it meanwhile.
    pub fn sched(&self) -> MutexGuard<'_, Sched> {
        self.sched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many CPUs there may be: the length [`CpuTimes::read`] wants.
    pub fn cpus(&self) -> usize {
        self.cpus
    }

    /// Puts the account of CPU `i` since the programs were attached into `times[i]`; answers the
    /// instant it holds for, ns. Waits some microseconds if another thread is reading.
    pub fn read(&self, times: &mut [CpuTime]) -> u64 {
        self.sched().read(times)
    }

    /// The same, or `None` at once if another thread is reading. Allocates nothing and makes no
    /// system call.
    pub(crate) fn try_read(&self, times: &mut [CpuTime]) -> Option<u64> {
        Some(self.sched.try_lock().ok()?.read(times))
    }
}

impl Meter {
    /// `None` where there is nothing to meter, or it is refused.
    fn start(programs: Vec<Program>, missing: &mut Vec<Missing>) -> Option<Self> {
        if programs.is_empty() {
            return None;
        }
        let meter = SelfMeter::start(programs);
        let meter = meter.inspect_err(|error| {
            missing.push(lacking("the cost of BPF programs", error, WITHOUT_METER));
        });
        meter.ok().map(Meter)
    }

    /// What all programs together cost since they were attached; `None` if the kernel does not
    /// tell.
    pub(crate) fn cost(&mut self) -> Option<BpfCost> {
        let costs = self.0.costs().ok()?.iter();
        let none = BpfCost { run_ns: 0, runs: 0 };
        Some(costs.fold(none, |sum, cost| BpfCost {
            run_ns: sum.run_ns + cost.run_ns,
            runs: sum.runs + cost.runs,
        }))
    }
}

/// What the kernel behind these roots offers BPF programs; `None` of an emulated board, which has
/// no kernel of its own.
pub(crate) fn support(roots: &wattline_board::Roots) -> Option<Support> {
    let (procfs, sysfs) = (roots.procfs.clone(), roots.sysfs.clone());
    procfs.join("stat").exists().then(|| Support::detect(&SupportRoots { procfs, sysfs }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_kernels_tell_only_the_privileged_what_programs_cost() {
        let tells = ["5.18.99-x", "4.14.180", "5.19.0", "6.1.0-13-arm64", "what"];
        assert_eq!(tells.map(tells_everyone), [false, false, true, true, false]);
        assert!(Kernel::default().capabilities().is_empty(), "nothing is metered");
    }
}
