//! What every command that records has in common: giving up root, and most of the manifest.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use wattline_agent::Inventory;
use wattline_agent::privileges::{self, Capability};
use wattline_board::clock::Clock;
use wattline_ebpf::Watch;
use wattline_trace::{BoardRecord, ClockRecord, Manifest, SCHEMA_VERSION};

use crate::target::Target;

/// What a shell reports of a program that ended on Ctrl-C.
pub(crate) const EXIT_INTERRUPTED: u8 = 130;

/// Everything that needs root is open: keep real-time priority and locked memory, what it takes
/// to write into another user's directory and leave the files to them, and what else is wanted.
/// Threads started from now on have no more than that.
pub(crate) fn give_up_root(out: &Path, besides: &[Capability]) {
    let mut keep = privileges::RECORDING.to_vec();
    keep.extend(besides);
    let own = std::fs::metadata(out).is_ok_and(|it| it.uid() == nix::unistd::geteuid().as_raw());
    if !own {
        keep.extend([Capability::CAP_DAC_OVERRIDE, Capability::CAP_CHOWN]);
    }
    if let Err(error) = privileges::drop_to(&keep) {
        eprintln!("wattline: {error}");
    }
}

/// What the kernel is asked to report of CPUs' clocks.
pub(crate) fn watch(idle_states: bool) -> Watch {
    if idle_states { Watch::FrequencyAndIdle } else { Watch::Frequency }
}

/// Says what recording goes without: capabilities, sensors, counters.
pub(crate) fn tell_missing(inventory: &Inventory) {
    let recording: Vec<_> = privileges::RECORDING.iter().map(Capability::to_string).collect();
    for need in privileges::needs() {
        if recording.contains(&need.capability) && !need.held {
            eprintln!("wattline: without {}: cannot {}", need.capability, need.purpose);
        }
    }
    for missing in inventory.missing() {
        eprintln!("wattline: missing {missing}");
    }
    if inventory.rail_names().is_empty() {
        eprintln!("wattline: no power sensor here: times and traffic are recorded, joules are not");
    }
}

/// The manifest, but for rails and counters, which inventory and recorder know, components and
/// models.
pub(crate) fn manifest(target: &Target, clock: &Arc<dyn Clock>, seed: u64) -> Manifest {
    let board = &target.description;
    let kernel = nix::sys::utsname::uname()
        .map(|name| name.release().to_string_lossy().into_owned())
        .unwrap_or_default();
    Manifest {
        schema: SCHEMA_VERSION,
        wattline: env!("CARGO_PKG_VERSION").to_owned(),
        board: BoardRecord {
            name: board.name.clone(),
            model: target.model(),
            emulated: target.emulated,
        },
        kernel,
        command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
        clock: ClockRecord { kind: clock.kind(), utc_offset_ns: utc_offset_ns(clock) },
        seed,
        rails: Vec::new(),
        counters: Vec::new(),
        hardware_counters: Vec::new(),
        dram_source: None,
        components: Vec::new(),
        models: Vec::new(),
        coexecution: None,
        dither: None,
        inputs: None,
        complete: false,
        interrupted: false,
        failure: None,
    }
}

/// On a machine whose description knows no rails, a single sensor is taken to be the supply's:
/// then its active energy is the component's. Of several nobody knows which contains which, and a
/// board description of one's own has to say it.
pub(crate) fn adopt_only_rail(manifest: &mut Manifest, target: &Target) {
    if let ([only], true) = (&manifest.rails[..], target.description.rails.is_empty()) {
        let name = only.name.clone();
        let really_ran = manifest.components.iter_mut().filter(|it| it.stand_in.is_none());
        really_ran.for_each(|it| it.rails = vec![name.clone()]);
    }
}

fn utc_offset_ns(clock: &Arc<dyn Clock>) -> i64 {
    let utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    utc.as_nanos() as i64 - clock.now_ns() as i64
}
