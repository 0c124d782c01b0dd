//! The frequency of each group of layers that takes least energy under a deadline.
//!
//! Groups run one after another, image after image, so that they stand in a circle: group `g` at
//! frequency `f` takes `t[g][f]` seconds and `e[g][f]` joules, and each change of frequency, that
//! from the last group to the first of the next image too, takes `t_s` and `e_s`. Sought are the
//! `f[g]` that minimise energy with a time of at most `D`: a knapsack of multiple choice, along a
//! circle.
//!
//! 1. With a price `λ` on time instead of a deadline it is a shortest way, found by dynamic
//!    programming for each frequency of the first group. For each `λ ≥ 0`,
//!    `min(e + λ t) − λ D` is a lower bound on the energy sought (Lagrange); the best `λ` is found by
//!    bisection, and the ways on its fast side keep the deadline.
//! 2. All ways that may still be better are then followed, group by group (labels of time and
//!    energy): dropped is one that another is no worse than in both, one that cannot keep the deadline
//!    any more, and one whose lower bound is no better than the best way known. What is left at the
//!    end is the best there is.
//!
//! Should there be too many ways to follow, the best way known is the answer, and the lower bound
//! says how far from the best it may be.

/// What groups take at each frequency.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Problem {
    /// Seconds by group and frequency.
    pub(super) seconds: Vec<Vec<f64>>,
    /// Joules by group and frequency.
    pub(super) joules: Vec<Vec<f64>>,
    /// What a change of frequency takes.
    pub(super) switching_s: f64,
    pub(super) switching_joules: f64,
    pub(super) deadline_s: f64,
}

/// A frequency for each group.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Solution {
    pub(super) choice: Vec<usize>,
    /// No choice takes less energy than this.
    pub(super) least_joules: f64,
}

/// Ways that are followed at most.
const MOST_LABELS: usize = 2_000_000;
/// Halvings of the interval that the price of time lies in.
const HALVINGS: usize = 60;
/// Energies that differ by less, of themselves, are equal.
const EQUAL: f64 = 1e-12;

impl Problem {
    fn groups(&self) -> usize {
        self.seconds.len()
    }

    fn frequencies(&self) -> usize {
        self.seconds.first().map_or(0, Vec::len)
    }

    /// Changes of frequency in an image, in a stream of them.
    pub(super) fn switches(&self, choice: &[usize]) -> usize {
        let last = choice.last().copied();
        let before = last.into_iter().chain(choice.iter().copied());
        before.zip(choice).filter(|(before, now)| before != *now).count()
    }

    /// Time of an image.
    pub(super) fn time(&self, choice: &[usize]) -> f64 {
        let own: f64 = choice.iter().zip(&self.seconds).map(|(&f, of)| of[f]).sum();
        own + self.switches(choice) as f64 * self.switching_s
    }

    /// Energy of an image.
    pub(super) fn energy(&self, choice: &[usize]) -> f64 {
        let own: f64 = choice.iter().zip(&self.joules).map(|(&f, of)| of[f]).sum();
        own + self.switches(choice) as f64 * self.switching_joules
    }

    fn keeps_deadline(&self, choice: &[usize]) -> bool {
        self.time(choice) <= self.deadline_s
    }

    /// The fastest there is.
    pub(super) fn fastest(&self) -> Vec<usize> {
        self.shortest(&|joules, seconds| {
            // Of what is equally fast the cheapest.
            seconds + EQUAL * joules
        })
    }

    /// The best there is, or nearly; none if nothing keeps the deadline.
    pub(super) fn solve(&self) -> Option<Solution> {
        let (best, price) = self.priced()?;
        Some(self.followed(best, price))
    }

