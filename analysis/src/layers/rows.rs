//! The rows of a run's layers, and of their kinds.

use wattline_trace::{Name, Provenance};

use super::measured::Measured;
use super::times::{LayerTime, RunTimes};
use super::{Fitted, FittedLayer};
use crate::compare::{LayerQuantities, layer_seconds};
use crate::quantity::Quantity;
use crate::recording::Recording;
use crate::results::{Bound, LayerFitRow, LayerKindRow, LayerRow, LayerTruth};
use crate::roof::Roof;
use crate::spans::Part;
use crate::{Analysis, summary};

/// What is known of a layer's place in its network when the manifest does not say.
const UNKNOWN: &str = "unknown";

/// A run's layers, and all that is known of them.
struct Known<'a> {
    recording: &'a Recording<'a>,
    times: &'a RunTimes,
    /// The run's index, where its span is in the bundle.
    run: Option<usize>,
    measured: Measured,
    provenance: Provenance,
}

/// Adds the rows of one run.
pub(super) fn add(recording: &Recording<'_>, times: &RunTimes, analysis: &mut Analysis) {
    let run = recording.spans.runs.iter().position(|run| times.is_of(run));
    let measured = Measured::of(recording, run);
    let component = recording.component(&times.component);
    let of_times = component.map_or(Provenance::Measured, |it| it.provenance);
    let provenance = match run.filter(|_| measured.any()) {
        // Whatever is fitted is a layer's by a rule, and not by a sensor.
        Some(run) => recording.provenance(run).max(of_times).max(Provenance::Estimated),
        None => of_times,
    };
    let known = Known { recording, times, run, measured, provenance };
    let rows = (0..times.layers.len()).map(|layer| known.layer_row(layer));
    let (rows, quantities): (Vec<LayerRow>, Vec<_>) = rows.unzip();
    analysis.layer_quantities.extend(quantities);
    analysis.layer_kinds.extend(known.kind_rows(&rows));
    analysis.layers.extend(rows);
    analysis.layer_fits.extend(known.fit_rows());
    analysis.fitted.extend(known.fitted());
}

