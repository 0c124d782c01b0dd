//! What each layer draws, fitted to what readings say of it, and how sure that is.

use nalgebra::DVector;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use wattline_trace::Name;

use super::columns::Columns;
use super::merging::{Groups, MOST_CONDITION};
use super::sums::{Equations, Sums};
use crate::least_squares::{condition, non_negative};
use crate::power::student;
use crate::quantity::{Quantity, SensorPart};
use crate::refusal::Refusal;

/// Times that blocks are drawn anew: the standard error is then good to 5 %.
const DRAWS: usize = 200;
/// Draws that must be solvable, of all.
const FEWEST_SOLVED: f64 = 0.9;
/// The same readings always give the same interval.
const SEED: u64 = 0x1a7e_25ed;
/// How well it is known when a layer begins: spans and readings are stamped to this many seconds,
/// and a layer may take about as long to come to its power.
const EDGE_S: f64 = 50e-6;

/// One source of readings over a run.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) sums: &'a Sums,
    /// What it reads while nothing runs.
    pub(super) idle: f64,
    /// Variance of an error that all its readings share.
    pub(super) shared: f64,
    /// The rail and by what share its sensor's gain may lie off; none of the DRAM counter.
    pub(super) sensor: Option<(Name, f64)>,
}

/// What the columns of a run draw.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fit {
    groups: Groups,
    columns: Columns,
    /// Seconds that the layers of each group take in an image.
    seconds: Vec<f64>,
    /// Standard errors that make half an interval.
    quantile: f64,
    /// By what share the clock's rate may be wrong.
    clock_rate: f64,
    pub(super) parts: Vec<Part>,
}

/// What one source says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    /// By group, a second.
    values: DVector<f64>,
    /// The same by blocks drawn anew.
    drawn: Vec<DVector<f64>>,
    shared: f64,
    sensor: Option<(Name, f64)>,
    /// The least and the most that was read, above idle.
    range: (f64, f64),
    pub(super) condition: f64,
    /// Standard deviation of a reading about the fit.
    pub(super) residual: f64,
}

