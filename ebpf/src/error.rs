//! What can be wrong, and what to do next.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// What was being done with a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Reading the compiled program.
    Open,
    /// Having the kernel verify it.
    Load,
    /// Having the kernel call it.
    Attach,
    /// Talking to it afterwards.
    Use,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Step::Open => "open",
            Step::Load => "load",
            Step::Attach => "attach",
            Step::Use => "use",
        })
    }
}

/// A BPF program could not be had.
#[derive(Debug, thiserror::Error)]
pub enum EbpfError {
    /// The build left the programs out.
    #[error(
        "this program was built without BPF: install clang, libelf-dev and zlib1g-dev and build it \
         again (with the feature `bpf`, which is on by default)"
    )]
    NotBuilt,
    /// The kernel does not describe its own types.
    #[error(
        "BPF program {program}: the kernel has no type information (/sys/kernel/btf/vmlinux); boot a \
         kernel built with CONFIG_DEBUG_INFO_BTF=y"
    )]
    NoBtf {
        /// The program.
        program: &'static str,
    },
    /// A capability is missing.
    #[error(
        "BPF program {program}: not permitted to {step} it, for want of {missing}; run as root, or give \
         the command CAP_BPF and CAP_PERFMON (CAP_SYS_ADMIN before Linux 5.8)"
    )]
    NotPermitted {
        /// The program.
        program: &'static str,
        /// What was refused.
        step: Step,
        /// The capability, or capabilities, that this thread lacks.
        missing: String,
    },
    /// The kernel is locked down.
    #[error(
        "BPF program {program}: the kernel is locked down (confidentiality) and lets nobody read its \
         memory; boot without lockdown=confidentiality"
    )]
    LockedDown {
        /// The program.
        program: &'static str,
    },
    /// The verifier refused a program.
    #[error("BPF program {program}: the kernel refused to load it: {source}\n{log}")]
    Refused {
        /// The program.
        program: &'static str,
        /// The system's answer.
        source: io::Error,
        /// What the verifier said.
        log: String,
    },
    /// Any other failure of a step.
    #[error("BPF program {program}: cannot {step} {what}: {source}")]
    Failed {
        /// The program.
        program: &'static str,
        /// The step.
        step: Step,
        /// Where, such as the probe or the tracepoint.
        what: String,
        /// The system's answer, with what libbpf said.
        source: io::Error,
    },
    /// The process to follow does not exist.
    #[error("cannot follow process {pid}: it does not exist (any more)")]
    NoProcess {
        /// The process.
        pid: u32,
    },
    /// Process numbers seen here are not those of the kernel.
    #[error(
        "cannot follow process {pid}: this is a PID namespace, in which processes have other numbers \
         than in the kernel; run outside the container, or with --pid=host"
    )]
    PidNamespace {
        /// The process.
        pid: u32,
    },
    /// The directory is no cgroup of the unified hierarchy.
    #[error(
        "cannot follow {path}: it is no directory of the cgroup version 2 hierarchy; see \
         `mount -t cgroup2`", path = path.display()
    )]
    NoCgroup {
        /// The directory.
        path: PathBuf,
    },
    /// Something that was asked for cannot be.
    #[error("{0}")]
    Invalid(String),
}
