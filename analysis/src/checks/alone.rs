//! Whether other processes left the CPUs to the target.

use super::{Found, found, run as named};
use crate::processes::Cluster;
use crate::recording::Recording;
use crate::results::{Check, CheckOutcome, RailRole};
use crate::spans::Part;

/// Of a cluster's CPU time, what other processes may take without a word.
const MOST_OTHERS: f64 = 0.05;

/// Each run on each cluster that it computes on, or that drives its component.
pub(super) fn on_cpus(recording: &Recording<'_>) -> Vec<Found> {
    let processes = &recording.processes;
    if !processes.any {
        return vec![];
    }
    if !processes.told_apart {
        let detail = "cpu.csv does not tell the target's CPU time from other processes': what they drew \
                      counts as the runs' own; record as root, with BPF (see `wattline probe`)";
        let subject = "recording".to_owned();
        return vec![found(Check::AloneOnCpus, subject, CheckOutcome::Warn, detail.to_owned())];
    }
    let runs = 0..recording.spans.runs.len();
    let whole = runs.filter(|&run| !matches!(recording.spans.runs[run].part, Part::Lane(_)));
    let clusters = || processes.clusters.iter();
    whole.flat_map(|run| clusters().filter_map(move |it| on_cluster(recording, run, it))).collect()
}

fn on_cluster(recording: &Recording<'_>, index: usize, cluster: &Cluster) -> Option<Found> {
    let run = &recording.spans.runs[index];
    let name = &cluster.component;
    let (block, _) = recording.block(index).ok()?;
    let lists = |rail: &&String| recording.role(index, rail) != RailRole::NotListed;
    let own = recording.component(name).and_then(|it| it.rails.first()).filter(lists);
    if run.component != *name && own.is_none() {
        return None;
    }
    let shares = recording.processes.shares(name, block)?;
    let others = shares.others_of_time;
    let meaning = match own {
        _ if others <= MOST_OTHERS => String::new(),
        _ if !shares.others_count() => {
            "; they were as busy when nothing ran: idle power has it, and images took longer"
                .to_owned()
        }
        Some(rail) if recording.cluster_of(rail).is_some() && shares.less > 0.0 => {
            format!("; they did more when nothing ran, and idle power of {rail} holds too much")
        }
        Some(rail) if recording.cluster_of(rail).is_some() => {
            format!("; what they drew on {rail} is taken out")
        }
        Some(rail) => format!("; what they drew is in, for {rail} feeds more than {name}"),
        None => "; images took longer for it".to_owned(),
    };
    let outcome = if others > MOST_OTHERS { CheckOutcome::Warn } else { CheckOutcome::Pass };
    let detail =
        format!("{:.1} % of CPU time on {name} was other processes'{meaning}", 100.0 * others);
    Some(found(Check::AloneOnCpus, named(&run.network, &run.component), outcome, detail))
}
