//! What a choice of frequencies takes, with intervals.

use super::candidates::Candidates;
use super::solver::Problem;
use super::{PlanLayer, Saving, SwitchingCost, Throughout};
use crate::quantity::Quantity;

/// How often the choice is made anew.
const DRAWS: usize = 200;

/// A number, and half of its 95 % interval.
pub(super) struct Estimate {
    pub(super) value: f64,
    pub(super) half_width: f64,
}

/// The numbers that a plan is chosen by.
pub(super) struct Estimates<'a> {
    candidates: &'a Candidates<'a>,
    pub(super) problem: Problem,
    /// What a choice promises too much: its mean, and the standard error of that.
    optimism: (f64, f64),
}

impl<'a> Estimates<'a> {
    pub(super) fn new(
        candidates: &'a Candidates<'a>,
        switching: SwitchingCost,
        deadline_s: f64,
    ) -> Self {
        let table = |of: &dyn Fn(usize, std::ops::Range<usize>) -> f64| -> Vec<Vec<f64>> {
            let row = |group: &std::ops::Range<usize>| {
                (0..candidates.all.len()).map(|f| of(f, group.clone())).collect()
            };
            candidates.groups.iter().map(row).collect()
        };
        let problem = Problem {
            seconds: table(&|f, group| candidates.all[f].seconds[group].iter().sum()),
            joules: table(&|f, group| candidates.all[f].joules_of(group).value),
            switching_s: switching.seconds,
            switching_joules: switching.joules,
            deadline_s,
        };
        Estimates { candidates, problem, optimism: (0.0, 0.0) }
    }

    /// Estimates what a choice promises too much.
    pub(super) fn judge_optimism(&mut self) {
        let mut sum = (0.0, 0.0, 0.0);
        for draw in 0..DRAWS {
            let joules = self.candidates.groups.iter().map(|group| {
                let of = |f: usize| self.candidates.all[f].drawn_joules_of(draw, group.clone());
                (0..self.candidates.all.len()).map(of).collect()
            });
            let drawn = Problem { joules: joules.collect(), ..self.problem.clone() };
            // Times are the same, so that the deadline is kept as before.
            let Some((choice, _)) = drawn.priced() else { continue };
            let promised_too_much = self.problem.energy(&choice) - drawn.energy(&choice);
            sum = (sum.0 + 1.0, sum.1 + promised_too_much, sum.2 + promised_too_much.powi(2));
        }
        let (count, total, squares) = sum;
        if count >= 2.0 {
            let mean = total / count;
            let variance = (squares / count - mean * mean).max(0.0);
            // Less than nothing would be luck.
            self.optimism = (mean.max(0.0), (variance / count).sqrt());
        }
    }

    pub(super) fn optimism(&self) -> f64 {
        self.optimism.0
    }

    /// Half the interval of energies that were recorded one by one, by the same sensors, with what
    /// idle power differs between recordings over the time of an image.
    fn half_width(&self, mut read: Quantity, seconds: f64) -> f64 {
        read.own += self.optimism.1.powi(2);
        read.half_width() + self.candidates.idle_spread_watts * seconds
    }

    /// The joules of those layers whose group `of` finds, by the recording at one frequency.
    fn of_groups(&self, f: usize, of: impl Fn(usize) -> bool) -> Quantity {
        let groups = self.candidates.groups.iter().enumerate();
        let layers = groups.filter(|(group, _)| of(*group)).flat_map(|(_, layers)| layers.clone());
        self.candidates.all[f].joules_of(layers)
    }

    /// Joules of an image.
    pub(super) fn energy(&self, choice: &[usize]) -> Estimate {
        let read = self.chosen(choice, |_| true);
        let value = self.problem.energy(choice) + self.optimism.0;
        Estimate { value, half_width: self.half_width(read, self.problem.time(choice)) }
    }

