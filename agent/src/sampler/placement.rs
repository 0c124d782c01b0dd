//! Which CPU the sampler wakes on.
//!
//! A real-time thread is woken where it last ran, whoever runs there and however idle other CPUs
//! are [select_task_rq_rt in kernel/sched/rt.c]. Left alone it could interrupt what it watches at
//! every sample beside an idle CPU. So now and then it moves to the CPU that the target uses
//! least.

use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;

/// It looks for a better CPU this often.
const LOOK_NS: u64 = 250_000_000;

/// It stays unless the target uses another CPU less by this share of the time.
const WORTHWHILE: f64 = 0.1;

/// The calling thread, zero.
const MYSELF: Pid = Pid::from_raw(0);

/// Where the calling thread wakes.
#[derive(Debug)]
pub(super) struct Placement {
    /// The CPUs it may use at all.
    allowed: CpuSet,
    /// When it last looked, and the target's time on each CPU then.
    since_ns: u64,
    before_ns: Vec<u64>,
}

impl Placement {
    /// For the calling thread; `None` if the system does not say where it may run.
    pub(super) fn of_this_thread(cpus: usize) -> Option<Self> {
        let allowed = sched_getaffinity(MYSELF).ok()?;
        Some(Placement { allowed, since_ns: 0, before_ns: vec![0; cpus] })
    }

    /// Until `t_ns` the target ran on CPU `i` for `target_ns(i)`: moves if that is worthwhile.
    /// Allocates nothing.
    pub(super) fn settle(&mut self, t_ns: u64, target_ns: impl Fn(usize) -> u64) {
        let passed_ns = t_ns.saturating_sub(self.since_ns);
        if passed_ns < LOOK_NS {
            return;
        }
        let first = self.since_ns == 0;
        self.since_ns = t_ns;
        let Ok(here) = sched_getcpu() else { return };
        let used_ns = |cpu: usize| target_ns(cpu).saturating_sub(self.before_ns[cpu]);
        let may = |cpu: usize| self.allowed.is_set(cpu).unwrap_or(false);
        let enough_ns = (passed_ns as f64 * WORTHWHILE) as u64;
        let better = better_cpu(self.before_ns.len(), here, enough_ns, used_ns, may);
        for (cpu, before_ns) in self.before_ns.iter_mut().enumerate() {
            *before_ns = target_ns(cpu);
        }
        if let (Some(cpu), false) = (better, first) {
            let mut only = CpuSet::new();
            // One that was switched off meanwhile is refused, and nothing changes.
            let _ = only.set(cpu).and_then(|()| sched_setaffinity(MYSELF, &only));
        }
    }
}

/// The CPU that is used least of those one may go to, if it is used less by more than `enough_ns`
/// than the one at hand.
fn better_cpu(
    cpus: usize,
    here: usize,
    enough_ns: u64,
    used_ns: impl Fn(usize) -> u64,
    may: impl Fn(usize) -> bool,
) -> Option<usize> {
    if here >= cpus {
        return None;
    }
    let least = (0..cpus).filter(|&cpu| may(cpu)).min_by_key(|&cpu| used_ns(cpu))?;
    (used_ns(least).saturating_add(enough_ns) < used_ns(here)).then_some(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cpu_that_is_used_clearly_less_is_better() {
        let better = |here, used: [u64; 4], may: [bool; 4]| {
            better_cpu(4, here, 10, |cpu| used[cpu], |cpu| may[cpu])
        };
        let all = [true; 4];
        assert_eq!(better(1, [50, 100, 3, 7], all), Some(2));
        assert_eq!(better(1, [50, 100, 3, 7], [true, true, false, true]), Some(3));
        assert_eq!(better(3, [50, 100, 3, 7], all), None, "nearly as good");
        assert_eq!(better(0, [100; 4], all), None, "everybody is busy");
        assert_eq!(better(0, [100, 0, 0, 0], [true, false, false, false]), None);
        assert_eq!(better(9, [100; 4], all), None, "a CPU that is in no account");
    }

    #[test]
    fn a_thread_moves_away_from_what_it_watches() {
        let thread = std::thread::spawn(|| {
            let mut placement = Placement::of_this_thread(CpuSet::count()).unwrap();
            let allowed = |cpu: &usize| placement.allowed.is_set(*cpu).unwrap_or(false);
            let mut cpus = (0..CpuSet::count()).filter(allowed);
            let (Some(quiet), Some(_)) = (cpus.next(), cpus.next()) else {
                eprintln!("NOT CHECKED: there is one CPU, and nowhere to move to");
                return;
            };
            let busy = |seconds: u64| {
                move |cpu: usize| if cpu == quiet { 0 } else { seconds * 1_000_000_000 }
            };
            for seconds in 1..20 {
                placement.settle(seconds * 1_000_000_000, busy(seconds));
            }
            assert_eq!(sched_getcpu().unwrap(), quiet);
        });
        thread.join().unwrap();
    }
}
