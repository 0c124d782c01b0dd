//! A row held against what the emulated board knows.

use crate::recording::Recording;
use crate::results::{SummaryRow, TruthColumns};
use crate::spans::{Part, Run};
use crate::truth::Truth;

/// Fills the truth's columns, where it was asked for; what it does not know becomes a remark.
pub(super) fn hold_against_truth(
    row: &mut SummaryRow,
    recording: &Recording<'_>,
    index: usize,
    images: f64,
) {
    let Some(truth) = &recording.truth else { return };
    let mut columns = TruthColumns::default();
    if images <= 0.0 {
        row.truth = Some(columns);
        return;
    }
    let error = |measured: Option<f64>, truth: f64| {
        measured.map(|measured| 100.0 * (measured - truth) / truth).filter(|e| e.is_finite())
    };
    match true_joules(truth, recording, index) {
        Ok(joules) => {
            columns.joules_per_image = Some(joules / images);
            columns.energy_error_pct = error(row.joules_per_image, joules / images);
        }
        Err(missing) => row.remarks.push(missing),
    }
    match parts(recording, index).map(|(_, run)| truth.dram_bytes(run)).sum::<Result<f64, _>>() {
        Ok(bytes) => {
            columns.dram_bytes_per_image = Some(bytes / images);
            columns.traffic_error_pct = error(row.dram_bytes_per_image, bytes / images);
        }
        Err(missing) => row.remarks.push(missing),
    }
    row.truth = Some(columns);
}

fn true_joules(truth: &Truth, recording: &Recording<'_>, index: usize) -> Result<f64, String> {
    let counted = |part| recording.counted_rails(part).into_iter();
    parts(recording, index).map(|(part, run)| truth.active_joules(run, counted(part))).sum()
}

/// The run itself, or the runs of a co-execution's components that ran anything.
fn parts<'a>(recording: &'a Recording<'_>, index: usize) -> impl Iterator<Item = (usize, &'a Run)> {
    let runs = &recording.spans.runs;
    let lanes = match (runs[index].part, recording.coexecution(index)) {
        (Part::All(_), Some(together)) => together.lanes.clone(),
        _ => vec![index],
    };
    lanes.into_iter().map(|part| (part, &runs[part])).filter(|(_, run)| !run.images.is_empty())
}
