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
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::error::AnalysisError;
use crate::held::Held;
use crate::ids::Ids;
use crate::images::Image;
use crate::table::for_each_row;

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
    pub(crate) images: Held<Image>,
}

impl Run {
    /// The first image that does not lie in the run: its index, or else its place.
    pub(crate) fn image_outside(&self) -> Option<u64> {
        let place = self.images.iter().position(|i| i.start < self.start || i.end > self.end)?;
        Some(self.images[place].index().unwrap_or(place as u64))
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

/// When an image began and ended.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct ImageTimes {
    id: u64,
    start: u64,
    end: u64,
}

#[derive(Debug, Default)]
struct Collected {
    ids: Ids,
    /// By id, each with its parent.
    runs: HashMap<u64, (Option<u64>, Run)>,
    /// The operations of each run, where it says so.
    flops: HashMap<u64, u64>,
    /// By the run, network and component that they name.
    images: HashMap<(Option<u64>, Name, Name), Held<Image>>,
    image_times: Held<ImageTimes>,
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
                self.runs.insert(span.id, (span.parent, empty_run(span)));
                self.flops.extend(span.flops.map(|flops| (span.id, flops)));
            }
            SpanKind::Image => {
                let times = ImageTimes { id: span.id, start: span.start_ns, end: span.end_ns };
                for layer in self.waiting.remove(&span.id).into_iter().flatten() {
                    self.check_layer(layer, times);
                }
                self.image_times.push(times);
                let of = (span.parent, span.name.clone(), span.component.clone());
                self.images.entry(of).or_default().push(Image::of(span));
            }
            SpanKind::Layer => {
                let times = (span.start_ns, span.end_ns);
                match span.parent {
                    Some(image) => self.waiting.entry(image).or_default().push(times),
                    None => self.stray.push(times),
                }
            }
            SpanKind::Preparation => self.preparations.push((span.start_ns, span.end_ns)),
        }
    }

    fn check_layer(&mut self, layer: (u64, u64), image: ImageTimes) {
        self.misplaced_layers += u64::from(layer.0 < image.start || layer.1 > image.end);
    }

    /// Layers that still wait: those of an image that came before them, and strays.
    fn find_images(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            self.image_times.sort_by_key(|image| image.id);
        }
        for (id, layers) in waiting {
            match self.image_times.binary_search_by_key(&id, |image| image.id) {
                Ok(place) => {
                    let image = self.image_times[place];
                    layers.into_iter().for_each(|layer| self.check_layer(layer, image));
                }
                Err(_) => self.stray.extend(layers),
            }
        }
    }

    fn assemble(mut self) -> Spans {
        self.find_images();
        let mut cut_off: Vec<Run> = Vec::new();
        let mut misnamed: BTreeMap<u64, u64> = BTreeMap::new();
        for ((parent, network, component), images) in self.images {
            match parent.and_then(|parent| self.runs.get_mut(&parent)) {
                Some((_, run)) => {
                    let same = run.network == network && run.component == component;
                    if let Some(id) = run.id.filter(|_| !same) {
                        *misnamed.entry(id).or_default() += images.len() as u64;
                    }
                    match run.images.is_empty() {
                        true => run.images = images,
                        false => run.images.extend(images.iter().copied()),
                    }
                }
                None => cut_off.push(cut_off_run(network, component, images)),
            }
        }
        let recorded = self.runs.into_iter().map(|(id, (parent, run))| (Some(id), parent, run));
        let cut_off = cut_off.into_iter().map(|run| (None, None, run));
        let mut runs: Vec<_> = recorded.chain(cut_off).collect();
        for (_, _, run) in &mut runs {
            run.images.sort_by_key(|image| (image.start, image.end, image.index()));
        }
        runs.sort_by(|a, b| order(&a.2).cmp(&order(&b.2)));
        let (runs, coexecutions) = put_together(runs);
        let contradicts = |run: &&Run| {
            let images = run.images.iter().map(|image| image.flops().map(u128::from));
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

fn empty_run(span: &SpanRow) -> Run {
    Run {
        id: Some(span.id),
        network: span.name.clone(),
        component: span.component.clone(),
        start: span.start_ns,
        end: span.end_ns,
        whole: true,
        part: Part::Solo,
        images: Held::default(),
    }
}

/// A run of which only images are left.
fn cut_off_run(network: Name, component: Name, images: Held<Image>) -> Run {
    let start = images.iter().map(|image| image.start).min().unwrap_or(0);
    let end = images.iter().map(|image| image.end).max().unwrap_or(start);
    Run { id: None, network, component, start, end, whole: false, part: Part::Solo, images }
}

fn order(run: &Run) -> (u64, u64, &Name, &Name) {
    (run.start, run.end, &run.network, &run.component)
}
