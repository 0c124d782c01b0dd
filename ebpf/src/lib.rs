//! BPF programs and their typed loaders: who runs on which CPU, frequency and idle states, marks
//! from probes in any program, and what all that costs.
//!
//! * [`Sched`] accounts CPU time to a target, in the kernel, at every switch.
//! * [`Frequency`] reports changes of frequency and idle states.
//! * [`Marks`] reports begins and ends of images and layers, from USDT probes and functions.
//! * [`SelfMeter`] says what these programs cost.
//! * [`Support`] says what this kernel offers and lacks, with what to do.
//!
//! Every loader attaches when made and detaches when dropped. Reading needs no capability: attach
//! first, give up root afterwards. Times are `CLOCK_MONOTONIC` nanoseconds, as in the bundle.
//!
//! The programs are written in C (`bpf/`) and compiled by clang when this crate is built. Without
//! the feature `bpf`, or without clang, every `attach` answers [`EbpfError::NotBuilt`] and the
//! rest of wattline works as ever; see [`BUILT`].

mod error;
mod frequency_event;
mod mark;
mod support;
pub mod symbols;
mod target;

#[cfg(not(bpf_programs))]
mod absent;
#[cfg(bpf_programs)]
mod cgroup;
#[cfg(bpf_programs)]
mod cpus;
#[cfg(bpf_programs)]
mod entry;
#[cfg(bpf_programs)]
mod frequency;
#[cfg(bpf_programs)]
mod mapping;
#[cfg(bpf_programs)]
mod marks;
#[cfg(bpf_programs)]
mod meter;
#[cfg(bpf_programs)]
mod object;
#[cfg(bpf_programs)]
mod ring;
#[cfg(bpf_programs)]
mod sched;
#[cfg(bpf_programs)]
mod tree;
#[cfg(bpf_programs)]
mod uprobe;

#[cfg(bpf_programs)]
pub use frequency::Frequency;
#[cfg(bpf_programs)]
pub use marks::Marks;
#[cfg(bpf_programs)]
pub use meter::{Program, SelfMeter};
#[cfg(bpf_programs)]
pub use sched::Sched;

#[cfg(not(bpf_programs))]
pub use absent::{Frequency, Marks, Program, Sched, SelfMeter};
pub use error::{EbpfError, Step};
pub use frequency_event::{Change, FrequencyEvent, Watch};
pub use mark::{
    Arguments, CounterReading, Counts, Left, MOST_COUNTERS, Mark, MarkCounter, MarkSettings,
    Moment, NAME_BYTES, Place, Probe, Scope,
};
pub use support::{Finding, Support, SupportRoots};
pub use target::{Cost, CpuTime, Target};

/// Whether this program was built with its BPF programs.
pub const BUILT: bool = cfg!(bpf_programs);

/// Whether a test can load BPF programs. Where it cannot it says so, past the test harness's
/// capture, and in CI fails.
#[cfg(all(test, bpf_programs))]
fn has_root_for(test: &str) -> bool {
    use std::io::Write;
    let support = Support::detect(&SupportRoots::default());
    if !support.works() {
        let lacks = support.findings.iter().filter(|finding| finding.essential && !finding.good);
        let lacks: Vec<_> = lacks.map(|finding| finding.finding.as_str()).collect();
        let lacks = lacks.join(" ");
        assert!(std::env::var_os("CI").is_none(), "{test} cannot run in CI: {lacks}");
        let _ = writeln!(std::io::stderr(), "SKIPPED {test}: it needs BPF. {lacks}");
    }
    support.works()
}
