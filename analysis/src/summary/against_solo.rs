//! A co-execution held against its components alone: gain and efficiency.

use wattline_trace::SourceRecord;

use super::images_worth;
use crate::coexecution::solo_run;
use crate::recording::Recording;
use crate::results::SummaryRow;
use crate::spans::{Coexecution, Part, Run};

/// A component alone.
#[derive(Debug, Clone, Copy)]
struct Alone {
    images_per_s: f64,
    images_per_joule: Option<f64>,
}

/// Fills the columns of a co-execution. `rows` holds those of the runs before it.
pub(super) fn compare(
    row: &mut SummaryRow,
    recording: &Recording<'_>,
    index: usize,
    rows: &[Option<SummaryRow>],
) {
    let Some(together) = recording.coexecution(index) else { return };
    let Some(rate) = row.images_per_s else { return };
    let run = &recording.spans.runs[index];
    let gain = |value: f64, alone: f64| 100.0 * (value / alone - 1.0);
    if matches!(run.part, Part::Lane(_)) {
        row.frames_pct = frames_pct(recording, together, index);
        let alone = alone(recording, run, rows).and_then(|alone| alone.images_per_joule);
        row.images_per_joule_gain_pct =
            row.images_per_joule.zip(alone).map(|(value, alone)| gain(value, alone));
        return;
    }
    row.frames_pct = Some(100.0);
    let delivered = recording.frames.as_ref().map(|frames| frames.of(run));
    row.latency_p50_ms = delivered.as_ref().and_then(|it| it.latency_ms(50.0));
    row.latency_p99_ms = delivered.as_ref().and_then(|it| it.latency_ms(99.0));
    let lanes = together.lanes.iter().map(|&lane| &recording.spans.runs[lane]);
    let mut all = Vec::new();
    for lane in lanes {
        match alone(recording, lane, rows) {
            Some(alone) => all.push(alone),
            None => {
                let name = &lane.component;
                row.remarks.push(format!("{name} alone is not known: no gain is given"));
                return;
            }
        }
    }
    let Some(best) = all.iter().max_by(|a, b| a.images_per_s.total_cmp(&b.images_per_s)) else {
        return;
    };
    row.gain_pct = Some(gain(rate, best.images_per_s));
    row.images_per_joule_gain_pct =
        row.images_per_joule.zip(best.images_per_joule).map(|(value, alone)| gain(value, alone));
    let rates: Vec<f64> = all.iter().map(|alone| alone.images_per_s).collect();
    row.efficiency_solo = Some(rate / rates.iter().sum::<f64>());
    let record = recording.manifest.coexecution.as_ref();
    if !matches!(record.map(|record| &record.source), None | Some(SourceRecord::Camera { .. })) {
        let least = least_makespan(&rates, row.images);
        row.efficiency_oracle = Some(least * rate / row.images as f64);
    }
}

fn frames_pct(recording: &Recording<'_>, together: &Coexecution, index: usize) -> Option<f64> {
    let lanes: Vec<&Run> = together.lanes.iter().map(|&lane| &recording.spans.runs[lane]).collect();
    let images = images_worth(&lanes);
    let place = together.lanes.iter().position(|&lane| lane == index)?;
    let all: f64 = images.iter().sum();
    (all > 0.0).then(|| 100.0 * images[place] / all)
}

/// A component alone: as measured in the same recording, or else as the manifest has it.
fn alone(recording: &Recording<'_>, lane: &Run, rows: &[Option<SummaryRow>]) -> Option<Alone> {
    let solo = solo_run(recording, lane).and_then(|solo| rows[solo].as_ref());
    if let Some((row, images_per_s)) = solo.and_then(|row| Some((row, row.images_per_s?))) {
        return Some(Alone { images_per_s, images_per_joule: row.images_per_joule });
    }
    let profiles = &recording.manifest.coexecution.as_ref()?.profiles;
    let profile = profiles.iter().find(|profile| lane.component == *profile.component)?;
    let positive = |value: f64| (value > 0.0 && value.is_finite()).then(|| value.recip());
    Some(Alone {
        images_per_s: positive(profile.seconds_per_image)?,
        images_per_joule: profile.joules_per_image.and_then(positive),
    })
}

/// The least seconds in which components of these rates can run so many whole images: each image
/// goes to whoever would finish it first.
fn least_makespan(rates: &[f64], images: u64) -> f64 {
    let mut finished = vec![0u64; rates.len()];
    let mut makespan = 0.0;
    for _ in 0..images {
        let ends = rates.iter().zip(&finished).map(|(rate, &done)| (done + 1) as f64 / rate);
        let Some((next, end)) = ends.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)) else { break };
        finished[next] += 1;
        makespan = end;
    }
    makespan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_images_take_a_little_longer_than_divided_ones() {
        // By 2 s the fast one has finished four and the slow one its first.
        assert_eq!(least_makespan(&[2.0, 0.5], 5), 2.0);
        assert_eq!(least_makespan(&[2.0, 0.5], 1), 0.5);
        assert_eq!(least_makespan(&[1.0], 7), 7.0);
    }
}