    /// A good choice that keeps the deadline, and a price of time that bounds how much better
    /// another can be: the first step alone.
    pub(super) fn priced(&self) -> Option<(Vec<usize>, f64)> {
        let at = |price: f64| self.shortest(&|joules, seconds| joules + price * seconds);
        let free = at(0.0);
        if self.keeps_deadline(&free) {
            return Some((free, 0.0));
        }
        let fastest = self.fastest();
        if !self.keeps_deadline(&fastest) {
            return None;
        }
        let (mut low, mut high) = (0.0, 1.0);
        let mut best = fastest.clone();
        // Raised until the deadline is kept, or what is fastest has been found.
        for _ in 0..200 {
            let choice = at(high);
            if self.keeps_deadline(&choice) {
                best = self.cheaper(best, choice);
                break;
            }
            (low, high) = (high, 2.0 * high);
        }
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            let choice = at(middle);
            match self.keeps_deadline(&choice) {
                true => {
                    best = self.cheaper(best, choice);
                    high = middle;
                }
                false => low = middle,
            }
        }
        let bound = |price| self.bound(price);
        Some((best, if bound(low) > bound(high) { low } else { high }))
    }

    fn cheaper(&self, one: Vec<usize>, other: Vec<usize>) -> Vec<usize> {
        if self.energy(&other) < self.energy(&one) { other } else { one }
    }

    /// No choice that keeps the deadline takes less energy.
    fn bound(&self, price: f64) -> f64 {
        let choice = self.shortest(&|joules, seconds| joules + price * seconds);
        self.energy(&choice) + price * (self.time(&choice) - self.deadline_s)
    }

    /// The shortest way, by a length that joules and seconds of a group, or of a change of frequency,
    /// make.
    fn shortest(&self, length: &dyn Fn(f64, f64) -> f64) -> Vec<usize> {
        let (groups, frequencies) = (self.groups(), self.frequencies());
        let own = |g: usize, f: usize| length(self.joules[g][f], self.seconds[g][f]);
        let switch = length(self.switching_joules, self.switching_s);
        let change = |from: usize, to: usize| if from == to { 0.0 } else { switch };
        let mut best: Option<(f64, Vec<usize>)> = None;
        for first in 0..frequencies {
            let mut cost = vec![f64::INFINITY; frequencies];
            cost[first] = own(0, first);
            let mut came_from: Vec<Vec<usize>> = Vec::with_capacity(groups);
            for g in 1..groups {
                let step = |to: usize| {
                    let from = (0..frequencies)
                        .min_by(|&a, &b| {
                            (cost[a] + change(a, to)).total_cmp(&(cost[b] + change(b, to)))
                        })
                        .unwrap_or(0);
                    (cost[from] + change(from, to) + own(g, to), from)
                };
                let steps: Vec<(f64, usize)> = (0..frequencies).map(step).collect();
                came_from.push(steps.iter().map(|&(_, from)| from).collect());
                cost = steps.into_iter().map(|(cost, _)| cost).collect();
            }
            let closed = |last: usize| cost[last] + change(last, first);
            let Some(last) = (0..frequencies).min_by(|&a, &b| closed(a).total_cmp(&closed(b)))
            else {
                break;
            };
            if best.as_ref().is_none_or(|(cost, _)| closed(last) < *cost) {
                let mut choice = vec![last];
                for from in came_from.iter().rev() {
                    choice.push(from[choice[choice.len() - 1]]);
                }
                choice.reverse();
                best = Some((closed(last), choice));
            }
        }
        best.map_or_else(Vec::new, |(_, choice)| choice)
    }

    /// The second step.
    fn followed(&self, mut best: Vec<usize>, price: f64) -> Solution {
        let least = self.bound(price);
        let mut budget = MOST_LABELS;
        for first in 0..self.frequencies() {
            match Follower::new(self, first, price).follow(&mut best, &mut budget) {
                Some(()) => {}
                None => {
                    return Solution { least_joules: least.min(self.energy(&best)), choice: best };
                }
            }
        }
        Solution { least_joules: self.energy(&best), choice: best }
    }
}

/// A way as far as it was followed.
#[derive(Debug, Clone, Copy)]
struct Label {
    seconds: f64,
    joules: f64,
    /// Its place among all labels, and where it came from.
    id: usize,
}

/// Follows ways that begin at one frequency.
struct Follower<'a> {
    problem: &'a Problem,
    first: usize,
    price: f64,
    /// Least seconds, and least `joules + price · seconds`, of what comes after a group at a
    /// frequency, back to the first.
    seconds_to_go: Vec<Vec<f64>>,
    priced_to_go: Vec<Vec<f64>>,
}

