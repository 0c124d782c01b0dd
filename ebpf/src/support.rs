//! What this kernel offers BPF programs, what it lacks, and what to do about it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Ring buffers, `CAP_BPF` and statistics by file descriptor are of this version.
const OLDEST_KERNEL: (u32, u32) = (5, 8);

/// Capabilities, as `linux/capability.h` numbers them.
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

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
    /// What was looked at, such as `type information`.
    pub what: &'static str,
    /// Whether it is as it should be.
    pub good: bool,
    /// Whether nothing works otherwise.
    pub essential: bool,
    /// How it stands, in a sentence.
    pub finding: String,
    /// What to do; absent where nothing need be done.
    pub advice: Option<&'static str>,
}

/// What this kernel offers BPF programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Support {
    /// One entry for each thing that matters, in the order in which one would mend them.
    pub findings: Vec<Finding>,
}

impl Support {
    /// Looks at the machine. Nothing is changed or loaded.
    pub fn detect(roots: &SupportRoots) -> Self {
        let findings =
            vec![programs(), version(roots), types(roots), capabilities(roots), lockdown(roots)];
        let optional = [tracefs(roots), unprivileged(roots)];
        Support { findings: findings.into_iter().chain(optional).collect() }
    }

    /// Whether the programs can be expected to load.
    pub fn works(&self) -> bool {
        self.findings.iter().all(|finding| finding.good || !finding.essential)
    }
}

impl Finding {
    fn essential(
        what: &'static str,
        good: bool,
        finding: impl Into<String>,
        advice: &'static str,
    ) -> Self {
        let advice = (!good).then_some(advice);
        Finding { what, good, essential: true, finding: finding.into(), advice }
    }

    fn optional(self) -> Self {
        Finding { essential: false, ..self }
    }
}

fn programs() -> Finding {
    let finding = if crate::BUILT {
        "this program was built with its BPF programs."
    } else {
        "this program was built without BPF."
    };
    let advice = "install clang, libelf-dev and zlib1g-dev and build wattline again";
    Finding::essential("programs", crate::BUILT, finding, advice)
}

fn version(roots: &SupportRoots) -> Finding {
    let release = read(&roots.procfs.join("sys/kernel/osrelease")).unwrap_or_default();
    let (major, minor) = OLDEST_KERNEL;
    let (good, finding) = match parse_version(&release) {
        Some(version) if version >= OLDEST_KERNEL => {
            (true, format!("Linux {release} is recent enough ({major}.{minor} or later)."))
        }
        Some(_) => (false, format!("Linux {release} is older than {major}.{minor}.")),
        None => (false, "procfs does not tell the kernel's version.".to_owned()),
    };
    Finding::essential("kernel", good, finding, "boot Linux 5.8 or later")
}

/// `6.1.0-13-arm64` is 6.1.
fn parse_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Where the kernel shows its types.
fn btf(roots: &SupportRoots) -> PathBuf {
    roots.sysfs.join("kernel/btf/vmlinux")
}

fn types(roots: &SupportRoots) -> Finding {
    let path = btf(roots);
    let good = has_btf(roots);
    let verb = if good { "describes" } else { "does not describe" };
    Finding::essential(
        "type information",
        good,
        format!("the kernel {verb} its types (BTF) in {}.", path.display()),
        "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y (Debian's for armhf is not)",
    )
}

fn capabilities(roots: &SupportRoots) -> Finding {
    let missing = missing_capabilities(roots);
    let finding = match &missing {
        None => "this process may load and attach BPF programs.".to_owned(),
        Some(missing) => format!("this process lacks {missing}."),
    };
    let advice = "run as root, or give the command CAP_BPF and CAP_PERFMON (setcap)";
    Finding::essential("privileges", missing.is_none(), finding, advice)
}

/// The capabilities that this thread needs and lacks, in words; `None` if it has them all.
pub(crate) fn missing_capabilities(roots: &SupportRoots) -> Option<String> {
    let status = read(&roots.procfs.join("thread-self/status")).unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
    let has = |capability: u32| effective & 1 << capability != 0;
    if has(CAP_SYS_ADMIN) {
        return None;
    }
    let wanted = [(CAP_BPF, "CAP_BPF"), (CAP_PERFMON, "CAP_PERFMON")];
    let missing: Vec<_> =
        wanted.iter().filter(|(number, _)| !has(*number)).map(|(_, name)| *name).collect();
    (!missing.is_empty()).then(|| missing.join(" and "))
}

fn lockdown(roots: &SupportRoots) -> Finding {
    let finding = match lockdown_mode(roots) {
        None => "the kernel has no lockdown.".to_owned(),
        Some(mode) => format!("the kernel's lockdown is {mode:?}."),
    };
    let advice = "boot without lockdown=confidentiality";
    Finding::essential("lockdown", !is_locked_down(roots), finding, advice)
}

/// Whether nobody may read the kernel's memory.
pub(crate) fn is_locked_down(roots: &SupportRoots) -> bool {
    lockdown_mode(roots).as_deref() == Some("confidentiality")
}

/// Whether the kernel describes its types.
pub(crate) fn has_btf(roots: &SupportRoots) -> bool {
    btf(roots).exists()
}

