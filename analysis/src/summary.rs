//! The summary row of a run: joules, bytes and rates put together.

use crate::power::variance::Variance;
use crate::recording::Recording;
use crate::refusal::Refusal;
use crate::results::{SummaryRow, TruthColumns};
use crate::spans::{Run, seconds};

/// Share of a run that images must fill for its joules to be theirs without a remark.
const LEAST_FILLED: f64 = 0.95;

/// The row of run `index`. An empty cell has its reason in the row's refusals.
pub(crate) fn row(recording: &Recording<'_>, index: usize) -> SummaryRow {
    let run = &recording.spans.runs[index];
    let images = run.images.len() as f64;
    let work = Work::of(run);
    let mut refusals = Vec::new();
    let sound = sound(run);
    let stream = run.stream_seconds();
    let rate = known(
        if stream > 0.0 { Ok(images / stream) } else { Err(Refusal::NoTime) },
        &sound,
        &mut refusals,
    );
    let energy = known(active_energy(recording, index), &sound, &mut refusals);
    let bytes = known(
        recording.block(index).and_then(|(block, at)| recording.traffic.bytes(block, at)),
        &sound,
        &mut refusals,
    );
    let flops = known(work.flops.ok_or(Refusal::NoFlops), &sound, &mut refusals);
    let theoretical = known(work.bytes.ok_or(Refusal::NoTheoreticalBytes), &sound, &mut refusals);
    let joules_per_image = energy.map(|(joules, _)| joules / images);
    let mut row = SummaryRow {
        network: run.network.clone(),
        component: run.component.clone(),
        images: run.images.len() as u64,
        images_per_s: rate,
        joules_per_image,
        joules_per_image_ci95: energy.map(|(_, half_width)| half_width / images),
        images_per_joule: joules_per_image.map(f64::recip),
        gop_per_s: flops.zip(rate).map(|(flops, rate)| flops / images * rate * 1e-9),
        oi_theoretical: flops.zip(theoretical).map(|(flops, bytes)| flops / bytes),
        oi_empirical: flops.zip(bytes).map(|(flops, bytes)| flops / bytes),
        dram_bytes_per_image: bytes.map(|bytes| bytes / images),
        provenance: recording.provenance(index),
        truth: None,
        bundle: recording.name.clone(),
        refusals,
        remarks: remarks(run),
    };
    hold_against_truth(&mut row, recording, index);
    row
}

/// Work of all images of a run; none where it is not known.
struct Work {
    flops: Option<f64>,
    bytes: Option<f64>,
}

impl Work {
    fn of(run: &Run) -> Self {
        // An image that says nothing would make the others' sum look like all of it.
        let sum = |of: fn(&crate::spans::Image) -> Option<u64>| {
            let known = run.images.iter().map(|image| of(image).filter(|&it| it > 0));
            let total = known.map(|it| it.map(u128::from)).sum::<Option<u128>>()?;
            (total > 0).then_some(total as f64)
        };
        Work { flops: sum(|image| image.flops), bytes: sum(|image| image.bytes_theoretical) }
    }
}

/// Whether the run's images can be divided by at all.
fn sound(run: &Run) -> Result<(), Refusal> {
    if run.images.is_empty() {
        return Err(if run.whole { Refusal::NoImages } else { Refusal::CutOff });
    }
    run.image_outside().map_or(Ok(()), |image| Err(Refusal::ImageOutsideRun { image }))
}

/// A value, if the run is sound and nothing refuses it; the reason is kept once.
fn known<T>(
    value: Result<T, Refusal>,
    sound: &Result<(), Refusal>,
    refusals: &mut Vec<Refusal>,
) -> Option<T> {
    match sound.clone().and(value) {
        Ok(value) => Some(value),
        Err(refusal) => {
            if !refusals.contains(&refusal) {
                refusals.push(refusal);
            }
            None
        }
    }
}

/// Active joules of a run over its component's rails, and half of their 95 % interval.
fn active_energy(recording: &Recording<'_>, index: usize) -> Result<(f64, f64), Refusal> {
    recording.block(index)?;
    let counted = recording.counted_rails(index);
    if counted.is_empty() {
        let component = recording.spans.runs[index].component.to_string();
        return Err(Refusal::NoRails { component });
    }
    let mut joules = 0.0;
    let mut variance = Variance::default();
    for rail in counted {
        let place = recording.rails.iter().position(|known| known.record.name == rail);
        let place = place.ok_or_else(|| Refusal::RailNotRecorded { rail: rail.to_owned() })?;
        let energy = recording.energies[index][place].as_ref().map_err(Clone::clone)?;
        joules += energy.active_joules;
        variance += energy.variance;
    }
    let half_width = variance.half_width();
    if !(joules.is_finite() && half_width.is_finite()) || half_width >= joules {
        return Err(Refusal::Undetermined { joules, half_width });
    }
    Ok((joules, half_width))
}

fn remarks(run: &Run) -> Vec<String> {
    let filled = run.stream_seconds() / seconds(run.start, run.end);
    if !run.whole || run.images.is_empty() || filled >= LEAST_FILLED || filled.is_nan() {
        return vec![];
    }
    let percent = 100.0 * filled;
    vec![format!("images fill {percent:.1} % of the run; joules and bytes are of all of it")]
}

fn hold_against_truth(row: &mut SummaryRow, recording: &Recording<'_>, index: usize) {
    let Some(truth) = &recording.truth else { return };
    let run = &recording.spans.runs[index];
    let mut columns = TruthColumns::default();
    if run.images.is_empty() {
        row.truth = Some(columns);
        return;
    }
    let images = run.images.len() as f64;
    let error = |measured: Option<f64>, truth: f64| {
        measured.map(|measured| 100.0 * (measured - truth) / truth).filter(|e| e.is_finite())
    };
    match truth.active_joules(run, recording.counted_rails(index).into_iter()) {
        Ok(joules) => {
            columns.joules_per_image = Some(joules / images);
            columns.energy_error_pct = error(row.joules_per_image, joules / images);
        }
        Err(missing) => row.remarks.push(missing),
    }
    match truth.dram_bytes(run) {
        Ok(bytes) => {
            columns.dram_bytes_per_image = Some(bytes / images);
            columns.traffic_error_pct = error(row.dram_bytes_per_image, bytes / images);
        }
        Err(missing) => row.remarks.push(missing),
    }
    row.truth = Some(columns);
}
