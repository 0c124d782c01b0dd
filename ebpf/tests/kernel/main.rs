//! The programs on this very kernel, which must allow it.

#![cfg(target_os = "linux")]

mod counters;
mod marks;
mod sched;
mod workload;

use wattline_ebpf::{Support, SupportRoots};

/// Whether BPF programs can be loaded here. Where not, it says so loudly, and in CI fails.
fn has_bpf(test: &str) -> bool {
    let support = Support::detect(&SupportRoots::default());
    if !support.works() {
        let lacks = support.findings.iter().filter(|finding| finding.essential && !finding.good);
        let lacks: Vec<_> = lacks.map(|finding| finding.finding.as_str()).collect();
        let lacks = lacks.join(" ");
        assert!(std::env::var_os("CI").is_none(), "{test} cannot run in CI: {lacks}");
        eprintln!("SKIPPED {test}: it needs BPF. {lacks}");
    }
    support.works()
}
