//! Runs and their images, put together from `spans.csv` and checked.
//!
//! Spans are written when they end, so a child stands before its parent, and a run that was cut
//! off has images but no span of its own: it is put together from its orphans and marked so.
//! Layers are only checked: no number here depends on them.
//!
//! A co-execution is a run of the component `all`; its children are runs of single components.

use std::collections::{BTreeMap, HashMap};

use wattline_trace::rows::{ALL_COMPONENTS, SpanKind, SpanRow};
use wattline_trace::{BundleReader, Name};

use crate::error::AnalysisError;
use crate::table::for_each_row;

/// One image of a run.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// Index in its stream.
    pub(crate) index: Option<u64>,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) flops: Option<u64>,
    pub(crate) bytes_theoretical: Option<u64>,
}

/// What a run is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Nothing: the component has the board to itself.
    Solo,
    /// It is a co-execution as a whole: the one of this index.
    All(usize),
    /// It is one component's part of a co-execution.
    Lane(usize),
    /// It names a parent that is no co-execution, or that never reached the bundle.
    Orphan,
}

/// One stream of images over several components at once, as indices of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Coexecution {
    /// The run of the component `all`.
    pub(crate) all: usize,
    /// The run of each component, in order of their start.
    pub(crate) lanes: Vec<usize>,
}

/// One network on one component, or on all of them.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Its span, where that is in the bundle.
    pub(crate) id: Option<u64>,
    pub(crate) network: Name,
    pub(crate) component: Name,
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Whether the run's own span is in the bundle.
    pub(crate) whole: bool,
    pub(crate) part: Part,
    /// In order of their start.
    pub(crate) images: Vec<Image>,
}

impl Run {
    /// The first image that does not lie in the run: its index, or else its place.
    pub(crate) fn image_outside(&self) -> Option<u64> {
        let place = self.images.iter().position(|i| i.start < self.start || i.end > self.end)?;
        Some(self.images[place].index.unwrap_or(place as u64))
    }

    /// From the start of the first image to the end of the last, in seconds.
    pub(crate) fn stream_seconds(&self) -> f64 {
        let start = self.images.iter().map(|image| image.start).min().unwrap_or(0);
        let end = self.images.iter().map(|image| image.end).max().unwrap_or(start);
        seconds(start, end)
    }
}

/// Seconds from one instant to a later one; nothing if it is not later.
pub(crate) fn seconds(from: u64, to: u64) -> f64 {
    to.saturating_sub(from) as f64 * 1e-9
}

/// Everything `spans.csv` says.
#[derive(Debug, Default)]
pub(crate) struct Spans {
    /// In order of their start.
    pub(crate) runs: Vec<Run>,
    pub(crate) coexecutions: Vec<Coexecution>,
    /// Layers whose image is missing: work that no run accounts for.
    pub(crate) stray: Vec<(u64, u64)>,
    /// Layers that reach outside their image.
    pub(crate) misplaced_layers: u64,
    /// Runs whose operations are not those of their images: there were other images.
    pub(crate) contradicting: Vec<u64>,
    /// Runs some of whose images are of another network or component, and how many: what the run's
    /// numbers are of is then not known.
    pub(crate) misnamed: Vec<(u64, u64)>,
    /// When components got ready for a run: neither idle time nor any run's.
    pub(crate) preparations: Vec<(u64, u64)>,
}

impl Spans {
    /// Reads and checks the spans of a bundle.
    ///
    /// # Errors
    /// If the table cannot be read, a span ends before it starts, or an id occurs twice.
    pub(crate) fn read(
        bundle: &BundleReader,
        warnings: &mut Vec<String>,
    ) -> Result<Self, AnalysisError> {
        let mut collected = Collected::default();
        for_each_row::<SpanRow>(bundle, warnings, |row, span, path| {
            let wrong = |reason| AnalysisError::Row { path: path.to_owned(), row, reason };
            if span.end_ns < span.start_ns {
                return Err(wrong(format!(
                    "span {} ends at {} ns, before it starts at {} ns",
                    span.id, span.end_ns, span.start_ns
                )));
            }
            if !collected.ids.insert(span.id) {
                return Err(wrong(format!("a second span has the id {}", span.id)));
            }
            collected.add(span);
            Ok(())
        })?;
        Ok(collected.assemble())
    }

