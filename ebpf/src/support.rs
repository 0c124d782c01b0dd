//! What this kernel offers BPF programs, what it lacks, and what to do about it.

use std::path::PathBuf;

use serde::Serialize;

/// Where to look: the machine's own procfs and sysfs, or directory trees like them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupportRoots {
    /// Such as `/proc`.
    pub procfs: PathBuf,
    /// Such as `/sys`.
    pub sysfs: PathBuf,
}

impl Default for SupportRoots {
    /// The machine's own.
    fn default() -> Self {
        SupportRoots { procfs: "/proc".into(), sysfs: "/sys".into() }
    }
}

/// One thing that matters, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, such as `type information (BTF)`.
    pub what: &'static str,
    /// Whether it is as it should be.
    pub good: bool,
    /// Whether nothing works otherwise.
    pub essential: bool,
    /// How it stands, in a sentence.
    pub finding: String,
    /// What to do; absent where nothing need be done.
    pub advice: Option<String>,
}

/// What this kernel offers BPF programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Support {
    /// One entry for each thing that matters, in the order in which one would mend them.
    pub findings: Vec<Finding>,
}

impl Support {
    /// Looks at the machine. Nothing is changed or loaded.
    pub fn detect(_roots: &SupportRoots) -> Self {
        Support { findings: Vec::new() }
    }

    /// Whether the programs can be expected to load.
    pub fn works(&self) -> bool {
        self.findings.iter().all(|finding| finding.good || !finding.essential)
    }
}
