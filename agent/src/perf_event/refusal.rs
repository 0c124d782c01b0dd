//! Why a counter was not opened, and what to do about it.

use std::fs;
use std::io;

use wattline_board::Roots;

/// A counter that was not opened.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) cpu: u32,
    /// The event's index in the list that was to be opened.
    pub(crate) event: usize,
    pub(crate) error: io::Error,
}

/// What a refusal is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// This CPU is off.
    Cpu,
    /// This event is not counted here.
    Event,
    /// Nothing can be counted.
    Everything,
}

impl Refused {
    pub(crate) fn new(cpu: u32, event: usize, error: io::Error) -> Self {
        Refused { cpu, event, error }
    }

    /// [perf_event_open(2), ERRORS]
    pub(crate) fn extent(&self) -> Extent {
        match self.error.raw_os_error() {
            Some(libc::ENODEV) => Extent::Cpu,
            Some(libc::ENOENT | libc::EINVAL | libc::EOPNOTSUPP) => Extent::Event,
            _ => Extent::Everything,
        }
    }

    /// What the system answered.
    pub(crate) fn why(&self, roots: &Roots) -> String {
        let answer = format!("perf_event_open on CPU {}: {}", self.cpu, self.error);
        match (self.error.raw_os_error(), paranoia(roots)) {
            (Some(libc::EACCES | libc::EPERM), Some(level)) => {
                format!("{answer}; kernel.perf_event_paranoid is {level}")
            }
            _ => answer,
        }
    }

    /// What the user can do about a PMU that is no CPU's.
    pub(crate) fn uncore_advice(&self) -> &'static str {
        match self.error.raw_os_error() {
            Some(libc::ENOENT | libc::EINVAL | libc::EOPNOTSUPP) => {
                "its driver refuses an event: see `perf list` and dmesg"
            }
            Some(libc::EBUSY | libc::EAGAIN) => "end the profiler that holds its counters",
            Some(libc::ENODEV) => "see dmesg: its driver, or the CPU it counts on, is gone",
            _ => self.advice(),
        }
    }

    /// What the user can do.
    pub(crate) fn advice(&self) -> &'static str {
        match self.error.raw_os_error() {
            Some(libc::EACCES | libc::EPERM) => {
                "run as root or with CAP_PERFMON, or `sysctl kernel.perf_event_paranoid=0`; in a \
                 container its seccomp profile must allow perf_event_open, too"
            }
            Some(libc::ENOSYS) => "boot a kernel with CONFIG_PERF_EVENTS",
            Some(libc::EMFILE | libc::ENFILE) => "allow more open files (ulimit -n)",
            Some(libc::EBUSY) => "end the profiler that holds the CPU's counters for itself",
            Some(libc::ENODEV) => {
                "switch the CPU on (/sys/devices/system/cpu/cpuN/online) before recording; the \
                 other CPUs are counted"
            }
            Some(libc::ENOENT | libc::EINVAL | libc::EOPNOTSUPP) => {
                "see what `perf list` offers; the other events are counted"
            }
            _ => "see whether dmesg says more of the PMU",
        }
    }
}

/// `kernel.perf_event_paranoid`: from 1 on, whoever has no CAP_PERFMON may not watch all processes
/// of a CPU. [Documentation/admin-guide/sysctl/kernel.rst]
fn paranoia(roots: &Roots) -> Option<String> {
    let level = fs::read_to_string(roots.procfs.join("sys/kernel/perf_event_paranoid")).ok()?;
    Some(level.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(errno: i32) -> Refused {
        Refused::new(2, 0, io::Error::from_raw_os_error(errno))
    }

    #[test]
    fn a_refusal_says_what_the_kernel_is_set_to_and_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let mut roots = Roots::machine();
        roots.procfs = directory.path().to_owned();
        fs::create_dir_all(roots.procfs.join("sys/kernel")).unwrap();
        fs::write(roots.procfs.join("sys/kernel/perf_event_paranoid"), "3\n").unwrap();
        let why = refused(libc::EACCES).why(&roots);
        assert!(why.contains("CPU 2") && why.ends_with("perf_event_paranoid is 3"), "{why}");
        assert!(refused(libc::EACCES).advice().contains("CAP_PERFMON"));
        assert!(!refused(libc::EMFILE).why(&roots).contains("paranoid"));
        assert!(refused(libc::EMFILE).advice().contains("ulimit"));
        assert!(refused(libc::ENOSYS).advice().contains("CONFIG_PERF_EVENTS"));
    }

    #[test]
    fn a_refusal_is_of_a_cpu_an_event_or_everything() {
        assert_eq!(refused(libc::ENODEV).extent(), Extent::Cpu);
        assert_eq!(refused(libc::ENOENT).extent(), Extent::Event);
        assert_eq!(refused(libc::EACCES).extent(), Extent::Everything);
    }
}
