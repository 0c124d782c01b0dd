//! What each layer draws, fitted to what readings say of it, and how sure that is.

use nalgebra::DVector;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use wattline_trace::Name;

use super::columns::Columns;
use super::merging::{Groups, MOST_CONDITION};
use super::prior::Prior;
use super::sums::{Equations, Sums};
use crate::least_squares::{condition, inverse, non_negative};
use crate::power::student;
use crate::quantity::{Quantity, SensorPart};
use crate::refusal::Refusal;

/// Times that blocks are drawn anew: the standard error is then good to 5 %.
const DRAWS: usize = 200;
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
    /// What each column moves a second, where that is known and costs power.
    pub(super) moved: Option<DVector<f64>>,
}

/// What the columns of a run draw.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fit {
    groups: Groups,
    columns: Columns,
    /// Standard errors that make half an interval.
    quantile: f64,
    /// By what share the clock's rate may be wrong.
    clock_rate: f64,
    pub(super) parts: Vec<Part>,
}

/// What one source says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    /// By column, a second.
    values: DVector<f64>,
    /// The same by blocks drawn anew.
    drawn: Vec<DVector<f64>>,
    shared: f64,
    sensor: Option<(Name, f64)>,
    /// By how much layers differ, as a variance.
    spread: DVector<f64>,
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
            .map(|it| {
                let blocks = it.sums.blocks.iter().map(|block| block.equations(it.idle));
                blocks.map(|block| Equations { coherent: it.sums.coherent, ..block }).collect()
            })
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
            let part = Part::new(blocks, all, source, columns, &groups, index as u64);
            parts.push(part.ok_or_else(|| refusal(f64::INFINITY))?);
        }
        let blocks = sources.iter().map(|it| it.sums.blocks.len()).min().unwrap_or(1);
        let freedom = (blocks as f64 - 1.0).max(1.0);
        let small = (blocks as f64 / freedom).sqrt();
        let quantile = small * student::quantile(freedom);
        Ok(Fit { groups, columns: columns.clone(), quantile, clock_rate, parts })
    }

    /// What layers that are named once each draw together, each for so many seconds.
    pub(crate) fn of(&self, layers: &[(usize, f64)]) -> Quantity {
        let mut taken = vec![0.0; self.columns.count()];
        for &(layer, seconds) in layers {
            taken[self.columns.of_layer[layer]] += seconds;
        }
        let taken = DVector::from_vec(taken);
        let (mut value, mut variance) = (0.0, 0.0);
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
            let within = |(column, &own): (usize, &f64)| self.within(part, column, own);
            variance += taken.iter().enumerate().map(within).sum::<f64>();
        }
        // As if on so many readings that the normal quantile holds.
        let own = variance * (self.quantile / student::quantile(f64::INFINITY)).powi(2);
        let clock = value.abs() * self.clock_rate / 3f64.sqrt();
        Quantity { value, own, freedom: 0.0, clock, bound: 0.0, sensors }
    }

    /// The same by one of the draws of the bootstrap, of which there are as many as one likes: they
    /// come again.
    pub(crate) fn drawn(&self, draw: usize, layers: &[(usize, f64)]) -> f64 {
        let of = |part: &Part| {
            let values = &part.drawn[draw % part.drawn.len()];
            let of_layer =
                |&(layer, seconds): &(usize, f64)| values[self.columns.of_layer[layer]] * seconds;
            layers.iter().map(of_layer).sum::<f64>()
        };
        self.parts.iter().map(of).sum()
    }

    fn group(&self, layer: usize) -> usize {
        self.groups.of_column[self.columns.of_layer[layer]]
    }

    /// What each column draws by the first source.
    pub(super) fn by_column(&self) -> Option<&DVector<f64>> {
        self.parts.first().map(|part| &part.values)
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
        let layers = (0..self.columns.of_layer.len()).map(|layer| self.group(layer));
        layers.collect::<std::collections::BTreeSet<_>>().len() as u64
    }

    /// Variance of a part of a column whose layers differ as layers do.
    fn within(&self, part: &Part, column: usize, seconds: f64) -> f64 {
        let all = self.columns.seconds[column];
        let rest = all - seconds;
        if rest <= 1e-9 * all { 0.0 } else { part.spread[column] * seconds * rest.min(seconds) }
    }

    /// Variance by not knowing exactly when a layer begins and ends: of its power and that of its
    /// neighbours, the difference.
    fn edges(&self, part: &Part, layer: usize) -> f64 {
        let column = self.columns.of_layer[layer];
        let beside = |other: usize| ((part.values[column] - part.values[other]) * EDGE_S).powi(2);
        let columns = self.columns.chain;
        if columns < 2 {
            return 0.0;
        }
        beside((column + columns - 1) % columns) + beside((column + 1) % columns)
    }
}

