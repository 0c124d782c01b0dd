//! Readings on their way past, noted for the layers they look at.
//!
//! Only runs that have the board to themselves are watched, and of a run only readings that look
//! at nothing else.

use wattline_trace::{Manifest, Name};

use super::clock::{Clock, Found, Noted, Search};
use super::columns::{Columns, Segment};
use super::sight::Sight;
use super::sums::Sums;
use super::times::Times;
use crate::held::Held;
use crate::interval::Interval;
use crate::refusal::Refusal;
use crate::spans::{Part, Spans, seconds};
use crate::timeline::Timeline;

/// Blocks of time that a run is cut into, at most.
const MOST_BLOCKS: u64 = 64;
/// Fewest blocks: an interval is taken from how they differ.
pub(super) const FEWEST_BLOCKS: u64 = 8;
/// How far a reading may look back, in images: beyond that it says nothing of layers.
const FARTHEST: f64 = 8.0;
/// Where a block holds fewer readings than this, blocks are longer.
const READINGS_A_BLOCK: u64 = 8;

/// Readings that one clock is sought in: a converter's rate follows its temperature over longer times.
const READINGS_A_CLOCK: usize = 4096;
/// Layers that take as many windows are told apart whenever conversions end.
const LONG: f64 = 64.0;

/// What is watched, and what was seen.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// In order of time.
    runs: Vec<Watched>,
    /// For each source the run that its next reading may belong to.
    next: Vec<usize>,
    /// Weights of one reading by column, and the columns that have one.
    weights: Vec<f64>,
    touched: Vec<(usize, f64)>,
}

/// One run.
#[derive(Debug)]
pub(super) struct Watched {
    /// Its index in the spans and in the layers' times.
    run: usize,
    start: u64,
    end: u64,
    pub(super) columns: Columns,
    /// In order of time.
    images: Held<Interval>,
    /// Mean time from one image's start to the next.
    period: f64,
    /// For each source, if it tells of the run.
    sources: Vec<Option<Seen>>,
}

#[derive(Debug)]
struct Seen {
    sums: Sums,
    /// Readings that are not in the sums yet.
    noted: Vec<Noted>,
    /// When conversions ended before them.
    clock: Option<Clock>,
    /// Variance of a reading by lags that nobody knows though they matter.
    lag_variance: f64,
    /// The first segment and image that a later reading may look at.
    segment: usize,
    image: usize,
}

/// Where the readings of a DRAM counter go, after those of the rails.
pub(crate) fn counter(manifest: &Manifest) -> usize {
    manifest.rails.len()
}

impl Watch {
    /// Watches all runs whose layers can be told apart. `poll_ns` is the time between two readings.
    pub(crate) fn new(
        manifest: &Manifest,
        spans: &Spans,
        timeline: &Timeline,
        times: &mut Times,
        poll_ns: Option<u64>,
    ) -> Self {
        let alone = |run: usize| {
            let is = spans.runs[run].part == Part::Solo && spans.runs[run].whole;
            is && timeline.blocks().iter().any(|block| block.runs == [run] && !block.stray)
        };
        let watched = |run: usize| {
            let its = times.of(&spans.runs[run]).filter(|_| alone(run))?;
            let columns = Columns::new(its)?;
            let images = std::mem::take(&mut its.spans);
            let (start, end) = (images.first()?.from, images.last()?.to);
            let period = seconds(start, end) / images.len() as f64;
            let mut watched = Watched { run, start, end, columns, images, period, sources: vec![] };
            let rails = manifest.rails.iter().map(|rail| {
                let reach = rail.window_ns.saturating_add(poll_ns.unwrap_or(rail.window_ns));
                listed(manifest, &its.component, &rail.name).then(|| watched.unseen(reach))
            });
            let rails: Vec<_> = rails.collect();
            let source = manifest
                .counters
                .iter()
                .find(|it| Some(&it.source) == manifest.dram_source.as_ref());
            let bytes = source.map(|counter| watched.unseen(counter.interval_ns));
            watched.sources = rails.into_iter().chain([bytes]).collect();
            Some(watched)
        };
        let runs: Vec<Watched> = (0..spans.runs.len()).filter_map(watched).collect();
        let columns = runs.iter().map(|run| run.columns.count()).max().unwrap_or(0);
        Watch {
            next: vec![0; counter(manifest) + 1],
            runs,
            weights: vec![0.0; columns],
            touched: Vec::new(),
        }
    }