    /// The runs as tables show them: those alone first, then each co-execution, its components
    /// before the whole.
    pub(crate) fn in_order(&self) -> Vec<usize> {
        let apart = |run: &&usize| matches!(self.runs[**run].part, Part::Solo | Part::Orphan);
        let indices: Vec<usize> = (0..self.runs.len()).collect();
        let together = self.coexecutions.iter().flat_map(|it| it.lanes.iter().chain([&it.all]));
        indices.iter().filter(apart).chain(together).copied().collect()
    }
}

#[derive(Debug, Default)]
struct Collected {
    ids: Ids,
    /// By id, each with its parent.
    runs: HashMap<u64, (Option<u64>, Run)>,
    /// The operations of each run, where it says so.
    flops: HashMap<u64, u64>,
    images: Vec<SpanRow>,
    /// When each image began and ended, by its id.
    image_times: HashMap<u64, (u64, u64)>,
    /// When layers did whose image has not come yet, by its id.
    waiting: HashMap<u64, Vec<(u64, u64)>>,
    /// When layers did that name no image.
    stray: Vec<(u64, u64)>,
    misplaced_layers: u64,
    preparations: Vec<(u64, u64)>,
}

impl Collected {
    fn add(&mut self, span: &SpanRow) {
        match span.kind {
            SpanKind::Run => {
                self.runs.insert(span.id, (span.parent, empty_run(span, Some(span.id))));
                self.flops.extend(span.flops.map(|flops| (span.id, flops)));
            }
            SpanKind::Image => {
                let times = (span.start_ns, span.end_ns);
                for layer in self.waiting.remove(&span.id).into_iter().flatten() {
                    self.check_layer(layer, times);
                }
                self.image_times.insert(span.id, times);
                self.images.push(span.clone());
            }
            SpanKind::Layer => {
                let times = (span.start_ns, span.end_ns);
                match span.parent.map(|image| (image, self.image_times.get(&image).copied())) {
                    Some((_, Some(image))) => self.check_layer(times, image),
                    Some((image, None)) => self.waiting.entry(image).or_default().push(times),
                    None => self.stray.push(times),
                }
            }
            SpanKind::Preparation => self.preparations.push((span.start_ns, span.end_ns)),
        }
    }

    fn check_layer(&mut self, layer: (u64, u64), image: (u64, u64)) {
        self.misplaced_layers += u64::from(layer.0 < image.0 || layer.1 > image.1);
    }

    fn assemble(mut self) -> Spans {
        self.stray.extend(self.waiting.into_values().flatten());
        let mut cut_off: HashMap<(Option<u64>, Name, Name), Run> = HashMap::new();
        let mut misnamed: BTreeMap<u64, u64> = BTreeMap::new();
        for span in self.images {
            let run = match span.parent.and_then(|parent| self.runs.get_mut(&parent)) {
                Some((_, run)) => {
                    let same = run.network == span.name && run.component == span.component;
                    if let Some(id) = run.id.filter(|_| !same) {
                        *misnamed.entry(id).or_default() += 1;
                    }
                    run
                }
                None => {
                    let key = (span.parent, span.name.clone(), span.component.clone());
                    let run = cut_off.entry(key).or_insert_with(|| empty_run(&span, None));
                    run.start = run.start.min(span.start_ns);
                    run.end = run.end.max(span.end_ns);
                    run
                }
            };
            run.images.push(Image {
                index: span.image,
                start: span.start_ns,
                end: span.end_ns,
                flops: span.flops,
                bytes_theoretical: span.bytes_theoretical,
            });
        }
        let recorded = self.runs.into_iter().map(|(id, (parent, run))| (Some(id), parent, run));
        let cut_off = cut_off.into_values().map(|run| (None, None, run));
        let mut runs: Vec<_> = recorded.chain(cut_off).collect();
        for (_, _, run) in &mut runs {
            run.images.sort_by_key(|image| (image.start, image.end, image.index));
        }
        runs.sort_by(|a, b| order(&a.2).cmp(&order(&b.2)));
        let (runs, coexecutions) = put_together(runs);
        let contradicts = |run: &&Run| {
            let images = run.images.iter().map(|image| image.flops.map(u128::from));
            let own = run.id.and_then(|id| self.flops.get(&id)).copied().map(u128::from);
            let known = own.zip(images.sum::<Option<u128>>());
            !run.images.is_empty() && known.is_some_and(|(own, images)| own != images)
        };
        let contradicting = runs.iter().filter(contradicts).filter_map(|run| run.id).collect();
        Spans {
            runs,
            coexecutions,
            stray: self.stray,
            misplaced_layers: self.misplaced_layers,
            contradicting,
            misnamed: misnamed.into_iter().collect(),
            preparations: self.preparations,
        }
    }
}

