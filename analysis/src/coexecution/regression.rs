//! Watts of each component while busy, from how a rail's readings follow who is busy.
//!
//! A reading's power above idle is `Σ p[c] · f[c]`, with `f[c]` the share of its window that `c`
//! was busy. Over the readings of a co-execution the `p[c] ≥ 0` that fit best are found from the
//! normal equations, of which only sums of products are kept.
//!
//! # What cannot be told apart
//! Components that are always busy together draw together. `f[c]` must keep a twentieth of its square
//! once the other columns are projected out of it (a variance inflation of 20). Where one does not, it
//! and the one it goes with most (the cosine of their columns) become one group, with one power for a
//! busy second of any of them, and so on until all groups are told apart; where all are one group,
//! nothing is given ([`Sums::watts`]).
//!
//! # Errors
//! Readings near each other err together: an image's layers draw more and less, and what runs beside it
//! slows it. The co-execution is cut into stretches of time of several images each, and
//! `Cov(p) = G⁻¹ (Σ_s u_s u_sᵀ) G⁻¹ · S/(S − k)` with `u_s = X_sᵀ(y_s − X_s p)` of stretch `s` (the
//! cluster-robust sandwich of Liang and Zeger, Biometrika 73, 1986), on `S − k` degrees of freedom.
//!
//! Where components go in step ([`steps`](super::steps)), the same error comes back in each stretch, and
//! their spread does not show it. The most that an error of the size of the residuals can make of
//! `p[c]`, `√(Σ r² (G⁻¹)_cc)`, is then added in proportion; `Σ r²` is of residuals beyond the sensor's
//! noise.
//!
//! What two components draw together may be more or less than what each draws without the other: they
//! slow each other at the memory, and a cluster that computes drives an accelerator at no cost. A second
//! fit has a column `f[c] · f[d]` for each pair. What it finds there is nobody's, and how the first fit
//! shared it out is chance: all of it is added to either one's half-width.

use nalgebra::{DMatrix, DVector};
use wattline_trace::BundleReader;
use wattline_trace::rows::PowerRow;

use super::busy::Busy;
use super::steps::in_step;
use crate::error::AnalysisError;
use crate::least_squares::{inverse, non_negative};
use crate::power::student;
use crate::spans::{Run, Spans, seconds};
use crate::table::for_each_row;

/// Least share of a column's square that the others do not explain.
const LEAST_OWN: f64 = 0.05;
/// Fewest readings for each unknown.
const FEWEST_READINGS: u64 = 20;
/// Stretches that a co-execution is cut into, at most, and images of each component in one, at least.
const MOST_STRETCHES: usize = 40;
const IMAGES_A_STRETCH: usize = 2;
/// Fewest stretches beyond the unknowns for an error to be known.
const FEWEST_STRETCHES: usize = 4;

/// The sums of one rail over one co-execution.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    start: u64,
    end: u64,
    lanes: usize,
    stretches: Vec<Stretch>,
    /// From 0 to 1.
    in_step: f64,
}

/// The sums of one stretch of time. Columns are the components', then those of their pairs.
#[derive(Debug, Clone)]
struct Stretch {
    readings: u64,
    /// `Σ f[c] f[d]`.
    products: DMatrix<f64>,
    /// `Σ f[c] P` and `Σ f[c]`, so that idle power can be taken off afterwards.
    with_watts: DVector<f64>,
    columns: DVector<f64>,
    /// `Σ P` and `Σ P²`.
    watts: f64,
    watts_squared: f64,
}

/// Watts of components that readings do not tell apart, while any one of them is busy.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Watts {
    /// Which of the components that were asked for.
    pub(crate) members: Vec<usize>,
    pub(crate) watts: f64,
    /// Half of the 95 % interval.
    pub(crate) half_width: f64,
}