/// From `none [integrity] confidentiality` the one in brackets.
fn lockdown_mode(roots: &SupportRoots) -> Option<String> {
    let modes = read(&roots.sysfs.join("kernel/security/lockdown"))?;
    let (_, mode) = modes.split_once('[')?;
    Some(mode.split_once(']')?.0.to_owned())
}

fn tracefs(roots: &SupportRoots) -> Finding {
    let places = ["kernel/tracing", "kernel/debug/tracing"].map(|place| roots.sysfs.join(place));
    let found = places.iter().find(|place| place.join("events").exists());
    let finding = match found {
        Some(place) => format!("tracefs is mounted at {}.", place.display()),
        None => "tracefs is not mounted; no program here needs it, other tools may.".to_owned(),
    };
    let advice = "mount -t tracefs tracefs /sys/kernel/tracing";
    Finding::essential("tracefs", found.is_some(), finding, advice).optional()
}

fn unprivileged(roots: &SupportRoots) -> Finding {
    let setting = read(&roots.procfs.join("sys/kernel/unprivileged_bpf_disabled"));
    let (good, finding) = match setting.as_deref() {
        Some("0") => (false, "users without privileges may load some BPF programs."),
        Some(_) => (true, "users without privileges may load no BPF programs."),
        None => (true, "the kernel does not say whether others may load BPF programs."),
    };
    let advice = "sysctl kernel.unprivileged_bpf_disabled=2, against speculation attacks";
    Finding::essential("unprivileged BPF", good, finding, advice).optional()
}

fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine that offers everything.
    fn good_machine() -> (tempfile::TempDir, SupportRoots) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let roots = SupportRoots { procfs: path.join("proc"), sysfs: path.join("sys") };
        put(&roots.procfs, "sys/kernel/osrelease", "6.1.0-13-arm64\n");
        put(&roots.procfs, "sys/kernel/unprivileged_bpf_disabled", "2\n");
        put(&roots.procfs, "thread-self/status", "Name:\tx\nCapEff:\t000000c000000000\n");
        put(&roots.sysfs, "kernel/btf/vmlinux", "");
        put(&roots.sysfs, "kernel/tracing/events/enable", "0\n");
        put(&roots.sysfs, "kernel/security/lockdown", "none [integrity] confidentiality\n");
        (directory, roots)
    }

    fn put(root: &Path, file: &str, text: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn bad(roots: &SupportRoots) -> Vec<&'static str> {
        let findings = Support::detect(roots).findings;
        let bad = findings.iter().filter(|finding| !finding.good && finding.what != "programs");
        bad.inspect(|finding| assert!(finding.advice.is_some())).map(|found| found.what).collect()
    }

    #[test]
    fn a_machine_that_offers_everything() {
        let (_directory, roots) = good_machine();
        assert_eq!(bad(&roots), [""; 0]);
        assert_eq!(Support::detect(&roots).works(), crate::BUILT);
    }

    #[test]
    fn each_lack_is_named_alone() {
        type TakeAway = fn(&SupportRoots);
        let lacks: [(&str, TakeAway); 7] = [
            ("kernel", |roots| put(&roots.procfs, "sys/kernel/osrelease", "4.14.180-178\n")),
            ("kernel", |roots| put(&roots.procfs, "sys/kernel/osrelease", "what\n")),
            ("type information", |roots| {
                fs::remove_file(roots.sysfs.join("kernel/btf/vmlinux")).unwrap();
            }),
            ("privileges", |roots| {
                put(&roots.procfs, "thread-self/status", "CapEff:\t0000004000000000\n");
            }),
            ("lockdown", |roots| {
                let modes = "none integrity [confidentiality]\n";
                put(&roots.sysfs, "kernel/security/lockdown", modes);
            }),
            ("tracefs", |roots| fs::remove_dir_all(roots.sysfs.join("kernel/tracing")).unwrap()),
            ("unprivileged BPF", |roots| {
                put(&roots.procfs, "sys/kernel/unprivileged_bpf_disabled", "0\n");
            }),
        ];
        for (what, take_away) in lacks {
            let (_directory, roots) = good_machine();
            take_away(&roots);
            assert_eq!(bad(&roots), [what]);
        }
    }

    #[test]
    fn the_capability_that_lacks_is_named() {
        let (_directory, roots) = good_machine();
        assert_eq!(missing_capabilities(&roots), None);
        for (set, missing) in [
            ("0000004000000000", Some("CAP_BPF")),
            ("0000008000000000", Some("CAP_PERFMON")),
            ("0000000000000000", Some("CAP_BPF and CAP_PERFMON")),
            ("0000000000200000", None),
        ] {
            put(&roots.procfs, "thread-self/status", &format!("CapEff:\t{set}\n"));
            assert_eq!(missing_capabilities(&roots).as_deref(), missing, "{set}");
        }
    }

    #[test]
    fn an_empty_tree_is_no_panic() {
        let directory = tempfile::tempdir().unwrap();
        let nowhere = directory.path().to_owned();
        let roots = SupportRoots { procfs: nowhere.clone(), sysfs: nowhere };
        assert!(!Support::detect(&roots).works());
        assert!(Support::detect(&SupportRoots::default()).findings.len() > 5);
    }
}