impl Part {
    fn new(
        blocks: &[Equations],
        all: &Equations,
        source: &Source<'_>,
        columns: &Columns,
        groups: &Groups,
        index: u64,
    ) -> Option<Self> {
        let grouped = all.grouped(&groups.of_column, groups.count);
        let told_apart = non_negative(&grouped.products, &grouped.right, None)?;
        let noise = grouped.noise(&told_apart);
        let prior = Prior::new(all, columns, noise, (None, source.moved.as_ref()))?;
        let values = non_negative(&prior.products(all), &all.right, None)?;
        let own = (noise - all.coherent).max(f64::MIN_POSITIVE);
        let worth = (noise / own).sqrt();
        let drawn = drawn(blocks, all, &prior, &values, (&source.sums.shift, worth, index))?;
        let finite = values.iter().chain(drawn.iter().flatten()).all(|it| it.is_finite());
        (finite && noise.is_finite()).then(|| Part {
            drawn,
            spread: prior.variance,
            shared: source.shared,
            sensor: source.sensor.clone(),
            condition: condition(&grouped.products),
            residual: (noise - all.coherent).max(0.0).sqrt(),
            values,
        })
    }

    fn drawn_variance(&self, taken: &DVector<f64>) -> f64 {
        let mut moments = crate::power::moments::Moments::default();
        self.drawn.iter().for_each(|values| moments.add(values.dot(taken)));
        moments.variance()
    }
}

/// The fit by blocks drawn anew, with layers that differ from what is expected of them anew, and with the
/// sensor's clock off anew. Steps from the fit, of which one is enough: `(G + Q)⁻¹` times what blocks pull
/// it by that were drawn once too often, or not, and times what the prior and the clock would. What is held
/// at zero stays there.
fn drawn(
    blocks: &[Equations],
    all: &Equations,
    prior: &Prior,
    values: &DVector<f64>,
    (shift, worth, index): (&DVector<f64>, f64, u64),
) -> Option<Vec<DVector<f64>>> {
    let free: Vec<usize> = (0..values.len()).filter(|&column| values[column] > 0.0).collect();
    let products = prior.products(all);
    let inverse = inverse(&products.select_rows(&free).select_columns(&free))?;
    let pull = |block: &Equations| &block.right - &block.products * values;
    let pulls: Vec<DVector<f64>> =
        blocks.iter().map(|block| worth * pull(block).select_rows(&free)).collect();
    let mut random = ChaCha12Rng::seed_from_u64(SEED.wrapping_add(index));
    let draw = |_| {
        let differing = prior.variance.map(|own| own.sqrt() * normal(&mut random));
        let mut pull = prior.pull(&differing);
        pull.axpy(normal(&mut random), shift, 1.0);
        let mut pull = pull.select_rows(&free);
        let mut times = vec![-1.0; blocks.len()];
        (0..blocks.len()).for_each(|_| times[random.random_range(0..blocks.len())] += 1.0);
        times.iter().zip(&pulls).for_each(|(&times, own)| pull.axpy(times, own, 1.0));
        let step = &inverse * pull;
        let mut drawn = values.clone();
        free.iter().zip(step.iter()).for_each(|(&column, step)| drawn[column] += step);
        drawn
    };
    Some((0..DRAWS).map(draw).collect())
}

/// A number from the standard normal distribution [Box and Muller 1958].
fn normal(random: &mut ChaCha12Rng) -> f64 {
    let (radius, turn): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * turn).cos()
}