impl<'a> Follower<'a> {
    fn new(problem: &'a Problem, first: usize, price: f64) -> Self {
        let to_go = |length: &dyn Fn(f64, f64) -> f64| {
            let (groups, frequencies) = (problem.groups(), problem.frequencies());
            let switch = length(problem.switching_joules, problem.switching_s);
            let change = |from: usize, to: usize| if from == to { 0.0 } else { switch };
            let mut rows = vec![vec![0.0; frequencies]; groups];
            for (f, last) in rows[groups - 1].iter_mut().enumerate() {
                *last = change(f, first);
            }
            for g in (0..groups - 1).rev() {
                for f in 0..frequencies {
                    let next = |to: usize| {
                        let own = length(problem.joules[g + 1][to], problem.seconds[g + 1][to]);
                        change(f, to) + own + rows[g + 1][to]
                    };
                    rows[g][f] = (0..frequencies).map(next).fold(f64::INFINITY, f64::min);
                }
            }
            rows
        };
        Follower {
            problem,
            first,
            price,
            seconds_to_go: to_go(&|_, seconds| seconds),
            priced_to_go: to_go(&|joules, seconds| joules + price * seconds),
        }
    }

    /// Follows them all, and improves `best`; none if there were more of them than the budget.
    fn follow(&self, best: &mut Vec<usize>, budget: &mut usize) -> Option<()> {
        let problem = self.problem;
        let mut least = problem.energy(best);
        // Frequency and predecessor of each label.
        let mut trail: Vec<(usize, usize)> = Vec::new();
        let mut front: Vec<Vec<Label>> = vec![Vec::new(); problem.frequencies()];
        let start = Label {
            seconds: problem.seconds[0][self.first],
            joules: problem.joules[0][self.first],
            id: 0,
        };
        if !self.may_win(0, self.first, start, least) {
            return Some(());
        }
        trail.push((self.first, usize::MAX));
        front[self.first].push(start);
        for g in 1..problem.groups() {
            let mut next: Vec<Vec<Label>> = Vec::with_capacity(front.len());
            for to in 0..problem.frequencies() {
                let mut labels: Vec<Label> = Vec::new();
                for (from, ways) in front.iter().enumerate() {
                    let change = f64::from(u8::from(from != to));
                    labels.extend(ways.iter().map(|way| Label {
                        seconds: way.seconds
                            + change * problem.switching_s
                            + problem.seconds[g][to],
                        joules: way.joules
                            + change * problem.switching_joules
                            + problem.joules[g][to],
                        id: way.id,
                    }));
                }
                labels.retain(|label| self.may_win(g, to, *label, least));
                keep_undominated(&mut labels);
                *budget = budget.checked_sub(labels.len())?;
                for label in &mut labels {
                    trail.push((to, label.id));
                    label.id = trail.len() - 1;
                }
                next.push(labels);
            }
            front = next;
        }
        for label in front.into_iter().flatten() {
            let mut choice = Vec::with_capacity(problem.groups());
            let mut at = label.id;
            while let Some(&(frequency, before)) = trail.get(at) {
                choice.push(frequency);
                at = before;
            }
            choice.reverse();
            let joules = problem.energy(&choice);
            if joules < least && problem.keeps_deadline(&choice) {
                (*best, least) = (choice, joules);
            }
        }
        Some(())
    }

    fn may_win(&self, g: usize, f: usize, label: Label, least: f64) -> bool {
        let deadline_s = self.problem.deadline_s;
        let priced = label.joules + self.price * (label.seconds - deadline_s);
        let in_time = label.seconds + self.seconds_to_go[g][f] <= deadline_s * (1.0 + EQUAL);
        in_time && priced + self.priced_to_go[g][f] < least - EQUAL * least.abs()
    }
}

/// Keeps ways that no other is as good as in both time and energy.
fn keep_undominated(labels: &mut Vec<Label>) {
    labels.sort_by(|a, b| a.seconds.total_cmp(&b.seconds).then(a.joules.total_cmp(&b.joules)));
    let mut least = f64::INFINITY;
    labels.retain(|label| {
        let keeps = label.joules < least;
        least = least.min(label.joules);
        keeps
    });
}

#[cfg(test)]
#[path = "solver_tests.rs"]
mod tests;