    /// A reading of a source: watts of a rail, or bytes a second. Those of a source come in order
    /// of time.
    pub(crate) fn reading(
        &mut self,
        source: usize,
        t: u64,
        value: f64,
        sight: impl FnOnce() -> Sight,
    ) {
        let Some(next) = self.next.get_mut(source) else { return };
        while let Some(run) = self.runs.get_mut(*next).filter(|run| run.end < t) {
            run.place(source, &mut self.weights, &mut self.touched);
            *next += 1;
        }
        let Some(run) = self.runs.get_mut(*next) else { return };
        if run.note(source, t, value, sight()) {
            run.place(source, &mut self.weights, &mut self.touched);
        }
    }

    /// After the last reading.
    pub(crate) fn finish(&mut self) {
        for run in &mut self.runs {
            for source in 0..run.sources.len() {
                run.place(source, &mut self.weights, &mut self.touched);
            }
        }
    }

    /// What was seen of a run, or why nothing was looked for.
    pub(super) fn of(&self, run: usize) -> Option<&Watched> {
        self.runs.iter().find(|watched| watched.run == run)
    }
}

fn listed(manifest: &Manifest, component: &Name, rail: &str) -> bool {
    let component = manifest.components.iter().find(|it| *component == *it.name);
    component.is_some_and(|component| component.rails.iter().any(|listed| listed == rail))
}

impl Watched {
    /// Nothing seen yet of a source that looks back by `reach`.
    fn unseen(&self, reach: u64) -> Seen {
        let room = (self.end - self.start) / reach.max(1) / READINGS_A_BLOCK;
        let blocks = room.min(self.images.len() as u64).clamp(1, MOST_BLOCKS);
        Seen {
            sums: Sums::new(self.columns.count(), blocks as usize),
            noted: Vec::new(),
            clock: None,
            lag_variance: 0.0,
            segment: 0,
            image: 0,
        }
    }

    /// Notes a reading, if it looks at this run alone; answers whether there are enough of them to be
    /// placed.
    fn note(&mut self, source: usize, t: u64, value: f64, sight: Sight) -> bool {
        let Some(seen) = self.sources.get_mut(source).and_then(Option::as_mut) else {
            return false;
        };
        let reach = sight.reach();
        let usable = reach > 0.0 && reach <= FARTHEST * self.period && sight.window > 0.0;
        let from = t.checked_sub((reach * 1e9).ceil() as u64).filter(|_| usable);
        if from.is_none_or(|from| from < self.start) || t > self.end {
            return false;
        }
        seen.noted.push(Noted { t_ns: t, t: seconds(self.start, t), value, sight });
        seen.noted.len() == READINGS_A_CLOCK
    }

    /// Adds the readings that were noted to the sums, by the clock of their converter if it shows.
    fn place(&mut self, source: usize, weights: &mut [f64], touched: &mut Vec<(usize, f64)>) {
        let Some(seen) = self.sources.get_mut(source).and_then(Option::as_mut) else { return };
        let noted = std::mem::take(&mut seen.noted);
        // Whose clock did not show in so many readings is not sought again.
        let found = match seen.sums.readings() > 0 && seen.clock.is_none() {
            true => Found::None,
            false => found(&noted, &self.columns, self.start, seen.clock),
        };
        if let Found::Several(variance) = found {
            seen.lag_variance = seen.lag_variance.max(variance);
        }
        seen.clock = match found {
            Found::One(clock, _) => Some(clock),
            _ => None,
        };
        for reading in &noted {
            let sight = match &found {
                Found::One(clock, _) => clock.sight(reading.t),
                _ => Some(reading.sight),
            };
            if let Some(sight) = sight {
                self.add(source, reading, (sight, &found), weights, touched);
            }
        }
        let Some(seen) = self.sources.get_mut(source).and_then(Option::as_mut) else { return };
        // Converter and sampler drift past each other so slowly that a lag may last for a block.
        let block = seen.sums.readings() as f64 / FEWEST_BLOCKS as f64;
        seen.sums.coherent = seen.lag_variance * block;
    }

