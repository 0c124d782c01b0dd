//! The agent's own cost, from `agent.csv`.

use wattline_trace::rows::AgentRow;
use wattline_trace::{BundleReader, ClockKind, Name, Row};

use crate::error::AnalysisError;
use crate::results::AgentCost;
use crate::spans::seconds;
use crate::table::for_each_row;
use crate::taken::Taken;

/// A recording shorter than this tells nothing of what recording costs.
const LEAST_SECONDS: f64 = 0.1;

/// What recording cost, none (and a warning) where the agent told too little; and how many readings it
/// took.
///
/// # Errors
/// If the table is damaged, or its time or counts go backwards.
pub(crate) fn read_agent_cost(
    bundle: &BundleReader,
    name: &Name,
    warnings: &mut Vec<String>,
) -> Result<(Option<AgentCost>, Taken), AnalysisError> {
    if !bundle.has::<AgentRow>() {
        warnings.push(format!("{} is missing: the agent's own cost is not known", AgentRow::FILE));
        return Ok((None, Taken::default()));
    }
    let mut ends: Option<(AgentRow, AgentRow)> = None;
    let mut most_resident = 0;
    for_each_row::<AgentRow>(bundle, warnings, |row, now, path| {
        if let Some((_, before)) = &ends {
            if now.t_ns <= before.t_ns {
                return Err(AnalysisError::Time {
                    path: path.to_owned(),
                    row,
                    series: "the agent".into(),
                    before: before.t_ns,
                    now: now.t_ns,
                });
            }
            let mut counts = cumulative(before).into_iter().zip(cumulative(now));
            let fell = counts.find_map(|((series, before), (_, now))| {
                let (before, now) = (before?, now?);
                (now < before).then_some((series, before, now))
            });
            if let Some((series, before, now)) = fell {
                let (path, series) = (path.to_owned(), series.to_owned());
                return Err(AnalysisError::Count { path, row, series, before, now });
            }
        }
        most_resident = most_resident.max(now.resident_bytes);
        let first = ends.take().map_or_else(|| now.clone(), |(first, _)| first);
        ends = Some((first, now.clone()));
        Ok(())
    })?;
    let taken = ends.as_ref().map(|(_, last)| Taken::new(last, bundle.manifest()));
    let taken = taken.unwrap_or_default();
    let Some((first, last)) = ends.filter(|(first, last)| first.t_ns < last.t_ns) else {
        let few =
            format!("{} has fewer than two rows: the agent's cost is not known", AgentRow::FILE);
        warnings.push(few);
        return Ok((None, taken));
    };
    let duration = seconds(first.t_ns, last.t_ns);
    if duration < LEAST_SECONDS {
        let short = format!("{}: too short a recording to know the agent's cost", AgentRow::FILE);
        warnings.push(short);
        return Ok((None, taken));
    }
    let rate = |first: u64, last: u64| (last - first) as f64 / duration;
    let cost = AgentCost {
        bundle: name.clone(),
        virtual_clock: bundle.manifest().clock.kind == ClockKind::Virtual,
        seconds: duration,
        cpu_percent: 100.0 * 1e-9 * rate(first.cpu_ns, last.cpu_ns),
        resident_mb: most_resident as f64 * 1e-6,
        sampling_hz: rate(first.ticks, last.ticks),
        fresh_hz: rate(first.samples, last.samples),
        lateness_p99_us: last.lateness_p99_ns as f64 * 1e-3,
        repeats: last.repeats,
        drops: last.drops,
        overruns: last.overruns,
        bpf_percent: first
            .bpf_ns
            .zip(last.bpf_ns)
            .map(|(first, last)| 100.0 * 1e-9 * rate(first, last)),
        bpf_runs: last.bpf_runs,
        bpf_drops: last.bpf_drops,
    };
    Ok((Some(cost), taken))
}

fn cumulative(row: &AgentRow) -> [(&'static str, Option<u64>); 9] {
    [
        ("cpu_ns", Some(row.cpu_ns)),
        ("ticks", Some(row.ticks)),
        ("samples", Some(row.samples)),
        ("repeats", Some(row.repeats)),
        ("drops", Some(row.drops)),
        ("overruns", Some(row.overruns)),
        ("bpf_ns", row.bpf_ns),
        ("bpf_runs", row.bpf_runs),
        ("bpf_drops", row.bpf_drops),
    ]
}