    /// The joules of groups at their chosen frequencies, as far as those are wanted.
    fn chosen(&self, choice: &[usize], wanted: impl Fn(usize) -> bool) -> Quantity {
        let frequencies = (0..self.candidates.all.len()).filter(|&f| wanted(f));
        frequencies
            .map(|f| self.of_groups(f, |group| choice[group] == f))
            .fold(Quantity::default(), |sum, part| sum.plus(&part))
    }

    /// What a choice takes less than one frequency throughout.
    fn saving(&self, choice: &[usize], over: usize) -> Estimate {
        let elsewhere = self.of_groups(over, |group| choice[group] != over);
        let read = elsewhere.less(&self.chosen(choice, |f| f != over));
        let throughout = self.problem.energy(&vec![over; choice.len()]);
        let seconds: f64 = choice
            .iter()
            .enumerate()
            .filter(|&(_, &f)| f != over)
            .map(|(group, &f)| self.problem.seconds[group][f])
            .sum();
        if seconds == 0.0 {
            return Estimate { value: 0.0, half_width: 0.0 };
        }
        Estimate {
            value: throughout - self.problem.energy(choice) - self.optimism.0,
            half_width: self.half_width(read, seconds),
        }
    }

    /// What a choice saves over the highest frequency, and over the best that keeps the deadline.
    pub(super) fn savings(&self, choice: &[usize]) -> Vec<Saving> {
        let throughout = self.throughout();
        let highest = throughout.len() - 1;
        let keeping = (0..throughout.len()).filter(|&f| throughout[f].keeps_deadline);
        let best = keeping.min_by(|&a, &b| throughout[a].joules.total_cmp(&throughout[b].joules));
        let saving = |(over, why): (usize, &'static str)| {
            let Estimate { value, half_width } = self.saving(choice, over);
            Saving {
                over_mhz: throughout[over].frequency_mhz,
                over: why,
                joules: value,
                joules_ci95: half_width,
                pct: 100.0 * value / throughout[over].joules,
                claimed: value > half_width,
            }
        };
        let best = best
            .filter(|&best| best != highest)
            .map(|best| (best, "the best single frequency that keeps the deadline"));
        [Some((highest, "the highest frequency")), best].into_iter().flatten().map(saving).collect()
    }

    /// One frequency throughout.
    pub(super) fn throughout(&self) -> Vec<Throughout> {
        let groups = self.candidates.groups.len();
        let one = |f: usize| {
            let it = &self.candidates.all[f];
            let choice = vec![f; groups];
            let joules = self.of_groups(f, |_| true);
            let seconds = self.problem.time(&choice);
            Throughout {
                frequency_mhz: it.frequency_mhz,
                bundle: it.fitted.bundle.to_string(),
                seconds,
                joules: joules.value,
                joules_ci95: joules.half_width(),
                keeps_deadline: seconds <= self.problem.deadline_s,
            }
        };
        (0..self.candidates.all.len()).map(one).collect()
    }

    /// Each layer.
    pub(super) fn layers(&self, choice: &[usize]) -> Vec<PlanLayer> {
        let highest = &self.candidates.all[self.candidates.all.len() - 1];
        let mut layers = Vec::new();
        for (group, of_group) in self.candidates.groups.iter().enumerate() {
            let f = choice[group];
            let before = choice[group.checked_sub(1).unwrap_or(choice.len() - 1)];
            let at = &self.candidates.all[f];
            for layer in of_group.clone() {
                let joules = at.joules_of([layer].into_iter());
                layers.push(PlanLayer {
                    layer: at.fitted.layers[layer].name.to_string(),
                    kind: at.fitted.layers[layer].kind.clone(),
                    group: group + 1,
                    frequency_mhz: at.frequency_mhz,
                    switches: before != f && layer == of_group.start,
                    seconds: at.seconds[layer],
                    joules: joules.value,
                    joules_ci95: joules.half_width(),
                    seconds_at_highest: highest.seconds[layer],
                    joules_at_highest: highest.joules_of([layer].into_iter()).value,
                });
            }
        }
        layers
    }
}
