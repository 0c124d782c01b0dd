//! When a sensor's conversions ended, which no reading says and all of them together do.
//!
//! A converter keeps its own time: conversion `n` ends at `e_n = φ + n T`, and whoever looks at `t`
//! reads the one that ended last, so that the lag of a reading is `(t − φ) mod T`. Where `φ` and `T`
//! are known each reading looks at a rectangle of `T` seconds instead of at some of them within twice
//! that, and layers that take tenths of a conversion are told apart.
//!
//! Both follow from the readings, for power changes from layer to layer and each network repeats. With
//! the power of each layer as unaware of lags it comes out (a fit as in `sight`), every `φ` and `T` has
//! a sum of squared residuals: the least on a grid is near the truth. From there Gauss and Newton's
//! steps solve for layers, `φ` and `T` at once,
//!
//! ```text
//! y[k] = Σ_l x[k,l] p[l] + (p(e_n) − p(e_n − T))/T · (δφ + n δT) + error
//! ```
//!
//! first over few readings, over which an error of `T` adds up to little, then over twice as many until
//! it is all; layers that look alike are held together by their [`super::prior`]. What is found is believed
//! if it explains the readings better than unknown lags do, and than any other clock of the [`super::grid`]
//! does, by [`LEAST_EVIDENCE`]. Where power hardly changes nothing is better, and lags hardly matter. Where
//! several clocks are better than none, readings count as little as if a lag lasted for an eighth of the
//! run.

use nalgebra::DVector;

use super::columns::{Columns, Segment};
use super::course::{Course, Power};
use super::grid::{MOST_SQUARES, nearest};
use super::normal::Normal;
use super::prior::Prior;
use super::sight::Sight;
use crate::power::variance::STAMP_S;

/// Fewest readings that a clock is sought in.
const FEWEST: usize = 64;
/// Readings that the grid is searched with, and twice as many that tell the best of it apart.
const FIRST: usize = 512;
const BEST: usize = 8;
/// Steps over the same readings, and how often as many more are taken, until they hardly tell.
const STEPS: usize = 3;
const MOST_ROUNDS: usize = 12;
const SETTLED: f64 = 0.1;
/// Logarithm of the likelihood ratio from which a clock is believed: the grid has about e¹¹ points, the
/// best of which fits a little better by chance.
const LEAST_EVIDENCE: f64 = 25.0;

/// A reading in a run, at `t_ns`, and in seconds from the run's start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noted {
    pub(super) t_ns: u64,
    pub(super) t: f64,
    pub(super) value: f64,
    /// What it looks at as long as nobody knows the clock.
    pub(super) sight: Sight,
}

/// When conversions end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Clock {
    /// One of them, in seconds from the run's start, and the time from one to the next.
    phase: f64,
    period: f64,
    /// Variances of both and their covariance.
    errors: [f64; 3],
}

impl Clock {
    /// One that nothing is known of but what it shows.
    pub(super) fn new(phase: f64, period: f64) -> Self {
        Clock { phase, period, errors: [0.0; 3] }
    }

    /// The number of the last conversion that ended by `t`, and how long ago.
    fn last(&self, t: f64) -> (f64, f64) {
        let number = ((t - self.phase) / self.period).floor();
        (number, t - self.phase - number * self.period)
    }

    /// The same counted from the conversion next to `t`.
    fn about(self, t: f64) -> Self {
        let (number, _) = self.last(t);
        Clock { phase: self.phase + number * self.period, ..self }
    }

    /// Whether another has about the same lags over so many readings.
    fn is_like(&self, other: &Clock, readings: usize) -> bool {
        (self.period - other.period).abs() * readings as f64 / 2.0 < 0.25 * self.period
    }

    /// What a reading at `t` looks at; none where it is not sure of which conversion it is.
    pub(super) fn sight(&self, t: f64) -> Option<Sight> {
        let (number, lag) = self.last(t);
        let unsure = 3.0 * self.error(number) + STAMP_S;
        let sure = lag > unsure && lag < self.period - unsure;
        sure.then_some(Sight { window: self.period, least: lag, lag: 0.0 })
    }

    /// Standard error of the end of the conversion that a reading at `t` is of.
    pub(super) fn error_at(&self, t: f64) -> f64 {
        self.error(self.last(t).0)
    }

