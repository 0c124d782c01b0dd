//! The spans of one component's run: its layers, its images, and itself at the end.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wattline_agent::Recorder;
use wattline_trace::rows::{ALL_COMPONENTS, EventKind, SpanKind, SpanRow};
use wattline_trace::{Name, TableWriter, WriteError};

use super::lane::{Lane, Layer};
use super::stream::Stage;

static NEXT_SPAN: AtomicU64 = AtomicU64::new(1);

/// A number that no other span of the bundle has.
pub(super) fn next_span() -> u64 {
    NEXT_SPAN.fetch_add(1, Ordering::Relaxed)
}

/// Writes the spans of a run. Nothing is allocated for an image.
#[derive(Debug)]
pub(super) struct RunSpans {
    table: TableWriter<SpanRow>,
    network: Name,
    component: Name,
    layers: Arc<[Layer]>,
    id: u64,
    parent: Option<u64>,
    sum: Option<Sum>,
    layer_ns: Vec<u64>,
    clock_error_ns: u64,
    transfer_ns: u64,
    ended: bool,
}

/// What a run's images come to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sum {
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) images: u64,
    flops: u64,
    bytes_theoretical: u64,
}

impl RunSpans {
    pub(super) fn new(stage: &Stage<'_>, lane: &Lane, parent: Option<u64>) -> Self {
        RunSpans {
            table: stage.spans.clone(),
            network: stage.network.clone(),
            component: lane.component.name().into(),
            layers: Arc::clone(&lane.layers),
            id: next_span(),
            parent,
            sum: None,
            layer_ns: vec![0; lane.layers.len()],
            clock_error_ns: 0,
            transfer_ns: 0,
            ended: false,
        }
    }

    /// The component whose run it is.
    pub(super) fn component(&self) -> &str {
        &self.component
    }

    /// All layers of the network.
    pub(super) fn all_layers(&self) -> Range<usize> {
        0..self.layers.len()
    }

    /// Writes the spans of an image, or of some layers of one, and of these layers. What comes
    /// after the run's end (from a component that hung) is of no run, and left out.
    pub(super) fn image(
        &mut self,
        image: u64,
        layers: Range<usize>,
        (start_ns, end_ns): (u64, u64),
        layer_times: impl Iterator<Item = (u64, u64)>,
    ) -> Result<(), WriteError> {
        if self.ended {
            return Ok(());
        }
        let id = next_span();
        let row = |id, parent, kind, name: &Name, (start_ns, end_ns), (flops, bytes)| SpanRow {
            id,
            parent: Some(parent),
            kind,
            name: name.clone(),
            component: self.component.clone(),
            image: Some(image),
            start_ns,
            end_ns,
            flops: Some(flops),
            bytes_theoretical: Some(bytes),
        };
        let (mut flops, mut bytes) = (0, 0);
        for (index, times) in layers.zip(layer_times) {
            let layer = &self.layers[index];
            let cost = (layer.flops, layer.bytes_theoretical);
            self.table.write(&row(next_span(), id, SpanKind::Layer, &layer.name, times, cost))?;
            self.layer_ns[index] += times.1 - times.0;
            (flops, bytes) = (flops + cost.0, bytes + cost.1);
        }
        let times = (start_ns, end_ns);
        self.table.write(&row(
            id,
            self.id,
            SpanKind::Image,
            &self.network,
            times,
            (flops, bytes),
        ))?;
        let image = Sum { start_ns, end_ns, images: 1, flops, bytes_theoretical: bytes };
        self.sum = Some(self.sum.map_or(image, |sum| sum.and(image)));
        Ok(())
    }

    /// The layers of an image were timed by a clock that may be so far off the run's.
    pub(super) fn off_by_at_most(&mut self, clock_error_ns: u64) {
        self.clock_error_ns = self.clock_error_ns.max(clock_error_ns);
    }

    /// An image, or some layers of one, came to a device and back in this time, which is part of its
    /// layers'.
    pub(super) fn transferred_for(&mut self, transfer_ns: u64) {
        self.transfer_ns += transfer_ns;
    }

    /// Notes what is to be known of layers' times on a device that has a clock and memory of its own.
    pub(super) fn note_device(&self, recorder: &Recorder) {
        if self.clock_error_ns > 0 {
            let detail = format!(
                "layers are timed by the device's clock, which is off the run's by at most {:.1} us",
                self.clock_error_ns as f64 / 1e3
            );
            recorder.note(EventKind::Note, &self.component, &detail);
        }
        if let Some(sum) = self.sum.filter(|_| self.transfer_ns > 0) {
            let detail = format!(
                "{:.1} us of an image bring it to the device and its result back: part of its first \
                 and its last layer",
                self.transfer_ns as f64 / 1e3 / sum.images as f64
            );
            recorder.note(EventKind::Note, &self.component, &detail);
        }
    }

    /// Writes the run's own span, if any image ran. Answers what they came to.
    pub(super) fn end(&mut self) -> Result<Option<Sum>, WriteError> {
        self.ended = true;
        let Some(sum) = self.sum else { return Ok(None) };
        let (network, component) = (self.network.clone(), self.component.clone());
        self.table.write(&run_row(self.id, self.parent, network, component, sum))?;
        Ok(Some(sum))
    }

    /// Mean seconds of each layer over the images so far.
    pub(super) fn layer_seconds(&self) -> Vec<f64> {
        let images = self.sum.map_or(1, |sum| sum.images) as f64;
        self.layer_ns.iter().map(|&ns| ns as f64 * 1e-9 / images).collect()
    }
}

impl Sum {
    /// Both together.
    pub(super) fn and(self, other: Sum) -> Sum {
        Sum {
            start_ns: self.start_ns.min(other.start_ns),
            end_ns: self.end_ns.max(other.end_ns),
            images: self.images + other.images,
            flops: self.flops + other.flops,
            bytes_theoretical: self.bytes_theoretical + other.bytes_theoretical,
        }
    }
}

/// The span of a co-execution, of all components together.
pub(super) fn coexecution_row(id: u64, network: Name, sum: Sum) -> SpanRow {
    run_row(id, None, network, ALL_COMPONENTS.into(), sum)
}

/// The span of a component's getting ready for the runs that follow.
pub(super) fn preparation_row(network: Name, component: Name, times: (u64, u64)) -> SpanRow {
    SpanRow {
        id: next_span(),
        parent: None,
        kind: SpanKind::Preparation,
        name: network,
        component,
        image: None,
        start_ns: times.0,
        end_ns: times.1,
        flops: None,
        bytes_theoretical: None,
    }
}

fn run_row(id: u64, parent: Option<u64>, network: Name, component: Name, sum: Sum) -> SpanRow {
    SpanRow {
        id,
        parent,
        kind: SpanKind::Run,
        name: network,
        component,
        image: None,
        start_ns: sum.start_ns,
        end_ns: sum.end_ns,
        flops: Some(sum.flops),
        bytes_theoretical: Some(sum.bytes_theoretical),
    }
}