/// Sums of each co-execution and rail, by index; read in a pass of their own.
///
/// # Errors
/// If `power.csv` cannot be read.
pub(crate) fn read(bundle: &BundleReader, spans: &Spans) -> Result<Vec<Vec<Sums>>, AnalysisError> {
    let rails = &bundle.manifest().rails;
    let lanes: Vec<Vec<&Run>> = spans
        .coexecutions
        .iter()
        .map(|it| it.lanes.iter().map(|&lane| &spans.runs[lane]).collect())
        .collect();
    let busy: Vec<Vec<Busy>> =
        lanes.iter().map(|lanes| lanes.iter().map(|lane| Busy::of(lane)).collect()).collect();
    let new = |(it, lanes): (&crate::spans::Coexecution, &Vec<&Run>)| {
        let all = &spans.runs[it.all];
        vec![Sums::new(all.start, all.end, lanes); rails.len()]
    };
    let mut sums: Vec<Vec<Sums>> = spans.coexecutions.iter().zip(&lanes).map(new).collect();
    // What was to be said of the table was said when it was read first.
    let mut said = Vec::new();
    for_each_row::<PowerRow>(bundle, &mut said, |_, row, _| {
        let Some(rail) = rails.iter().position(|rail| row.rail == *rail.name) else {
            return Ok(());
        };
        let from = row.t_ns.saturating_sub(row.window_ns);
        for (busy, sums) in busy.iter().zip(&mut sums) {
            let sums = &mut sums[rail];
            if sums.start <= from && row.t_ns <= sums.end && from < row.t_ns {
                let window = seconds(from, row.t_ns);
                let shares = busy.iter().map(|busy| busy.seconds_within(from, row.t_ns) / window);
                sums.add(row.t_ns, &shares.collect::<Vec<_>>(), row.watts);
            }
        }
        Ok(())
    })?;
    Ok(sums)
}

impl Sums {
    fn new(start: u64, end: u64, lanes: &[&Run]) -> Self {
        let images = lanes.iter().map(|lane| lane.images.len()).filter(|images| *images > 0).min();
        let stretches = images.unwrap_or(0) / IMAGES_A_STRETCH;
        let sums = Sums::cut(start, end, lanes.len(), stretches.clamp(1, MOST_STRETCHES));
        Sums { in_step: in_step(lanes, start, end), ..sums }
    }

    fn cut(start: u64, end: u64, lanes: usize, stretches: usize) -> Self {
        let columns = lanes + lanes * lanes.saturating_sub(1) / 2;
        let empty = Stretch {
            readings: 0,
            products: DMatrix::zeros(columns, columns),
            with_watts: DVector::zeros(columns),
            columns: DVector::zeros(columns),
            watts: 0.0,
            watts_squared: 0.0,
        };
        Sums { start, end, lanes, stretches: vec![empty; stretches], in_step: 0.0 }
    }

    fn add(&mut self, t: u64, shares: &[f64], watts: f64) {
        let count = self.stretches.len();
        let part = (t - self.start) as f64 / (self.end - self.start).max(1) as f64;
        let stretch = &mut self.stretches[((part * count as f64) as usize).min(count - 1)];
        let pairs = (0..shares.len()).flat_map(|a| (0..a).map(move |b| shares[a] * shares[b]));
        let shares =
            DVector::from_iterator(stretch.columns.len(), shares.iter().copied().chain(pairs));
        stretch.readings += 1;
        stretch.watts += watts;
        stretch.watts_squared += watts * watts;
        stretch.with_watts.axpy(watts, &shares, 1.0);
        stretch.columns += &shares;
        stretch.products.ger(1.0, &shares, &shares, 1.0);
    }

    /// Watts above `idle` of some of the components, the others taken to draw nothing here, in groups
    /// that are told apart. `noise` is the variance of a single reading. None where there are too few
    /// readings, or where none of several components is told apart.
    pub(crate) fn watts(&self, lanes: &[usize], idle: f64, noise: f64) -> Option<Vec<Watts>> {
        let readings: u64 = self.stretches.iter().map(|it| it.readings).sum();
        let products = self.stretches.iter().map(|it| &it.products).sum::<DMatrix<f64>>();
        // Who never was busy drew nothing, and is no unknown.
        let busy: Vec<usize> =
            (0..lanes.len()).filter(|&at| products[(lanes[at], lanes[at])] > 0.0).collect();
        let groups = told_apart(&products, busy.iter().map(|&at| (at, lanes[at])).collect());
        let unknowns = groups.len();
        let one_of_several = unknowns == 1 && busy.len() > 1;
        if unknowns == 0 || one_of_several || readings < FEWEST_READINGS * unknowns as u64 {
            return None;
        }
        let equations = self.equations(&self.design(&groups, false), idle);
        let fit = non_negative(&equations.products, &equations.right, None)?;
        let inverse = inverse(&equations.products)?;
        let chance = equations.half_widths(&fit, &inverse)?;
        let left = self.residuals(&equations, &fit, idle) - readings as f64 * noise;
        let nobodys = self.nobodys(&groups, idle);
        let half_width = |group: usize| {
            let in_step = self.in_step * (left.max(0.0) * inverse[(group, group)].max(0.0)).sqrt();
            chance[group] + in_step + nobodys[group]
        };
        let found = |(group, members): (usize, Vec<(usize, usize)>)| Watts {
            members: members.into_iter().map(|(at, _)| at).collect(),
            watts: fit[group],
            half_width: half_width(group),
        };
        let watts: Vec<Watts> = groups.into_iter().enumerate().map(found).collect();
        watts.iter().all(|it| it.watts.is_finite() && it.half_width.is_finite()).then_some(watts)
    }

