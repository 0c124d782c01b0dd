//! Joules are conserved: attributed + others + idle + unattributed = the rail's integral.
//!
//! The integral is the straight sum of all tiles. The four shares are summed apart from it, from
//! the regions that tiles were split into:
//!
//! * *attributed*: active energy of runs whose component lists the rail, where it is known;
//! * *others*: what of it other processes drew meanwhile (see `processes`);
//! * *idle*: idle power times all time that readings tile;
//! * *unattributed*: energy above idle everywhere else: in runs that do not list the rail, in
//!   runs whose energy was refused, and between runs.
//!
//! Rails inside other rails have a balance of their own; balances are never summed.

use crate::power::energy::RailEnergy;
use crate::power::rail::Rail;
use crate::results::{ConservationRow, Verdict};
use wattline_trace::Name;

/// Largest closure error, relative to the integral. Rounding stays below 1e-9.
const MOST_CLOSURE: f64 = 1e-6;
/// How far below zero the unattributed share may lie before idle power cannot be idle power.
const MOST_OVERDRAWN: f64 = 0.02;

/// The balance of a rail. `attributed[b]` is the energy of block `b`, where a run claims it.
pub(crate) fn balance(
    bundle: &Name,
    rail: &Rail,
    attributed: &[Option<RailEnergy>],
) -> ConservationRow {
    let idle = rail.idle();
    let idle_watts = idle.map_or(0.0, |idle| idle.watts);
    let claimed = |region: usize| {
        (region % 2 == 1).then(|| attributed.get(region / 2).copied().flatten()).flatten()
    };
    let mut row = ConservationRow {
        bundle: bundle.clone(),
        rail: Name::new(&rail.record.name),
        inside: rail.record.inside.as_deref().map(Name::new),
        seconds: 0.0,
        integral_joules: rail.total_joules,
        attributed_joules: 0.0,
        other_joules: 0.0,
        idle_joules: 0.0,
        unattributed_joules: 0.0,
        unattributed_pct: None,
        closure_error: 0.0,
        verdict: Verdict::Closed,
    };
    for (index, region) in rail.regions.iter().enumerate() {
        let idle_joules = idle_watts * region.seconds;
        row.seconds += region.seconds;
        row.idle_joules += idle_joules;
        match claimed(index) {
            Some(energy) => {
                row.attributed_joules += energy.active_joules;
                row.other_joules += energy.other_joules;
            }
            None => row.unattributed_joules += region.joules - idle_joules,
        }
    }
    let parts =
        row.attributed_joules + row.other_joules + row.idle_joules + row.unattributed_joules;
    // Joules that cancel are no measure of rounding: what flowed is.
    let scale = rail.total_joules.abs().max(row.idle_joules.abs());
    row.closure_error = if scale > 0.0 { (parts - rail.total_joules).abs() / scale } else { 0.0 };
    row.unattributed_pct =
        (scale > 0.0).then(|| 100.0 * row.unattributed_joules / rail.total_joules);
    row.unattributed_pct = row.unattributed_pct.filter(|percent| percent.is_finite());
    let idle_error = idle.map_or(0.0, |idle| 3.0 * idle.mean_variance.sqrt() * row.seconds);
    row.verdict = if rail.first.is_none() {
        Verdict::NoReadings
    } else if row.closure_error > MOST_CLOSURE || !(parts - rail.total_joules).is_finite() {
        Verdict::Broken
    } else if row.unattributed_joules < -(MOST_OVERDRAWN * scale + idle_error) {
        Verdict::Overdrawn
    } else if idle.is_none() {
        Verdict::IdleUnknown
    } else {
        Verdict::Closed
    };
    row
}