impl Fit {
    /// Fits sources that are to be added up.
    ///
    /// # Errors
    /// A refusal, where they do not tell layers apart.
    pub(super) fn new(
        columns: &Columns,
        sources: &[Source<'_>],
        clock_rate: f64,
    ) -> Result<Self, Refusal> {
        let blocks: Vec<Vec<Equations>> = sources
            .iter()
            .map(|it| it.sums.blocks.iter().map(|block| block.equations(it.idle)).collect())
            .collect();
        let all: Vec<Equations> = blocks
            .iter()
            .filter_map(|blocks| Equations::sum(blocks.iter().map(|block| (block, 1.0))))
            .collect();
        let groups = Groups::told_apart(&all, columns);
        let worst = |groups: &Groups| {
            let condition = all
                .iter()
                .map(|part| condition(&part.grouped(&groups.of_column, groups.count).products));
            condition.fold(1.0, f64::max)
        };
        let mut seconds = vec![0.0; groups.count];
        for (column, own) in columns.seconds.iter().enumerate() {
            seconds[groups.of_column[column]] += own;
        }
        let several = columns.of_layer.len() > 1;
        let with_layers = seconds.iter().filter(|own| **own > 0.0).count();
        let refusal = |condition| Refusal::LayersNotApart { condition, most: MOST_CONDITION };
        if several && with_layers < 2 {
            let each = Groups::each(columns);
            return Err(refusal(worst(&each)));
        }
        if worst(&groups) > MOST_CONDITION {
            return Err(refusal(worst(&groups)));
        }
        let mut parts = Vec::new();
        for (index, ((blocks, all), source)) in blocks.iter().zip(&all).zip(sources).enumerate() {
            let blocks: Vec<Equations> =
                blocks.iter().map(|it| it.grouped(&groups.of_column, groups.count)).collect();
            let all = all.grouped(&groups.of_column, groups.count);
            let part = Part::new(&blocks, &all, source, index as u64);
            parts.push(part.ok_or_else(|| refusal(f64::INFINITY))?);
        }
        let blocks = sources.iter().map(|it| it.sums.blocks.len()).min().unwrap_or(1);
        let freedom = (blocks as f64 - 1.0).max(1.0);
        let small = (blocks as f64 / freedom).sqrt();
        let quantile = small * student::quantile(freedom);
        Ok(Fit { groups, columns: columns.clone(), seconds, quantile, clock_rate, parts })
    }

    /// What layers that are named once each draw together, each for so many seconds.
    pub(crate) fn of(&self, layers: &[(usize, f64)]) -> Quantity {
        let mut taken = vec![0.0; self.seconds.len()];
        for &(layer, seconds) in layers {
            taken[self.group(layer)] += seconds;
        }
        let taken = DVector::from_vec(taken);
        let (mut value, mut variance, mut bound) = (0.0, 0.0, 0.0);
        let mut sensors = Vec::new();
        for part in &self.parts {
            let of_part = part.values.dot(&taken);
            value += of_part;
            let read = |(rail, tolerance): &(Name, f64)| SensorPart {
                rail: rail.clone(),
                value: of_part,
                tolerance: *tolerance,
                // It is in `shared`.
                quantisation: 0.0,
                levels: [0.0; 4],
            };
            sensors.extend(part.sensor.as_ref().map(read));
            variance += part.drawn_variance(&taken) + taken.sum().powi(2) * part.shared;
            variance += layers.iter().map(|&(it, _)| self.edges(part, it)).sum::<f64>();
            bound +=
                (0..taken.len()).map(|group| self.bound(part, group, taken[group])).sum::<f64>();
        }
        // As if on so many readings that the normal quantile holds.
        let own = variance * (self.quantile / student::quantile(f64::INFINITY)).powi(2);
        let clock = value.abs() * self.clock_rate / 3f64.sqrt();
        Quantity { value, own, freedom: 0.0, clock, bound, sensors }
    }

    /// The same by one of the draws of the bootstrap, of which there are as many as one likes: they
    /// come again.
    pub(crate) fn drawn(&self, draw: usize, layers: &[(usize, f64)]) -> f64 {
        let of = |part: &Part| {
            let values = &part.drawn[draw % part.drawn.len()];
            layers.iter().map(|&(layer, seconds)| values[self.group(layer)] * seconds).sum::<f64>()
        };
        self.parts.iter().map(of).sum()
    }

    fn group(&self, layer: usize) -> usize {
        self.groups.of_column[self.columns.of_layer[layer]]
    }

    /// The first and last of the layers that a layer was not told apart from, if there are any.
    pub(crate) fn merged(&self, layer: usize) -> Option<(usize, usize)> {
        let group = self.group(layer);
        let mut members = (0..self.columns.of_layer.len()).filter(|&it| self.group(it) == group);
        let first = members.next()?;
        members.next_back().map(|last| (first, last))
    }

    /// How many groups of layers were told apart.
    pub(super) fn groups(&self) -> u64 {
        self.seconds.iter().filter(|seconds| **seconds > 0.0).count() as u64
    }

    /// How far what a part of a group draws may lie from its share by time: neither it nor the
    /// rest drew less or more than was ever read.
    fn bound(&self, part: &Part, group: usize, seconds: f64) -> f64 {
        let rest = self.seconds[group] - seconds;
        let (least, most) = part.range;
        let above = (most - part.values[group]).max(0.0);
        let below = (part.values[group] - least.max(0.0)).max(0.0);
        let up = (seconds * above).min(rest * below);
        let down = (seconds * below).min(rest * above);
        up.max(down).max(0.0)
    }

    /// Variance by not knowing exactly when a layer begins and ends: of its power and that of its
    /// neighbours, the difference.
    fn edges(&self, part: &Part, layer: usize) -> f64 {
        let group = self.group(layer);
        let chain = self.groups.chain;
        let column = self.columns.of_layer[layer];
        let beside = |other: usize| {
            let other = self.groups.of_column[other];
            ((part.values[group] - part.values[other]) * EDGE_S).powi(2)
        };
        let columns = self.columns.chain;
        if chain < 2 {
            return 0.0;
        }
        beside((column + columns - 1) % columns) + beside((column + 1) % columns)
    }
}

impl Part {
    fn new(blocks: &[Equations], all: &Equations, source: &Source<'_>, index: u64) -> Option<Self> {
        let values = non_negative(&all.products, &all.right, None)?;
        let likely: Vec<bool> = values.iter().map(|value| *value > 0.0).collect();
        let mut random = ChaCha12Rng::seed_from_u64(SEED.wrapping_add(index));
        let mut drawn = Vec::with_capacity(DRAWS);
        for _ in 0..DRAWS {
            let mut times = vec![0.0; blocks.len()];
            (0..blocks.len()).for_each(|_| times[random.random_range(0..blocks.len())] += 1.0);
            let some = blocks.iter().zip(times).filter(|(_, times)| *times > 0.0);
            let sum = Equations::sum(some)?;
            drawn.extend(non_negative(&sum.products, &sum.right, Some(&likely)));
        }
        let (least, most) = source.sums.range?;
        let enough = drawn.len() as f64 >= FEWEST_SOLVED * DRAWS as f64;
        let finite = values.iter().chain(drawn.iter().flatten()).all(|it| it.is_finite());
        let residual = all.noise(&values).sqrt();
        (enough && finite && residual.is_finite()).then(|| Part {
            drawn,
            shared: source.shared,
            sensor: source.sensor.clone(),
            range: (least - source.idle, most - source.idle),
            condition: condition(&all.products),
            residual,
            values,
        })
    }

    fn drawn_variance(&self, taken: &DVector<f64>) -> f64 {
        let mut moments = crate::power::moments::Moments::default();
        self.drawn.iter().for_each(|values| moments.add(values.dot(taken)));
        moments.variance()
    }
}