    /// The columns of groups as sums of components', and with `pairs` those of pairs of groups.
    fn design(&self, groups: &[Vec<(usize, usize)>], pairs: bool) -> DMatrix<f64> {
        let pair = |a: usize, b: usize| self.lanes + a.max(b) * (a.max(b) - 1) / 2 + a.min(b);
        let of_group = groups.iter().map(|it| it.iter().map(|&(_, lane)| lane).collect::<Vec<_>>());
        let mut columns: Vec<Vec<usize>> = of_group.collect();
        for a in 0..if pairs { groups.len() } else { 0 } {
            for b in 0..a {
                let across =
                    groups[a].iter().flat_map(|a| groups[b].iter().map(move |b| (a.1, b.1)));
                columns.push(across.map(|(a, b)| pair(a, b)).collect());
            }
        }
        let all = self.stretches.first().map_or(0, |it| it.columns.len());
        DMatrix::from_fn(all, columns.len(), |row, column| {
            f64::from(u8::from(columns[column].contains(&row)))
        })
    }

    fn equations(&self, design: &DMatrix<f64>, idle: f64) -> Equations {
        let stretches: Vec<_> = self.stretches.iter().map(|it| it.grouped(design, idle)).collect();
        let products = stretches.iter().map(|it| &it.0).sum::<DMatrix<f64>>();
        let right = stretches.iter().map(|it| &it.1).sum::<DVector<f64>>();
        Equations { stretches, products, right }
    }

    /// `Σ r²`.
    fn residuals(&self, equations: &Equations, fit: &DVector<f64>, idle: f64) -> f64 {
        let of_stretch = |it: &Stretch| {
            it.watts_squared - 2.0 * idle * it.watts + it.readings as f64 * idle * idle
        };
        let squares: f64 = self.stretches.iter().map(of_stretch).sum();
        squares - 2.0 * fit.dot(&equations.right) + fit.dot(&(&equations.products * fit))
    }

