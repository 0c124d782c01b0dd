//! A run's time cut into the stretches of its layers: the columns that readings are fitted with.
//!
//! A column is a layer, or several that follow each other where a network has more than
//! [`MOST_COLUMNS`]. What lies between layers of an image, and between images, has a column of its
//! own if it is worth one; if not, the layer before it takes it.

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::times::RunTimes;
use crate::held::Held;
use crate::spans::seconds;

/// Products of columns are held for each of 64 blocks of time: 4 MB a rail at this many.
const MOST_COLUMNS: usize = 128;
/// Time between layers, of the run's, from which it has a column.
const LEAST_BETWEEN_LAYERS: f64 = 0.02;
/// Time between images from which it has one: nothing runs then, which is unlike any layer.
const LEAST_BETWEEN_IMAGES: f64 = 0.001;

/// A stretch of time and the column it counts in.
#[derive(Debug, Clone, Copy, PartialEq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct Segment {
    pub(super) from: u64,
    pub(super) to: u64,
    column: u64,
}

impl Segment {
    pub(super) fn new(from: u64, to: u64, column: usize) -> Self {
        Segment { from, to, column: column as u64 }
    }

    pub(super) fn column(&self) -> usize {
        self.column as usize
    }
}

/// The columns of one run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Columns {
    /// The column of each layer.
    pub(super) of_layer: Vec<usize>,
    /// Seconds that each column's layers take in an image; none of what is between them.
    pub(super) seconds: Vec<f64>,
    /// The first so many follow each other in time, the first upon the last.
    pub(super) chain: usize,
    /// Disjoint, ascending.
    pub(super) segments: Held<Segment>,
}

impl Columns {
    /// None where layers overlap in time: who of them draws what is not told.
    pub(super) fn new(times: &RunTimes) -> Option<Self> {
        let (images, visits) = (&times.spans, &times.visits);
        let alone = images.windows(2).all(|pair| pair[0].to <= pair[1].from)
            && visits.windows(2).all(|pair| pair[0].to <= pair[1].from);
        let (first, last) = (images.first()?.from, images.last()?.to);
        if !alone || visits.is_empty() {
            return None;
        }
        let mut columns = Columns { of_layer: of_layers(times), ..Columns::default() };
        let layers = columns.of_layer.last().map_or(0, |last| last + 1);
        columns.seconds = vec![0.0; layers];
        for (layer, &column) in times.layers.iter().zip(&columns.of_layer) {
            columns.seconds[column] += layer.seconds / times.images as f64;
        }
        let total = seconds(first, last);
        let in_images: f64 = images.iter().map(|image| image.seconds()).sum();
        let in_layers: f64 = visits.iter().map(|visit| seconds(visit.from, visit.to)).sum();
        let mut new_column = |worth: bool| {
            worth.then(|| {
                columns.seconds.push(0.0);
                columns.seconds.len() - 1
            })
        };
        let between_images = new_column(total - in_images > LEAST_BETWEEN_IMAGES * total);
        let between_layers = new_column(in_images - in_layers > LEAST_BETWEEN_LAYERS * total);
        columns.chain = layers + usize::from(between_images.is_some());
        let mut visits = visits.iter().peekable();
        for image in images.iter() {
            columns.gap(image.from, between_images);
            while let Some(visit) = visits.next_if(|visit| visit.from < image.to) {
                columns.gap(visit.from, between_layers);
                let column = columns.of_layer[visit.layer()];
                columns.segments.push(Segment::new(visit.from, visit.to, column));
            }
            columns.gap(image.to, between_layers);
        }
        // Layers that reach outside their images contradict themselves.
        let ascending = columns.segments.windows(2).all(|pair| pair[0].to <= pair[1].from);
        ascending.then_some(columns)
    }

    /// Fills the time from the last segment to `to`.
    fn gap(&mut self, to: u64, column: Option<usize>) {
        let Some(last) = self.segments.last_mut().filter(|last| last.to < to) else { return };
        match column {
            None => last.to = to,
            Some(column) => {
                let from = last.to;
                self.segments.push(Segment::new(from, to, column));
            }
        }
    }

    pub(super) fn count(&self) -> usize {
        self.seconds.len()
    }
}

/// Each layer's column: its own, or where there are too many one that it shares with those next to
/// it, of about equal time.
fn of_layers(times: &RunTimes) -> Vec<usize> {
    if times.layers.len() <= MOST_COLUMNS - 2 {
        return (0..times.layers.len()).collect();
    }
    let total: f64 = times.layers.iter().map(|layer| layer.seconds).sum();
    let least = total / (MOST_COLUMNS / 2) as f64;
    let (mut column, mut taken) = (0, 0.0);
    let place = |layer: &super::times::LayerTime| {
        if taken > 0.0 && taken + layer.seconds > least {
            column += 1;
            taken = 0.0;
        }
        taken += layer.seconds;
        column.min(MOST_COLUMNS - 3)
    };
    times.layers.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::super::times::tests::times;
    use super::*;

    #[test]
    fn segments_cover_the_run_once() {
        // Two images of three layers, 40 % of an image between them, and a pause between images.
        let times = times();
        let columns = Columns::new(&times.runs[0]).unwrap();
        assert_eq!(columns.of_layer, [0, 1, 2]);
        assert_eq!((columns.chain, columns.count()), (4, 5));
        let mut at = 0;
        for segment in columns.segments.iter() {
            assert_eq!(segment.from, at, "{segment:?}");
            at = segment.to;
        }
        assert_eq!(at, 14_000);
        let in_pause: Vec<_> = columns.segments.iter().filter(|it| it.column() == 3).collect();
        assert_eq!(in_pause, [&Segment::new(4000, 10_000, 3)]);
    }

    #[test]
    fn layers_that_overlap_are_not_told_apart() {
        let mut times = times();
        times.runs[0].visits[1].from -= 1;
        times.runs[0].visits[0].to += 1000;
        assert!(Columns::new(&times.runs[0]).is_none());
    }
}
