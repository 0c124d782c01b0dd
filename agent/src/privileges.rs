//! Which capabilities the agent could use, which it has, and giving up the rest.
//!
//! On Linux a capability belongs to a thread, not to a process: a thread inherits those its
//! creator has at that moment. Hence [`drop_to`] is called once everything is opened and before
//! any thread is started that should run without; threads that run already keep what they have.

use caps::{CapSet, CapsHashSet};

pub use caps::Capability;

/// What a started recorder still needs: real-time priority and locked memory. Everything else it
/// opened beforehand; sensors' settings are restored through files held open.
pub const RECORDING: &[Capability] = &[Capability::CAP_SYS_NICE, Capability::CAP_IPC_LOCK];

/// A capability, and what it is good for here.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Need {
    /// Its name, such as `CAP_SYS_NICE`.
    pub capability: String,
    /// What cannot be done without it.
    pub purpose: &'static str,
    /// Whether this thread has it.
    pub held: bool,
}

const PURPOSES: &[(Capability, &str)] = &[
    (Capability::CAP_SYS_NICE, "sample under real-time priority (SCHED_FIFO)"),
    (Capability::CAP_IPC_LOCK, "keep the sampler's memory from being paged out"),
    (Capability::CAP_DAC_OVERRIDE, "write sensors' update_interval as another user than root"),
    (Capability::CAP_SYS_RAWIO, "map counter registers from /dev/mem"),
    (Capability::CAP_PERFMON, "read system-wide perf counters and attach BPF programs"),
    (Capability::CAP_BPF, "load BPF programs"),
    (Capability::CAP_SYS_ADMIN, "say what BPF programs cost"),
];

/// Capabilities could not be given up.
#[derive(Debug, thiserror::Error)]
#[error("cannot give up capabilities: {0}; run without root, or go on knowing that they are kept")]
pub struct DropError(#[from] caps::errors::CapsError);

/// Every capability the agent could use, whether this thread has it or not.
pub fn needs() -> Vec<Need> {
    let held = caps::read(None, CapSet::Effective).unwrap_or_default();
    let need = |&(capability, purpose): &(Capability, &'static str)| Need {
        capability: capability.to_string(),
        purpose,
        held: held.contains(&capability),
    };
    PURPOSES.iter().map(need).collect()
}

/// Gives up every capability of the calling thread, and of threads it starts from now on, save
/// those in `keep` that it has. Answers how many were given up; without any it does nothing.
///
/// A program that the thread executes later as root gets root's capabilities again.
///
/// # Errors
/// If the system refuses, which it does not for a thread that only gives up.
pub fn drop_to(keep: &[Capability]) -> Result<usize, DropError> {
    let permitted = caps::read(None, CapSet::Permitted)?;
    let wanted: CapsHashSet = keep.iter().copied().collect();
    let kept: CapsHashSet = permitted.intersection(&wanted).copied().collect();
    if kept.len() == permitted.len() {
        return Ok(0);
    }
    // Effective first: it may not hold what is not permitted.
    let effective = caps::read(None, CapSet::Effective)?;
    let still_effective: CapsHashSet = effective.intersection(&kept).copied().collect();
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new())?;
    caps::set(None, CapSet::Effective, &still_effective)?;
    caps::set(None, CapSet::Permitted, &kept)?;
    Ok(permitted.len() - kept.len())
}