    /// What pairs of groups draw beyond what both draw, by group, in watts of its busy time. Nothing
    /// where the readings do not tell it.
    fn nobodys(&self, groups: &[Vec<(usize, usize)>], idle: f64) -> Vec<f64> {
        let mut watts = vec![0.0; groups.len()];
        let design = self.design(groups, true);
        let equations = self.equations(&design, idle);
        let Some(inverse) = inverse(&equations.products) else { return watts };
        let fit = inverse * equations.right;
        let columns =
            design.tr_mul(&self.stretches.iter().map(|it| &it.columns).sum::<DVector<f64>>());
        let pairs = (0..groups.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
        for (at, (a, b)) in (groups.len()..).zip(pairs) {
            let together = fit[at].abs() * columns[at];
            watts[a] += together / columns[a];
            watts[b] += together / columns[b];
        }
        watts
    }
}

/// Normal equations of a fit, of each stretch and of all.
#[derive(Debug)]
struct Equations {
    stretches: Vec<(DMatrix<f64>, DVector<f64>)>,
    products: DMatrix<f64>,
    right: DVector<f64>,
}

impl Equations {
    /// Half of the 95 % interval of each unknown by how stretches differ; none where they are too few.
    fn half_widths(&self, fit: &DVector<f64>, inverse: &DMatrix<f64>) -> Option<Vec<f64>> {
        let freedom = self.stretches.len().checked_sub(fit.len())?;
        if freedom < FEWEST_STRETCHES {
            return None;
        }
        let scores = self.stretches.iter().map(|(products, right)| right - products * fit);
        let spread = scores.map(|score| &score * score.transpose()).sum::<DMatrix<f64>>();
        let few = self.stretches.len() as f64 / freedom as f64;
        let covariance = inverse * spread * inverse * few;
        let quantile = student::quantile(freedom as f64);
        Some(covariance.diagonal().iter().map(|it| quantile * it.max(0.0).sqrt()).collect())
    }
}

impl Stretch {
    /// Normal equations in columns that are sums of these.
    fn grouped(&self, design: &DMatrix<f64>, idle: f64) -> (DMatrix<f64>, DVector<f64>) {
        let right = &self.with_watts - idle * &self.columns;
        (design.tr_mul(&(&self.products * design)), design.tr_mul(&right))
    }
}

/// Components in groups that readings tell apart, each with its place among those asked for.
fn told_apart(products: &DMatrix<f64>, lanes: Vec<(usize, usize)>) -> Vec<Vec<(usize, usize)>> {
    let mut groups: Vec<Vec<(usize, usize)>> = lanes.into_iter().map(|lane| vec![lane]).collect();
    while groups.len() > 1 {
        let product = |a: usize, b: usize| {
            let pairs = groups[a].iter().flat_map(|a| groups[b].iter().map(move |b| (a.1, b.1)));
            pairs.map(|(a, b)| products[(a, b)]).sum::<f64>()
        };
        let grouped = DMatrix::from_fn(groups.len(), groups.len(), product);
        // What of a column's square the others do not explain.
        let own =
            |inverse: &DMatrix<f64>, at: usize| (inverse[(at, at)] * grouped[(at, at)]).recip();
        let cosine =
            |a: usize, b: usize| grouped[(a, b)] / (grouped[(a, a)] * grouped[(b, b)]).sqrt();
        let all = 0..groups.len();
        let pairs = all.clone().flat_map(|a| (0..a).map(move |b| (b, a)));
        let closest = match inverse(&grouped) {
            Some(inverse) => {
                let least =
                    all.clone().min_by(|&a, &b| own(&inverse, a).total_cmp(&own(&inverse, b)));
                let Some(least) = least.filter(|&at| own(&inverse, at) <= LEAST_OWN) else { break };
                let others = all.filter(|&at| at != least);
                let other = others.max_by(|&a, &b| cosine(least, a).total_cmp(&cosine(least, b)));
                other.map(|other| (least.min(other), least.max(other)))
            }
            None => pairs.max_by(|a, b| cosine(a.0, a.1).total_cmp(&cosine(b.0, b.1))),
        };
        let Some((first, second)) = closest else { break };
        let merged = groups.remove(second);
        groups[first].extend(merged);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sums(rows: &[Vec<f64>], watts: impl Fn(&[f64]) -> f64) -> Sums {
        let mut sums = Sums::cut(0, rows.len() as u64, rows[0].len(), 10);
        for (t, shares) in (0u64..).zip(rows) {
            sums.add(t, shares, watts(shares));
        }
        sums
    }

    proptest! {
        #[test]
        fn watts_are_found_where_components_take_turns(
            truth in prop::collection::vec(0.0..5.0f64, 3),
            shares in prop::collection::vec(prop::collection::vec(0.0..1.0f64, 3), 100..200),
        ) {
            let sums = sums(&shares, |shares| {
                0.4 + shares.iter().zip(&truth).map(|(f, p)| f * p).sum::<f64>()
            });
            let found = sums.watts(&[0, 1, 2], 0.4, 0.0).unwrap();
            for found in found {
                let [member] = found.members[..] else { panic!("{found:?}") };
                let off = (found.watts - truth[member]).abs();
                prop_assert!(off < 1e-6 && off <= found.half_width + 1e-9, "{found:?} {truth:?}");
            }
        }
    }

    #[test]
    fn components_that_are_always_busy_together_are_not_told_apart() {
        let together = sums(&vec![vec![1.0, 1.0]; 100], |_| 3.0);
        assert_eq!(together.watts(&[0, 1], 0.0, 0.0), None);
        assert!((together.watts(&[1], 1.0, 0.0).unwrap()[0].watts - 2.0).abs() < 1e-9);
        assert_eq!(Sums::cut(0, 10, 1, 10).watts(&[0], 0.0, 0.0), None);
    }

    /// Two go together, the third comes and goes, the fourth never ran.
    #[test]
    fn those_that_go_together_are_one_group_and_the_others_are_told_apart() {
        let rows: Vec<Vec<f64>> = (0..200)
            .map(|k| {
                let (a, b) = (f64::from(k % 2), f64::from(k * 7 % 3) / 2.0);
                vec![a, b, a, 0.0]
            })
            .collect();
        let sums = sums(&rows, |shares| 2.0 * shares[0] + 3.0 * shares[1] + 1.0 * shares[2]);
        let found = sums.watts(&[0, 1, 2, 3], 0.0, 0.0).unwrap();
        let members: Vec<_> = found.iter().map(|it| it.members.clone()).collect();
        assert_eq!(members, [vec![0, 2], vec![1]]);
        // 3 W while both are busy: 1.5 W for a busy second of either.
        assert!((found[0].watts - 1.5).abs() < 1e-9 && (found[1].watts - 3.0).abs() < 1e-9);
    }
}
