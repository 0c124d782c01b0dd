//! The time of each layer, and of each kind of layer, from layer spans.
//!
//! Layers of an image stand before it in `spans.csv`, and what network they are of stands in the
//! image alone: they wait for it, those of a few images at a time.

use std::collections::HashMap;

use wattline_trace::rows::{SpanKind, SpanRow};
use wattline_trace::{BundleReader, Manifest, Name, Provenance};

use crate::Analysis;
use crate::error::AnalysisError;
use crate::results::{LayerKindRow, LayerRow};
use crate::spans::seconds;
use crate::table::for_each_row;

/// What is known of a layer's place in its network when the manifest does not say.
const UNKNOWN: &str = "unknown";

/// Adds the rows of a bundle's layers, and of their kinds.
///
/// # Errors
/// If the table is damaged.
pub(crate) fn add_rows(
    bundle: &BundleReader,
    name: &Name,
    analysis: &mut Analysis,
) -> Result<(), AnalysisError> {
    let mut times = Times::default();
    // A torn last line was warned of when runs and images were read.
    for_each_row::<SpanRow>(bundle, &mut Vec::new(), |_, span, _| {
        times.add(span);
        Ok(())
    })?;
    for run in &times.runs {
        let rows = run.layer_rows(bundle.manifest(), name);
        analysis.layer_kinds.extend(run.kind_rows(&rows));
        analysis.layers.extend(rows);
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Times {
    /// Layers whose image has not come yet, by its id.
    waiting: HashMap<u64, Vec<SpanRow>>,
    /// By order of their first image.
    runs: Vec<RunTimes>,
}

/// The layers of one run, over all its images.
#[derive(Debug)]
struct RunTimes {
    /// The run's span.
    run: Option<u64>,
    network: Name,
    component: Name,
    images: u64,
    seconds: f64,
    /// By position in the network.
    layers: Vec<LayerTime>,
}

#[derive(Debug)]
struct LayerTime {
    name: Name,
    images: u64,
    seconds: f64,
    flops: Option<u64>,
    bytes_theoretical: Option<u64>,
}

impl Times {
    fn add(&mut self, span: SpanRow) {
        match (span.kind, span.parent) {
            (SpanKind::Layer, Some(image)) => self.waiting.entry(image).or_default().push(span),
            (SpanKind::Image, _) => {
                if let Some(layers) = self.waiting.remove(&span.id) {
                    self.image(&span, layers);
                }
            }
            _ => {}
        }
    }

    fn image(&mut self, image: &SpanRow, mut layers: Vec<SpanRow>) {
        layers.sort_by_key(|layer| (layer.start_ns, layer.end_ns, layer.id));
        // A component may run a network alone and, slower, beside others.
        let same = |run: &RunTimes| {
            run.run == image.parent && run.network == image.name && run.component == image.component
        };
        let at = self.runs.iter().position(same).unwrap_or_else(|| {
            self.runs.push(RunTimes::new(image));
            self.runs.len() - 1
        });
        self.runs[at].add(image, &layers);
    }
}

impl RunTimes {
    fn new(image: &SpanRow) -> Self {
        RunTimes {
            run: image.parent,
            network: image.name.clone(),
            component: image.component.clone(),
            images: 0,
            seconds: 0.0,
            layers: Vec::new(),
        }
    }

    fn add(&mut self, image: &SpanRow, layers: &[SpanRow]) {
        self.images += 1;
        self.seconds += seconds(image.start_ns, image.end_ns);
        for (index, layer) in layers.iter().enumerate() {
            // Where a layer was expected stands another: an image that was cut off, or a network
            // in which layers run in no fixed order.
            let known = self.layers.get(index).is_some_and(|time| time.name == layer.name);
            let at = match known {
                true => index,
                false => self.place(&layer.name, index),
            };
            let time = &mut self.layers[at];
            time.images += 1;
            time.seconds += seconds(layer.start_ns, layer.end_ns);
            time.flops = layer.flops;
            time.bytes_theoretical = layer.bytes_theoretical;
        }
    }

    fn place(&mut self, name: &Name, from: usize) -> usize {
        let rest = self.layers.iter().enumerate().skip(from);
        let found = rest.chain(self.layers.iter().enumerate()).find(|(_, time)| time.name == *name);
        // A name that occurs twice in a network takes a new place at its own position.
        match found {
            Some((at, _)) if from < self.layers.len() => at,
            _ => {
                let (images, seconds, name) = (0, 0.0, name.clone());
                self.layers.push(LayerTime {
                    name,
                    images,
                    seconds,
                    flops: None,
                    bytes_theoretical: None,
                });
                self.layers.len() - 1
            }
        }
    }

    fn layer_rows(&self, manifest: &Manifest, bundle: &Name) -> Vec<LayerRow> {
        let models = manifest.models.iter().find(|model| self.network == *model.name.as_str());
        let records = models.map_or(&[][..], |model| &model.layers);
        let component = manifest.components.iter().find(|it| self.component == *it.name.as_str());
        let provenance = component.map_or(Provenance::Measured, |it| it.provenance);
        let image_seconds = self.seconds / self.images as f64;
        let rows = self.layers.iter().enumerate().map(|(index, time)| {
            let same = |name: &str| time.name == *name;
            let in_place = records.get(index).filter(|record| same(&record.name));
            let record = in_place.or_else(|| records.iter().find(|record| same(&record.name)));
            let mean = time.seconds / time.images as f64;
            let flops = time.flops.filter(|&flops| flops > 0).map(|flops| flops as f64);
            let bytes = time.bytes_theoretical.filter(|&bytes| bytes > 0);
            LayerRow {
                bundle: bundle.clone(),
                run: self.run,
                network: self.network.clone(),
                component: self.component.clone(),
                layer: time.name.clone(),
                kind: record.map_or(UNKNOWN, |record| &record.kind).to_owned(),
                images: time.images,
                seconds_per_image: mean,
                share_pct: share(mean, image_seconds),
                gop_per_s: flops.filter(|_| mean > 0.0).map(|flops| flops / mean * 1e-9),
                oi_theoretical: flops.zip(bytes).map(|(flops, bytes)| flops / bytes as f64),
                flops: time.flops,
                bytes_theoretical: time.bytes_theoretical,
                provenance,
            }
        });
        rows.collect()
    }

    /// One row for each kind, the longest first, and what is left of the image's time.
    fn kind_rows(&self, layers: &[LayerRow]) -> Vec<LayerKindRow> {
        let image_seconds = self.seconds / self.images as f64;
        let mut kinds: Vec<LayerKindRow> = Vec::new();
        let Some(first) = layers.first() else { return kinds };
        let row = |kind: &str, layers: u64, mean: f64| LayerKindRow {
            bundle: first.bundle.clone(),
            run: self.run,
            network: self.network.clone(),
            component: self.component.clone(),
            kind: kind.to_owned(),
            layers,
            images: self.images,
            seconds_per_image: mean,
            share_pct: share(mean, image_seconds),
            provenance: first.provenance,
        };
        for layer in layers {
            let known = kinds.iter().position(|kind| kind.kind == layer.kind);
            let (layers, mean) = known.map_or((0, 0.0), |at| {
                let kind = kinds.swap_remove(at);
                (kind.layers, kind.seconds_per_image)
            });
            kinds.push(row(&layer.kind, layers + 1, mean + layer.seconds_per_image));
        }
        kinds.sort_by(|a, b| {
            b.seconds_per_image.total_cmp(&a.seconds_per_image).then(a.kind.cmp(&b.kind))
        });
        let sum: f64 = kinds.iter().map(|kind| kind.seconds_per_image).sum();
        kinds.push(row(LayerKindRow::BETWEEN, 0, image_seconds - sum));
        kinds
    }
}

fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| 100.0 * part / whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(id: u64, parent: u64, kind: SpanKind, name: &str, times: (u64, u64)) -> SpanRow {
        SpanRow {
            id,
            parent: Some(parent),
            kind,
            name: name.into(),
            component: "cpu".into(),
            image: Some(0),
            start_ns: times.0,
            end_ns: times.1,
            flops: Some(1000),
            bytes_theoretical: Some(100),
        }
    }

    /// Two images of two layers, one of whose names occurs twice.
    fn times() -> Times {
        let mut times = Times::default();
        for image in 0..2 {
            let (id, start) = (10 * (image + 1), 10_000 * image);
            for (layer, name) in [(0, "conv"), (1, "relu"), (2, "conv")] {
                let begun = start + 1000 * layer;
                let times_of = (begun, begun + 500 + 100 * image);
                times.add(span(id + 1 + layer, id, SpanKind::Layer, name, times_of));
            }
            times.add(span(id, 1, SpanKind::Image, "net", (start, start + 4000)));
        }
        times
    }

    #[test]
    fn layers_are_averaged_in_their_place() {
        let times = times();
        let layers = &times.runs[0].layers;
        let names: Vec<_> = layers.iter().map(|layer| layer.name.as_str()).collect();
        assert_eq!(names, ["conv", "relu", "conv"]);
        assert!(layers.iter().all(|layer| layer.images == 2));
        assert!((layers[0].seconds - 1100e-9).abs() < 1e-15);
        assert!(times.waiting.is_empty());
    }

    #[test]
    fn shares_of_kinds_add_up_to_the_image() {
        let times = times();
        let run = &times.runs[0];
        let row = |kind: &str, mean| LayerRow {
            bundle: "b".into(),
            run: None,
            network: "net".into(),
            component: "cpu".into(),
            layer: "l".into(),
            kind: kind.into(),
            images: 2,
            seconds_per_image: mean,
            share_pct: None,
            gop_per_s: None,
            oi_theoretical: None,
            flops: None,
            bytes_theoretical: None,
            provenance: Provenance::Measured,
        };
        let kinds = run.kind_rows(&[row("a", 1e-6), row("b", 1.5e-6), row("a", 1e-6)]);
        let names: Vec<_> = kinds.iter().map(|kind| (kind.kind.as_str(), kind.layers)).collect();
        assert_eq!(names, [("a", 2), ("b", 1), (LayerKindRow::BETWEEN, 0)]);
        let shares: f64 = kinds.iter().filter_map(|kind| kind.share_pct).sum();
        assert!((shares - 100.0).abs() < 1e-9, "{shares}");
    }
}