impl Known<'_> {
    /// None of a component that ran beside others.
    fn fitted(self) -> Option<Fitted> {
        let (recording, times) = (self.recording, self.times);
        let run = &recording.spans.runs[self.run?];
        let board = &recording.manifest.board;
        let layer = |(index, time): (usize, &LayerTime)| FittedLayer {
            name: time.name.clone(),
            kind: self.kind(index, time).to_owned(),
            seconds: time.mean(),
        };
        let layers = times.layers.iter().enumerate().map(layer).collect();
        (run.part == Part::Solo).then(|| Fitted {
            bundle: recording.name.clone(),
            board: board.model.clone(),
            network: times.network.clone(),
            component: times.component.clone(),
            frequency: recording.component(&times.component).and_then(|it| it.frequency.clone()),
            provenance: self.provenance,
            images: times.images,
            image_seconds: times.image_seconds(),
            slow_image_seconds: times.slow_image_seconds,
            layers,
            fit: self.measured.joules,
        })
    }

    fn layer_row(&self, index: usize) -> (LayerRow, LayerQuantities) {
        let times = self.times;
        let time = &times.layers[index];
        let seconds = time.mean();
        let flops = time.flops.filter(|&flops| flops > 0).map(|flops| flops as f64);
        let theoretical = time.bytes_theoretical.filter(|&bytes| bytes > 0);
        let estimate = |fit: Option<&super::fit::Fit>| fit.map(|fit| fit.of(&[(index, seconds)]));
        let (joules, bytes) =
            (self.measured.joules.as_ref().ok(), self.measured.bytes.as_ref().ok());
        let (in_joules, in_bytes) = (estimate(joules), estimate(bytes));
        let merged = |fit: Option<&super::fit::Fit>| {
            fit.and_then(|fit| fit.merged(index)).map_or_else(String::new, |(first, last)| {
                format!("{} … {}", times.layers[first].name, times.layers[last].name)
            })
        };
        let moved = in_bytes.as_ref().map(|it| it.value);
        let component = self.recording.component(&times.component);
        let under = component
            .and_then(Roof::of)
            .and_then(|roof| under_roof(roof, seconds, time.flops, moved, theoretical));
        let mut row = LayerRow {
            bundle: self.recording.name.clone(),
            run: times.run,
            network: times.network.clone(),
            component: times.component.clone(),
            layer: time.name.clone(),
            kind: self.kind(index, time).to_owned(),
            images: time.images,
            seconds_per_image: seconds,
            share_pct: share(seconds, times.image_seconds()),
            joules_per_image: in_joules.as_ref().map(|it| it.value),
            joules_per_image_ci95: in_joules.as_ref().map(Quantity::half_width),
            joules_merged: merged(joules),
            flops: time.flops,
            bytes_theoretical: time.bytes_theoretical,
            dram_bytes_per_image: moved,
            dram_bytes_per_image_ci95: in_bytes.as_ref().map(Quantity::half_width),
            bytes_merged: merged(bytes),
            gop_per_s: flops.filter(|_| seconds > 0.0).map(|flops| flops / seconds * 1e-9),
            oi_theoretical: flops.zip(theoretical).map(|(flops, bytes)| flops / bytes as f64),
            oi_empirical: flops
                .zip(moved)
                .map(|(flops, bytes)| flops / bytes)
                .filter(|intensity| intensity.is_finite()),
            bound: under.map(|(bound, _)| bound),
            roof_fraction: under.map(|(_, fraction)| fraction),
            frequency_mhz: self.recording.frequency_mhz(&times.component, Some(index)),
            provenance: self.provenance,
            truth: None,
            note: self.measured.note(),
        };
        row.truth = self.truth(index, &row);
        let quantities = LayerQuantities {
            policy: self.policy(),
            joules_per_image: in_joules,
            seconds_per_image: layer_seconds(&time.spread, self.recording.clock_rate()),
            dram_bytes_per_image: in_bytes,
        };
        (row, quantities)
    }

    fn policy(&self) -> Option<Name> {
        self.recording.coexecution(self.run?)?;
        let record = self.recording.manifest.coexecution.as_ref();
        Some(record.map_or(summary::UNKNOWN.into(), |record| Name::new(&record.policy)))
    }

    fn kind(&self, index: usize, time: &LayerTime) -> &str {
        let models = &self.recording.manifest.models;
        let model = models.iter().find(|model| self.times.network == *model.name.as_str());
        let records = model.map_or(&[][..], |model| &model.layers);
        let same = |name: &str| time.name == *name;
        let in_place = records.get(index).filter(|record| same(&record.name));
        let record = in_place.or_else(|| records.iter().find(|record| same(&record.name)));
        record.map_or(UNKNOWN, |record| &record.kind)
    }

    fn truth(&self, index: usize, row: &LayerRow) -> Option<LayerTruth> {
        let truth = self.recording.truth.as_ref()?;
        let of_run = self.run.and_then(|run| {
            let rails = self.recording.counted_rails(run);
            truth.layer(self.times, index, rails.into_iter())
        });
        let Some((joules, bytes)) = of_run else { return Some(LayerTruth::default()) };
        let images = row.images as f64;
        let error = |measured: Option<f64>, truth: f64| {
            measured.map(|it| 100.0 * (it - truth) / truth).filter(|error| error.is_finite())
        };
        let (joules, bytes) = (joules / images, bytes / images);
        Some(LayerTruth {
            truth_joules: Some(joules),
            energy_error_pct: error(row.joules_per_image, joules),
            truth_dram_bytes: Some(bytes),
            traffic_error_pct: error(row.dram_bytes_per_image, bytes),
        })
    }

    /// One row for each kind, the longest first, and what is left of the image.
    fn kind_rows(&self, layers: &[LayerRow]) -> Vec<LayerKindRow> {
        let mut kinds: Vec<(&str, Vec<usize>)> = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            match kinds.iter_mut().find(|(kind, _)| *kind == layer.kind) {
                Some((_, members)) => members.push(index),
                None => kinds.push((&layer.kind, vec![index])),
            }
        }
        let row = |(kind, members): (&str, Vec<usize>)| {
            let own: Vec<(usize, f64)> =
                members.iter().map(|&it| (it, layers[it].seconds_per_image)).collect();
            let joules = self.measured.joules.as_ref().ok().map(|fit| fit.of(&own));
            self.kind_row(kind, own.len(), own.iter().map(|(_, seconds)| seconds).sum(), joules)
        };
        let mut rows: Vec<LayerKindRow> = kinds.into_iter().map(row).collect();
        rows.sort_by(|a, b| {
            b.seconds_per_image.total_cmp(&a.seconds_per_image).then(a.kind.cmp(&b.kind))
        });
        if !rows.is_empty() {
            rows.push(self.between(layers));
        }
        rows
    }

    fn between(&self, layers: &[LayerRow]) -> LayerKindRow {
        let own: Vec<(usize, f64)> =
            layers.iter().map(|layer| layer.seconds_per_image).enumerate().collect();
        let sum: f64 = own.iter().map(|(_, seconds)| seconds).sum();
        let in_layers = self.measured.joules.as_ref().ok().map(|fit| fit.of(&own));
        let image = self.run.and_then(|run| summary::joules_per_image(self.recording, run));
        let joules = in_layers.zip(image).map(|(layers, image)| image.less(&layers));
        // Nothing lies between layers that follow at once, but for rounding.
        let all = self.times.image_seconds();
        let between = if (all - sum).abs() <= 1e-9 * all { 0.0 } else { all - sum };
        self.kind_row(LayerKindRow::BETWEEN, 0, between, joules)
    }

    fn kind_row(
        &self,
        kind: &str,
        layers: usize,
        seconds: f64,
        joules: Option<Quantity>,
    ) -> LayerKindRow {
        LayerKindRow {
            bundle: self.recording.name.clone(),
            run: self.times.run,
            network: self.times.network.clone(),
            component: self.times.component.clone(),
            kind: kind.to_owned(),
            layers: layers as u64,
            images: self.times.images,
            seconds_per_image: seconds,
            share_pct: share(seconds, self.times.image_seconds()),
            joules_per_image: joules.as_ref().map(|it| it.value),
            joules_per_image_ci95: joules.as_ref().map(Quantity::half_width),
            provenance: self.provenance,
        }
    }

    fn fit_rows(&self) -> Vec<LayerFitRow> {
        let bundle: &Name = &self.recording.name;
        let rows = self.measured.accounts.iter().map(|account| LayerFitRow {
            bundle: bundle.clone(),
            run: self.times.run,
            network: self.times.network.clone(),
            component: self.times.component.clone(),
            source: account.source.clone(),
            readings: account.readings,
            phase_coverage_pct: account.coverage.map(|share| 100.0 * share),
            layers: self.times.layers.len() as u64,
            groups: account.groups,
            condition: account.condition,
            residual: account.residual,
            note: account.note.clone(),
        });
        rows.collect()
    }
}

