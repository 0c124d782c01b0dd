//! Images, as they are held and as rows of `images.csv`.

use serde::{Serialize, Serializer};
use wattline_trace::Name;
use wattline_trace::rows::SpanRow;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::held::{Held, Maybe};
use crate::interval::Interval;
use crate::results::ImageRow;
use crate::spans::{Run, seconds};

/// One image of a run.
#[derive(Debug, Clone, Copy, PartialEq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Image {
    pub(crate) start: u64,
    pub(crate) end: u64,
    index: Maybe,
    flops: Maybe,
    bytes_theoretical: Maybe,
}

impl Image {
    pub(crate) fn of(span: &SpanRow) -> Self {
        Image {
            start: span.start_ns,
            end: span.end_ns,
            index: span.image.into(),
            flops: span.flops.into(),
            bytes_theoretical: span.bytes_theoretical.into(),
        }
    }

    #[cfg(test)]
    pub(crate) fn new((start, end): (u64, u64), index: Option<u64>, flops: Option<u64>) -> Self {
        let [index, flops, bytes_theoretical] = [index, flops, None].map(Maybe::from);
        Image { start, end, index, flops, bytes_theoretical }
    }

    /// Its number in its stream.
    pub(crate) fn index(&self) -> Option<u64> {
        self.index.get()
    }

    pub(crate) fn flops(&self) -> Option<u64> {
        self.flops.get()
    }

    pub(crate) fn bytes_theoretical(&self) -> Option<u64> {
        self.bytes_theoretical.get()
    }

    /// When it ran.
    pub(crate) fn interval(&self) -> Interval {
        Interval { from: self.start, to: self.end }
    }

    pub(crate) fn seconds(&self) -> f64 {
        seconds(self.start, self.end)
    }
}

/// The images of all runs that were analysed. Those of a long recording do not all lie in memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Images(Vec<OfRun>);

/// Those of one run.
#[derive(Debug, Clone, PartialEq)]
struct OfRun {
    bundle: Name,
    network: Name,
    component: Name,
    start: u64,
    images: Held<Image>,
}

impl Images {
    pub(crate) fn add(&mut self, bundle: &Name, run: Run) {
        self.0.push(OfRun {
            bundle: bundle.clone(),
            network: run.network,
            component: run.component,
            start: run.start,
            images: run.images,
        });
    }

    /// A row for each, by run and in order of their start.
    pub fn rows(&self) -> impl Iterator<Item = ImageRow> + Clone + '_ {
        self.0.iter().flat_map(|run| run.images.iter().map(|image| run.row(image)))
    }
}

impl OfRun {
    fn row(&self, image: &Image) -> ImageRow {
        // One that begins before its run does so by a negative time.
        let start_s = seconds(self.start, image.start) - seconds(image.start, self.start);
        ImageRow {
            bundle: self.bundle.clone(),
            network: self.network.clone(),
            component: self.component.clone(),
            image: image.index(),
            start_s,
            latency_ms: image.seconds() * 1e3,
            flops: image.flops(),
            bytes_theoretical: image.bytes_theoretical(),
        }
    }
}

impl Serialize for Images {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows())
    }
}