/// Numbers that were given out, as ranges: those of spans follow each other, so that there are few.
#[derive(Debug, Default)]
struct Ids {
    /// The last of each range, by its first.
    ranges: BTreeMap<u64, u64>,
}

impl Ids {
    /// Adds a number; answers whether it is new.
    fn insert(&mut self, id: u64) -> bool {
        let before = self.ranges.range(..=id).next_back().map(|(&first, &last)| (first, last));
        if before.is_some_and(|(_, last)| id <= last) {
            return false;
        }
        let first = before.filter(|&(_, last)| last + 1 == id).map_or(id, |(first, _)| first);
        let after = id.checked_add(1).and_then(|next| self.ranges.remove(&next));
        self.ranges.insert(first, after.unwrap_or(id));
        true
    }
}

/// Finds the co-executions among runs with their ids and parents, and marks each run's part.
fn put_together(runs: Vec<(Option<u64>, Option<u64>, Run)>) -> (Vec<Run>, Vec<Coexecution>) {
    let mut coexecutions: Vec<Coexecution> = Vec::new();
    let mut by_id: HashMap<u64, usize> = HashMap::new();
    for (index, (id, parent, run)) in runs.iter().enumerate() {
        if let (Some(id), None, true) = (*id, parent, run.component == ALL_COMPONENTS) {
            by_id.insert(id, coexecutions.len());
            coexecutions.push(Coexecution { all: index, lanes: vec![] });
        }
    }
    let place = |(index, (id, parent, mut run)): (usize, (Option<u64>, Option<u64>, Run))| {
        run.part = match parent {
            Some(parent) => by_id.get(&parent).map_or(Part::Orphan, |&place| Part::Lane(place)),
            None => id.and_then(|id| by_id.get(&id)).map_or(Part::Solo, |&place| Part::All(place)),
        };
        match run.part {
            Part::Lane(place) => coexecutions[place].lanes.push(index),
            // Whatever it belonged to may have begun before it and gone on after it.
            Part::Orphan => run.whole = false,
            Part::Solo | Part::All(_) => {}
        }
        run
    };
    let runs = runs.into_iter().enumerate().map(place).collect();
    (runs, coexecutions)
}

fn empty_run(span: &SpanRow, id: Option<u64>) -> Run {
    Run {
        id,
        network: span.name.clone(),
        component: span.component.clone(),
        start: span.start_ns,
        end: span.end_ns,
        whole: id.is_some(),
        part: Part::Solo,
        images: Vec::new(),
    }
}

fn order(run: &Run) -> (u64, u64, &Name, &Name) {
    (run.start, run.end, &run.network, &run.component)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_are_new_once_and_ranges_grow_together() {
        let (mut ids, mut plain) = (Ids::default(), HashSet::new());
        for k in 0..2000u64 {
            let id = k * k * 7919 % 600;
            assert_eq!(ids.insert(id), plain.insert(id), "{id}");
        }
        for id in [u64::MAX, u64::MAX - 1, u64::MAX] {
            assert_eq!(ids.insert(id), plain.insert(id), "{id}");
        }
        (0..600).for_each(|id| assert_eq!(ids.insert(id), plain.insert(id)));
        assert_eq!(
            ids.ranges.into_iter().collect::<Vec<_>>(),
            [(0, 599), (u64::MAX - 1, u64::MAX)]
        );
    }
}
