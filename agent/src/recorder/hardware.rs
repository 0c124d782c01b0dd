//! Hardware counters that are let count for a recording.

use wattline_trace::{HardwareCounterRecord, Name};

use super::writer::HardwareLabels;
use crate::performance::{ActiveCounters, ComponentCounters};

/// Hardware counters that count.
#[derive(Debug, Default)]
pub(super) struct Hardware {
    pub(super) active: Vec<ActiveCounters>,
    pub(super) labels: HardwareLabels,
    pub(super) records: Vec<HardwareCounterRecord>,
}

/// Lets the counters of each component count, or notes why they do not.
pub(super) fn start(
    components: Vec<ComponentCounters>,
    rate_hz: f64,
    now_ns: u64,
    notes: &mut Vec<(Name, String)>,
) -> Hardware {
    let mut hardware = Hardware::default();
    for counters in components {
        let component = counters.component.clone();
        let records = counters.records(rate_hz);
        let (names, cpus) = (counters.names(), counters.group_cpus());
        match counters.start(now_ns) {
            Ok(active) => {
                let of_component = |name| (component.clone(), Name::new(name));
                hardware.active.push(active);
                hardware.labels.counters.extend(names.into_iter().map(of_component));
                let of_cpu = |cpu| (component.clone(), cpu);
                hardware.labels.groups.extend(cpus.into_iter().map(of_cpu));
                hardware.records.extend(records);
            }
            Err((cpu, error)) => {
                let detail = format!(
                    "hardware counters are not recorded: CPU {cpu} does not start them: {error}"
                );
                notes.push((component, detail));
            }
        }
    }
    hardware
}
