//! Results that left a co-execution, from `frames.csv`.

use std::collections::HashSet;

use wattline_trace::rows::FrameRow;
use wattline_trace::{BundleReader, Name, Row};

use crate::error::AnalysisError;
use crate::spans::{Run, seconds};
use crate::table::for_each_row;

/// All results of a bundle.
#[derive(Debug, Default)]
pub(crate) struct Frames(Vec<Frame>);

#[derive(Debug)]
struct Frame {
    image: u64,
    arrival: u64,
    start: u64,
    end: u64,
    delivered: u64,
    component: Name,
}

impl Frame {
    /// Whether it was run in a co-execution: by the middle of its time. The scheduler's times of an
    /// image enclose those of its span, which the executor took, so that the first may begin a little
    /// before the run does, and the last end after.
    fn is_of(&self, all: &Run) -> bool {
        (all.start..=all.end).contains(&self.start.midpoint(self.end))
    }
}

/// The results of one co-execution.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Delivered {
    /// Their numbers in the stream.
    pub(crate) images: HashSet<u64>,
    /// Components that finished one.
    pub(crate) components: HashSet<Name>,
    /// Seconds from arrival to delivery, ascending.
    latencies: Vec<f64>,
}

impl Frames {
    /// Reads the table; `None` where there is none.
    ///
    /// # Errors
    /// If it is damaged, an image left twice, or times of a row contradict each other.
    pub(crate) fn read(
        bundle: &BundleReader,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Self>, AnalysisError> {
        if !bundle.has::<FrameRow>() {
            return Ok(None);
        }
        let mut frames = Vec::new();
        let mut seen = HashSet::new();
        for_each_row::<FrameRow>(bundle, warnings, |number, row, path| {
            let wrong = |reason| AnalysisError::Row { path: path.to_owned(), row: number, reason };
            let image = row.image;
            if !seen.insert(image) {
                return Err(wrong(format!("image {image} was delivered a second time")));
            }
            let times = [row.arrival_ns, row.start_ns, row.end_ns, row.delivered_ns];
            if !times.is_sorted() {
                return Err(wrong(format!(
                    "image {image} was not first received, then run, then delivered: {times:?} ns"
                )));
            }
            frames.push(Frame {
                image,
                arrival: row.arrival_ns,
                start: row.start_ns,
                end: row.end_ns,
                delivered: row.delivered_ns,
                component: row.component.clone(),
            });
            Ok(())
        })?;
        Ok(Some(Frames(frames)))
    }

    /// Those that were run within a co-execution.
    pub(crate) fn of(&self, all: &Run) -> Delivered {
        let mut delivered = Delivered::default();
        for frame in self.0.iter().filter(|it| it.is_of(all)) {
            delivered.images.insert(frame.image);
            delivered.components.insert(frame.component.clone());
            delivered.latencies.push(seconds(frame.arrival, frame.delivered));
        }
        delivered.latencies.sort_by(f64::total_cmp);
        delivered
    }

    /// The rows that belong to none of some co-executions.
    pub(crate) fn outside<'a>(&self, all: impl Iterator<Item = &'a Run> + Clone) -> usize {
        let inside = |frame: &&Frame| all.clone().any(|run| frame.is_of(run));
        self.0.len() - self.0.iter().filter(inside).count()
    }
}

impl Delivered {
    /// The latency, in milliseconds, that `percent` of the results did not exceed.
    pub(crate) fn latency_ms(&self, percent: f64) -> Option<f64> {
        let rank = (percent / 100.0 * self.latencies.len() as f64).ceil() as usize;
        self.latencies.get(rank.max(1) - 1).map(|seconds| seconds * 1e3)
    }
}

/// The name of the table, for warnings.
pub(crate) const FILE: &str = FrameRow::FILE;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_results_that_were_seen() {
        let latencies = (1..=10).map(f64::from).collect();
        let delivered = Delivered { latencies, ..Delivered::default() };
        let found = [0.0, 50.0, 51.0, 99.0, 100.0].map(|p| delivered.latency_ms(p).unwrap());
        assert_eq!(found, [1e3, 5e3, 6e3, 10e3, 10e3]);
        assert_eq!(Delivered::default().latency_ms(50.0), None);
    }
}
