//! The time of each layer, from layer spans.
//!
//! Layers of an image stand before it in `spans.csv`, and what network they are of stands in the
//! image alone: they wait for it, those of a few images at a time.

use std::collections::HashMap;

use wattline_trace::rows::{SpanKind, SpanRow};
use wattline_trace::{BundleReader, Name};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::error::AnalysisError;
use crate::held::Held;
use crate::interval::Interval;
use crate::power::moments::Moments;
use crate::spans::{Run, seconds};
use crate::table::for_each_row;

/// The layers of all runs.
#[derive(Debug, Default)]
pub(crate) struct Times {
    /// Layers whose image has not come yet, by its id.
    waiting: HashMap<u64, Vec<SpanRow>>,
    /// By order of their first image.
    pub(crate) runs: Vec<RunTimes>,
}

/// The layers of one run, over all its images.
#[derive(Debug)]
pub(crate) struct RunTimes {
    /// The run's span.
    pub(crate) run: Option<u64>,
    pub(super) network: Name,
    pub(crate) component: Name,
    pub(crate) images: u64,
    pub(super) seconds: f64,
    /// By position in the network.
    pub(crate) layers: Vec<LayerTime>,
    /// What 99 of 100 images took no longer than.
    pub(super) slow_image_seconds: f64,
    /// When each image ran.
    pub(super) spans: Held<Interval>,
    pub(super) visits: Held<Visit>,
}

/// One layer over all images.
#[derive(Debug)]
pub(crate) struct LayerTime {
    pub(super) name: Name,
    pub(super) images: u64,
    pub(super) seconds: f64,
    /// How its times differ from image to image.
    pub(super) spread: Moments,
    pub(super) flops: Option<u64>,
    pub(super) bytes_theoretical: Option<u64>,
}

/// A layer of one image.
#[derive(Debug, Clone, Copy, PartialEq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct Visit {
    pub(super) from: u64,
    pub(super) to: u64,
    layer: u64,
}

impl Visit {
    /// Which layer of the run it is.
    pub(super) fn layer(&self) -> usize {
        self.layer as usize
    }
}

impl LayerTime {
    /// Mean time of one image.
    pub(super) fn mean(&self) -> f64 {
        self.seconds / self.images as f64
    }
}

impl Times {
    /// Reads them.
    ///
    /// # Errors
    /// If the table is damaged.
    pub(crate) fn read(bundle: &BundleReader) -> Result<Self, AnalysisError> {
        let mut times = Times::default();
        // A torn last line was warned of when runs and images were read.
        for_each_row::<SpanRow>(bundle, &mut Vec::new(), |_, span, _| {
            times.add(span);
            Ok(())
        })?;
        times.runs.iter_mut().for_each(RunTimes::finish);
        Ok(times)
    }

    /// Those of a run.
    pub(crate) fn of(&mut self, run: &Run) -> Option<&mut RunTimes> {
        self.runs.iter_mut().find(|times| times.is_of(run))
    }

    pub(super) fn add(&mut self, span: &SpanRow) {
        match (span.kind, span.parent) {
            (SpanKind::Layer, Some(image)) => {
                self.waiting.entry(image).or_default().push(span.clone())
            }
            (SpanKind::Image, _) => {
                if let Some(layers) = self.waiting.remove(&span.id) {
                    self.image(span, layers);
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
            slow_image_seconds: 0.0,
            layers: Vec::new(),
            spans: Held::default(),
            visits: Held::default(),
        }
    }

    /// Once all are there: puts them in order of time, which is that of the file but where images
    /// overlap.
    fn finish(&mut self) {
        self.spans.sort_by_key(|image| (image.from, image.to));
        self.visits.sort_by_key(|visit| (visit.from, visit.to, visit.layer));
        let mut times: Held<f64> = self.spans.iter().map(|image| image.seconds()).collect();
        times.sort_unstable_by(f64::total_cmp);
        let place = (0.99 * times.len() as f64).ceil() as usize;
        self.slow_image_seconds = times.get(place.saturating_sub(1)).copied().unwrap_or(0.0);
    }

    fn add(&mut self, image: &SpanRow, layers: &[SpanRow]) {
        self.images += 1;
        self.seconds += seconds(image.start_ns, image.end_ns);
        self.spans.push(Interval { from: image.start_ns, to: image.end_ns });
        for (index, layer) in layers.iter().enumerate() {
            // Where a layer was expected stands another: an image that was cut off, or a network
            // in which layers run in no fixed order.
            let known = self.layers.get(index).is_some_and(|time| time.name == layer.name);
            let at = match known {
                true => index,
                false => self.place(&layer.name, index),
            };
            let (from, to) = (layer.start_ns, layer.end_ns);
            self.visits.push(Visit { from, to, layer: at as u64 });
            let time = &mut self.layers[at];
            time.images += 1;
            time.seconds += seconds(layer.start_ns, layer.end_ns);
            time.spread.add(seconds(layer.start_ns, layer.end_ns));
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
                    spread: Moments::default(),
                    flops: None,
                    bytes_theoretical: None,
                });
                self.layers.len() - 1
            }
        }
    }

    /// Whether these are the layers of a run.
    pub(crate) fn is_of(&self, run: &Run) -> bool {
        self.run.is_some()
            && self.run == run.id
            && self.network == run.network
            && self.component == run.component
    }

    /// Mean time of an image.
    pub(super) fn image_seconds(&self) -> f64 {
        self.seconds / self.images as f64
    }

    /// The layer that began at an instant.
    pub(crate) fn layer_at(&self, from: u64) -> Option<usize> {
        let first = self.visits.partition_point(|visit| visit.from < from);
        self.visits.get(first).filter(|visit| visit.from == from).map(Visit::layer)
    }
}

#[cfg(test)]
pub(super) mod tests {
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

    /// Two images of three layers, one of whose names occurs twice.
    pub(in crate::layers) fn times() -> Times {
        let mut times = Times::default();
        for image in 0..2 {
            let (id, start) = (10 * (image + 1), 10_000 * image);
            for (layer, name) in [(0, "conv"), (1, "relu"), (2, "conv")] {
                let begun = start + 1000 * layer;
                let times_of = (begun, begun + 500 + 100 * image);
                times.add(&span(id + 1 + layer, id, SpanKind::Layer, name, times_of));
            }
            times.add(&span(id, 1, SpanKind::Image, "net", (start, start + 4000)));
        }
        times
    }

    #[test]
    fn layers_are_averaged_in_their_place() {
        let times = times();
        let run = &times.runs[0];
        let names: Vec<_> = run.layers.iter().map(|layer| layer.name.as_str()).collect();
        assert_eq!(names, ["conv", "relu", "conv"]);
        assert!(run.layers.iter().all(|layer| layer.images == 2));
        assert!((run.layers[0].seconds - 1100e-9).abs() < 1e-15);
        assert!(times.waiting.is_empty());
        assert_eq!(run.layer_at(12_000), Some(2));
        assert_eq!(run.layer_at(12_001), None);
    }
}