    fn add(
        &mut self,
        source: usize,
        reading: &Noted,
        (sight, found): (Sight, &Found),
        weights: &mut [f64],
        touched: &mut Vec<(usize, f64)>,
    ) {
        let Some(seen) = self.sources.get_mut(source).and_then(Option::as_mut) else { return };
        let t = reading.t_ns;
        let from = t.saturating_sub((sight.reach() * 1e9).ceil() as u64);
        let segments = &self.columns.segments;
        while segments.get(seen.segment).is_some_and(|segment| segment.to <= from) {
            seen.segment += 1;
        }
        touched.clear();
        let mut ends = None;
        for segment in segments[seen.segment..].iter().take_while(|it| it.from < t) {
            let weight =
                sight.up_to(seconds(segment.from, t)) - sight.up_to(seconds(segment.to, t));
            if weight > 0.0 {
                if weights[segment.column()] == 0.0 {
                    touched.push((segment.column(), 0.0));
                }
                weights[segment.column()] += weight;
                ends =
                    Some((ends.map_or(segment.column(), |(oldest, _)| oldest), segment.column()));
            }
        }
        for (column, weight) in touched.iter_mut() {
            *weight = std::mem::take(&mut weights[*column]);
        }
        touched.sort_unstable_by_key(|(column, _)| *column);
        let middle = from + (t - from) / 2;
        while self.images.get(seen.image + 1).is_some_and(|image| image.from <= middle) {
            seen.image += 1;
        }
        let phase = seconds(self.images[seen.image].from, middle) / self.period;
        let blocks = seen.sums.blocks.len() as u128;
        let block = u128::from(t - self.start) * blocks / (u128::from(self.end - self.start) + 1);
        seen.sums.add(block as usize, touched, reading.value, (phase < 1.0).then_some(phase));
        if let (Found::One(clock, watts), Some((oldest, newest))) = (found, ends) {
            let slope = (watts[newest] - watts[oldest]) / sight.window;
            seen.sums.add_shift(touched, slope * clock.error_at(reading.t));
        }
    }

    /// What a source said of the run.
    ///
    /// # Errors
    /// If that is too little to tell layers by.
    pub(super) fn sums(&self, source: usize, name: &str) -> Result<&Sums, Refusal> {
        let seen = self.sources.get(source).and_then(Option::as_ref);
        let sums = seen.map(|seen| &seen.sums).filter(|sums| sums.readings() > 0);
        let Some(sums) = sums else {
            return Err(Refusal::NoLayerReadings { source_name: name.to_owned() });
        };
        let found = sums.blocks.iter().filter(|block| block.readings > 0).count() as u64;
        if found < FEWEST_BLOCKS {
            return Err(Refusal::TooFewRepeats {
                source_name: name.to_owned(),
                found,
                least: FEWEST_BLOCKS,
            });
        }
        Ok(sums)
    }
}

/// The clock of the converter that readings are of; none of a counter, which counts when it is read.
fn found(noted: &[Noted], columns: &Columns, start: u64, before: Option<Clock>) -> Found {
    let search = || Search::new(noted, segments(noted, columns)?, start, columns)?.found(before);
    search().unwrap_or(Found::None)
}

/// The stretches that readings look at, where there are several layers, short enough for lags to matter.
fn segments<'a>(noted: &[Noted], columns: &'a Columns) -> Option<&'a [Segment]> {
    let (first, last) = noted.first().zip(noted.last())?;
    let oldest = first.t_ns.saturating_sub((first.sight.reach() * 1e9).ceil() as u64);
    let from = columns.segments.partition_point(|it| it.to <= oldest);
    let to = columns.segments.partition_point(|it| it.from < last.t_ns);
    let segments = columns.segments.get(from..to)?;
    let long = LONG * first.sight.window * segments.len() as f64;
    let several = columns.of_layer.len() > 1 && first.sight.lag > 0.0;
    let matter = several && seconds(oldest, last.t_ns) <= long;
    matter.then_some(segments)
}