    fn error(&self, n: f64) -> f64 {
        let [phase, both, period] = self.errors;
        (phase + 2.0 * n * both + n * n * period).max(0.0).sqrt()
    }
}

/// What readings say of their clock.
pub(super) enum Found {
    /// It is this, and about so much is drawn by each column.
    One(Clock, Vec<f64>),
    /// It hardly matters: readings are explained as well without one.
    None,
    /// It matters by this variance of a reading, and several fit as well.
    Several(f64),
}

/// The readings of one sensor over some part of a run, between which its clock is steady.
pub(super) struct Search<'a> {
    readings: &'a [Noted],
    course: Course,
    columns: &'a Columns,
}

/// Layers fitted to readings, with or without a clock.
struct Fitted {
    /// Of each column, with what the board draws at rest.
    watts: Vec<f64>,
    /// Mean squared residual.
    variance: f64,
}

/// Logarithm of the ratio of likelihoods of a better fit and a worse one.
fn evidence(worse: &Fitted, better: &Fitted, readings: usize) -> f64 {
    0.5 * readings as f64 * (worse.variance / better.variance).ln()
}

fn best_first(mut found: Vec<(Clock, Fitted)>) -> Vec<(Clock, Fitted)> {
    found.sort_by(|a, b| a.1.variance.total_cmp(&b.1.variance));
    found
}

impl<'a> Search<'a> {
    /// None where there is too little to find a clock in.
    pub(super) fn new(
        readings: &'a [Noted],
        segments: &[Segment],
        start: u64,
        columns: &'a Columns,
    ) -> Option<Self> {
        let course = Course::new(segments, start, columns.count());
        (readings.len() >= FEWEST).then_some(Search { readings, course, columns })
    }

    /// The clock by which readings are best explained. `before` is what was found in the readings before
    /// these. None where arithmetic fails.
    pub(super) fn found(&self, before: Option<Clock>) -> Option<Found> {
        let all = self.readings.len();
        let (unaware, prior) = self.fit(|reading| Some(reading.sight))?;
        let (mut clock, mut fitted, mut seen) = match before {
            Some(clock) => {
                let clock = clock.about(self.readings[all / 2].t);
                let (clock, fitted) = self.settled(clock, &unaware, &prior, all)?;
                (clock, fitted, all)
            }
            None => {
                let seen = (2 * FIRST).min(all);
                match self.first(&unaware, &prior, seen)? {
                    Ok((clock, fitted)) => {
                        let found = self.settled(clock, &fitted, &prior, seen)?;
                        // Next to it may be a better one, which shows now that layers are known.
                        let again = self.first(&found.1, &prior, seen)?.ok();
                        let again = again
                            .and_then(|(clock, it)| self.settled(clock, &it, &prior, seen))
                            .filter(|again| again.1.variance < found.1.variance);
                        let (clock, fitted) = again.unwrap_or(found);
                        (clock, fitted, seen)
                    }
                    Err(found) => return Some(found),
                }
            }
        };
        while seen < all {
            seen = (2 * seen).min(all);
            (clock, fitted) = self.settled(clock, &fitted, &prior, seen)?;
        }
        // What layers have in common is clearer now.
        let (_, prior) = self.fit(|reading| clock.sight(reading.t))?;
        let (clock, _) = self.settled(clock, &fitted, &prior, all)?;
        let (aware, _) = self.fit(|reading| clock.sight(reading.t))?;
        let known = evidence(&unaware, &aware, all) > LEAST_EVIDENCE;
        Some(if known { Found::One(clock, aware.watts) } else { Found::None })
    }

