//! Threads that stay on a cluster's CPUs.

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// A thread could not be put on these CPUs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot run on CPUs {cpus:?}: {errno}; are they online?")]
pub struct AffinityError {
    /// The CPUs.
    pub cpus: Vec<u32>,
    /// The system's answer.
    pub errno: Errno,
}

/// Keeps the calling thread, and those it starts, on these CPUs.
///
/// # Errors
/// If none of them is online, or one is beyond what Linux counts.
pub fn bind(cpus: &[u32]) -> Result<(), AffinityError> {
    let error = |errno| AffinityError { cpus: cpus.to_vec(), errno };
    let mut set = CpuSet::new();
    for &cpu in cpus {
        set.set(cpu as usize).map_err(error)?;
    }
    sched_setaffinity(Pid::from_raw(0), &set).map_err(error)
}
