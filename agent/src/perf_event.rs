//! The kernel's perf events as they are used here: PMUs as sysfs describes them, counters opened
//! in groups for all processes of a CPU, and readings that are scaled where groups take turns.
//!
//! `performance` counts with the PMUs of CPUs, `counter` with those of memory controllers and
//! interconnects.

pub(crate) mod group;
pub(crate) mod refusal;
pub(crate) mod scaling;
pub(crate) mod system_call;
pub(crate) mod terms;

use std::path::PathBuf;

use wattline_board::Roots;

pub(crate) use group::{ActiveGroup, ActiveGroups, Group, GroupFault};
pub(crate) use system_call::Code;

/// Where the kernel shows its PMUs. [Documentation/ABI/testing/sysfs-bus-event_source-devices-*]
pub(crate) fn directory(roots: &Roots) -> PathBuf {
    roots.sysfs.join("bus/event_source/devices")
}