    /// The one near the grid that explains the first `seen` readings best, and layers by it; or what is
    /// to be said where another does as well.
    fn first(
        &self,
        unaware: &Fitted,
        prior: &Prior,
        seen: usize,
    ) -> Option<Result<(Clock, Fitted), Found>> {
        let power = self.course.power(unaware.watts.clone());
        let few = FIRST.min(seen);
        let candidates = nearest(&self.readings[..few], &power, unaware.variance)?;
        let by_few = candidates.into_iter().filter_map(|it| self.refined(it, unaware, prior, few));
        let best = best_first(by_few.collect()).into_iter().take(BEST);
        let by_more = best.filter_map(|(clock, layers)| self.refined(clock, &layers, prior, seen));
        let mut refined = best_first(by_more.collect()).into_iter();
        let (clock, fitted) = refined.next()?;
        let rival = refined.find(|(other, _)| !clock.is_like(other, seen));
        if rival.is_none_or(|(_, rival)| evidence(&rival, &fitted, seen) > LEAST_EVIDENCE) {
            return Some(Ok((clock, fitted)));
        }
        let matters = evidence(unaware, &fitted, seen) > LEAST_EVIDENCE;
        let variance = unaware.variance - fitted.variance;
        Some(Err(if matters { Found::Several(variance) } else { Found::None }))
    }

    /// A clock after as many steps over the first readings as explain them better, and layers by it.
    fn settled(
        &self,
        clock: Clock,
        layers: &Fitted,
        prior: &Prior,
        seen: usize,
    ) -> Option<(Clock, Fitted)> {
        let mut best = self.refined(clock, layers, prior, seen)?;
        for _ in 0..MOST_ROUNDS {
            let next = self.refined(best.0, &best.1, prior, seen)?;
            let settled = evidence(&best.1, &next.1, seen).abs() < SETTLED;
            best = next;
            if settled {
                break;
            }
        }
        Some(best)
    }

    /// A clock after some steps over the first readings, and layers by it.
    fn refined(
        &self,
        clock: Clock,
        layers: &Fitted,
        prior: &Prior,
        seen: usize,
    ) -> Option<(Clock, Fitted)> {
        let (mut clock, mut noise) = (clock, layers.variance);
        let mut power = self.course.power(layers.watts.clone());
        for step in 1.. {
            let (next, fitted) = self.step(clock, &power, (noise, prior), seen)?;
            if step == STEPS {
                return Some((next, fitted));
            }
            (clock, noise, power) = (next, fitted.variance, self.course.power(fitted.watts));
        }
        None
    }

    /// Layers fitted to what each reading looks at by `sight`, and what they have in common.
    fn fit(&self, sight: impl Fn(&Noted) -> Option<Sight>) -> Option<(Fitted, Prior)> {
        let columns = self.course.columns;
        let mut sums = Normal::new(columns);
        let mut row = vec![0.0; columns];
        for reading in self.readings {
            let Some(sight) = sight(reading) else { continue };
            row.fill(0.0);
            self.course.weights(reading.t, sight, &mut row);
            sums.add(&row, reading.value, 1.0);
        }
        // As if layers were all alike, and then as they are.
        let guess = sums.spread();
        // A mean over so many layers differs by less than they do.
        let layers = self.course.layers_in(self.readings[0].sight.window);
        let scale = (Some((guess * layers).sqrt()), None);
        let alike = Prior::new(&sums.equations(), self.columns, guess, scale)?;
        let (first, _) = sums.solve(&alike.weights_by(guess), 0)?;
        let noise = sums.variance(&first);
        let prior = Prior::new(&sums.equations(), self.columns, noise, scale)?;
        let (fit, _) = sums.solve(&prior.weights_by(noise), 0)?;
        Some((self.fitted(&sums, &fit), prior))
    }

    /// One of Gauss and Newton's steps for layers and clock together.
    fn step(
        &self,
        clock: Clock,
        power: &Power<'_>,
        (noise, prior): (f64, &Prior),
        seen: usize,
    ) -> Option<(Clock, Fitted)> {
        let columns = self.course.columns;
        let mut sums = Normal::new(columns + 2);
        let mut row = vec![0.0; columns + 2];
        let period = clock.period;
        let mut numbers = 1.0f64;
        for reading in &self.readings[..seen] {
            let (number, lag) = clock.last(reading.t);
            if lag < STAMP_S || lag > period - STAMP_S {
                continue;
            }
            let end = reading.t - lag;
            row.fill(0.0);
            let sight = Sight { window: period, least: lag, lag: 0.0 };
            self.course.weights(reading.t, sight, &mut row);
            let slope = (power.watts(end) - power.watts(end - period)) / period;
            (row[columns], row[columns + 1]) = (slope, slope * number);
            let residual = reading.value - power.mean(end, period);
            let weight = (MOST_SQUARES * noise / (residual * residual)).min(1.0);
            sums.add(&row, reading.value, weight);
            numbers = numbers.max(number.abs());
        }
        let farthest = period / 4.0;
        let mut prior = prior.weights_by(noise).resize(columns + 2, columns + 2, 0.0);
        prior[(columns, columns)] = noise / farthest.powi(2);
        prior[(columns + 1, columns + 1)] = noise / (farthest / numbers).powi(2);
        let (fit, covariance) = sums.solve(&prior, 2)?;
        let fitted = self.fitted(&sums, &fit);
        let of = |row: usize, column: usize| fitted.variance * covariance[(row, column)];
        let clock = Clock {
            phase: clock.phase + fit[columns],
            period: clock.period + fit[columns + 1],
            errors: [of(0, 0), of(0, 1), of(1, 1)],
        };
        Some((clock, fitted))
    }

