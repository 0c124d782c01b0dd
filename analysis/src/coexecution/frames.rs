//! Results that left a co-execution, from `frames.csv`.

use std::collections::HashSet;

use wattline_trace::rows::FrameRow;
use wattline_trace::{BundleReader, Name, Row};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::error::AnalysisError;
use crate::held::Held;
use crate::ids::Ids;
use crate::spans::{Run, seconds};
use crate::table::for_each_row;

/// All results of a bundle.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    frames: Held<Frame>,
    components: Vec<Name>,
}

#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Frame {
    image: u64,
    arrival: u64,
    start: u64,
    end: u64,
    delivered: u64,
    /// Which of the components.
    component: u64,
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
    pub(crate) images: Ids,
    /// Components that finished one.
    pub(crate) components: HashSet<Name>,
    /// Seconds from arrival to delivery, ascending.
    latencies: Held<f64>,
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
        let mut frames = Frames::default();
        let mut seen = Ids::default();
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
            let component = frames.component(&row.component);
            frames.frames.push(Frame {
                image,
                arrival: row.arrival_ns,
                start: row.start_ns,
                end: row.end_ns,
                delivered: row.delivered_ns,
                component: component as u64,
            });
            Ok(())
        })?;
        Ok(Some(frames))
    }

    /// The place of a component among those there are.
    fn component(&mut self, name: &Name) -> usize {
        let known = self.components.iter().position(|component| component == name);
        known.unwrap_or_else(|| {
            self.components.push(name.clone());
            self.components.len() - 1
        })
    }

    /// Those that were run within a co-execution.
    pub(crate) fn of(&self, all: &Run) -> Delivered {
        let mut delivered = Delivered::default();
        for frame in self.frames.iter().filter(|it| it.is_of(all)) {
            delivered.images.insert(frame.image);
            let component = &self.components[frame.component as usize];
            if !delivered.components.contains(component) {
                delivered.components.insert(component.clone());
            }
            delivered.latencies.push(seconds(frame.arrival, frame.delivered));
        }
        delivered.latencies.sort_unstable_by(f64::total_cmp);
        delivered
    }

    /// The rows that belong to none of some co-executions.
    pub(crate) fn outside<'a>(&self, all: impl Iterator<Item = &'a Run> + Clone) -> usize {
        let inside = |frame: &&Frame| all.clone().any(|run| frame.is_of(run));
        self.frames.len() - self.frames.iter().filter(inside).count()
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