/// What bounds a layer, and its speed, of the most that the roof allows; none where its work is not
/// known. Caches spare the DRAM some of the theoretical bytes: without measured ones, only what
/// computing bounds even so is told.
fn under_roof(
    roof: Roof,
    seconds: f64,
    flops: Option<u64>,
    measured: Option<f64>,
    theoretical: Option<u64>,
) -> Option<(Bound, f64)> {
    let bytes = measured.or(theoretical.map(|bytes| bytes as f64))?;
    let least = roof.least(flops? as f64, bytes);
    if least.bound == Bound::Bandwidth && measured.is_none() {
        return None;
    }
    let fraction = least.seconds / seconds;
    (fraction > 0.0 && fraction.is_finite()).then_some((least.bound, fraction))
}

fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| 100.0 * part / whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_measured_bytes_only_computing_is_told() {
        let roof = Roof::new(1e9, 1e8).unwrap();
        let under = |measured, theoretical| {
            under_roof(roof, 2.0, Some(1_000_000_000), measured, theoretical)
        };
        assert_eq!(under(Some(1e7), None), Some((Bound::Compute, 0.5)));
        assert_eq!(under(Some(4e8), None), Some((Bound::Bandwidth, 2.0)));
        assert_eq!(under(None, Some(10_000_000)), Some((Bound::Compute, 0.5)));
        assert_eq!(under(None, Some(400_000_000)), None);
        assert_eq!(under_roof(roof, 2.0, None, Some(4e8), None), None);
        assert_eq!(under_roof(roof, 2.0, Some(0), Some(0.0), None), None);
    }
}