    fn fitted(&self, sums: &Normal, fit: &DVector<f64>) -> Fitted {
        let watts = fit.iter().take(self.course.columns).copied().collect();
        Fitted { watts, variance: sums.variance(fit).max(f64::MIN_POSITIVE) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: f64 = 2.19e-3;
    const PHASE: f64 = 0.7e-3;

    /// Readings of layers that draw these watts, 1 to 3 ms each, over and over: looked at every 2.22 ms
    /// through a sensor that is 10 mW off, now up and now down.
    fn found(watts: &[f64], seconds: f64) -> Found {
        let (mut segments, mut at) = (Vec::new(), 0);
        while (at as f64) < seconds * 1e9 {
            for column in 0..watts.len() {
                let to = at + 1_000_000 + 437_000 * (column as u64 % 5);
                segments.push(Segment::new(at, to, column));
                at = to;
            }
        }
        let columns = Columns { seconds: vec![1e-3; watts.len()], ..Columns::default() };
        let course = Course::new(&segments, 0, watts.len());
        let power = course.power(watts.to_vec());
        let mut readings = Vec::new();
        for k in 3u64.. {
            let t = k as f64 * 2.222e-3;
            if t > seconds {
                break;
            }
            let end = PHASE + ((t - PHASE) / PERIOD).floor() * PERIOD;
            // A multiplicative hash is even enough to be noise.
            let noise = (k.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / (1 << 24) as f64;
            let value = power.mean(end, PERIOD) + 0.02 * (noise - 0.5);
            let sight = Sight { window: 2.2e-3, least: 0.0, lag: 2.2e-3 };
            readings.push(Noted { t_ns: (t * 1e9) as u64, t, value, sight });
        }
        Search::new(&readings, &segments, 0, &columns).unwrap().found(None).unwrap()
    }

    #[test]
    fn a_clock_is_found_to_some_microseconds() {
        let Found::One(clock, watts) = found(&[2.0, 3.0, 2.5, 4.0, 1.5, 3.5, 2.2, 3.1], 3.0) else {
            panic!("no clock")
        };
        for t in [0.1, 1.5, 2.9] {
            let (_, lag) = clock.last(t);
            let truth = (t - PHASE).rem_euclid(PERIOD);
            assert!((lag - truth).abs() < 5e-6 + 4.0 * clock.error_at(t), "{t}: {lag} {truth}");
            assert!(clock.error_at(t) < 5e-6, "{}", clock.error_at(t));
        }
        assert!((watts[3] - 4.0).abs() < 0.05, "{watts:?}");
    }

    /// Where every layer draws the same, no lag shows, and none matters.
    #[test]
    fn no_clock_is_found_where_there_is_none_to_see() {
        assert!(matches!(found(&[2.0; 8], 3.0), Found::None));
    }

    #[test]
    fn a_reading_next_to_a_conversions_end_is_of_nobody() {
        let clock = Clock { errors: [1e-10, 0.0, 0.0], ..Clock::new(0.0, 1e-3) };
        assert_eq!(clock.sight(0.01 + 70e-6), None);
        assert_eq!(clock.sight(0.011 - 70e-6), None);
        let sight = clock.sight(0.0105).unwrap();
        assert!((sight.least - 0.5e-3).abs() < 1e-12 && sight.lag == 0.0);
    }
}
