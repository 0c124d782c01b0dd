//! A frame rate, at the least joules per image.

use super::tail_guard::done_by_least_makespan;
use super::{Candidate, Decision, Policy, PolicyError, PolicyKind, View};
use crate::coexecution::oracle::MOST_COMPONENTS;

/// Which components run, and how fast, to meet a frame rate at the least joules per image.
///
/// The plan comes from [`least_energy`] over the profiles, and is looked at again whenever an
/// estimate has moved by 2 % or a component is taken out. A component that the plan runs flat out
/// takes whatever waits. One that it runs at part of its rate takes images at that rate, through a
/// token bucket. When more images wait than the plan has components, the estimates were too kind
/// or the stream came in a burst: then everyone in the plan takes, and when twice as many wait,
/// everyone else that can run them and is done before the others could be
/// ([`StealTailGuard`](super::StealTailGuard)).
///
/// # Contention
///
/// Components that run at once share the memory, so that an image takes longer and costs more than
/// alone, by an amount that depends on who else runs. Solo profiles do not know it, and bytes per
/// image would not tell it: it depends on which layers meet. The estimates are therefore refined by
/// every image that runs ([`Settings::refine`](crate::coexecution::Settings::refine)): they become
/// those beside the components that run at that time. Two things follow.
///
/// - Estimates differ from image to image, with the layers that met. Where a set of components just
///   meets the rate they say now that it does and now that it does not, and a component that joins
///   for a moment may cost more than all that the plan saves: one image of AlexNet costs as much on
///   a CPU cluster of the Kirin 970 as eleven on its NPU. A set that lacks by estimates only is
///   therefore kept, flat out, until images wait as well: the queue adds up what each estimate has
///   got wrong. A component that comes into the plan starts without tokens, so that it runs its
///   first image once its share of the stream comes to one.
/// - Estimates of one set are not those of another: a component looks slower beside one that is to
///   go. A set that meets the rate is therefore given up only for one that saves 2 % at least.
///
/// It is the usual cure for a controller that switches on a noisy quantity: a threshold that is
/// passed in one direction at another value than in the other (Schmitt, "A thermionic trigger",
/// 1938).
///
/// What estimates do not show is when components meet: whether two read their weights at once or in turn is
/// a matter of when they begin, and is worth up to 3 % on the emulated boards (`tests/energy.rs` of
/// the workspace).
#[derive(Debug)]
pub struct Energy {
    fps: f64,
    plan: Option<EnergyPlan>,
    /// Seconds and joules per image that the plan was made for.
    planned_for: Vec<(f64, f64)>,
    tokens: Vec<Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    images: f64,
    filled_ns: u64,
}

/// What an energy plan asks of each component.
#[derive(Debug, Clone, PartialEq)]
pub struct EnergyPlan {
    /// Images a second that each component runs; 0 for one that is left out.
    pub rates: Vec<f64>,
    /// Joules per image above idle, standby power included.
    pub joules_per_image: f64,
    /// Whether the frame rate is met. If not, all components run as fast as they can.
    pub meets_fps: bool,
}

impl EnergyPlan {
    /// Components that it runs.
    fn engaged(&self) -> usize {
        self.rates.iter().filter(|&&rate| rate > 0.0).count()
    }

    /// Whether more images wait than its components take at once. Where no camera sets the pace
    /// images wait anyway, and estimates are all there is.
    fn is_behind(&self, waiting: usize, view: &View<'_>) -> bool {
        view.fps.is_none() || waiting > self.engaged()
    }
}

/// A bucket holds this many images' tokens at most: a burst of two, and no more to catch up.
const BUCKET: f64 = 2.0;

/// An estimate that moves by less leaves the plan as it is.
const MOVED: f64 = 0.02;

/// A plan that saves less is not worth leaving a set of components for that meets the rate.
const WORTHWHILE: f64 = 0.02;

/// Above this share of its rate a component runs flat out: its bucket would only add jitter.
const FLAT_OUT: f64 = 0.98;

impl Energy {
    /// A policy for `fps` images a second.
    ///
    /// # Errors
    /// If there is no frame rate, or it is not above 0.
    pub fn new(fps: Option<f64>) -> Result<Self, PolicyError> {
        match fps {
            Some(fps) if fps > 0.0 && fps.is_finite() => {
                Ok(Energy { fps, plan: None, planned_for: Vec::new(), tokens: Vec::new() })
            }
            Some(fps) => Err(PolicyError::NoFrameRate { given: fps.to_string() }),
            None => Err(PolicyError::NoFrameRate { given: "none".to_owned() }),
        }
    }

    /// The plan in force, once the policy has been asked.
    pub fn plan(&self) -> Option<&EnergyPlan> {
        self.plan.as_ref()
    }

    /// Makes a plan that owes nothing to the last.
    fn replan(&mut self, view: &View<'_>) {
        self.put_in_force(least_energy(view.components, self.fps), view);
    }

    /// Looks whether the plan's components are still the best, by refined estimates, and at what
    /// rates. `behind` is whether images wait that should not.
    fn review(&mut self, view: &View<'_>, behind: bool) {
        let best = least_energy(view.components, self.fps);
        let kept = self.plan.as_ref().map(|plan| {
            let mut order = cheapest_first(view.components);
            order.retain(|&index| plan.rates[index] > 0.0);
            fill(view.components, order.into_iter(), self.fps)
        });
        let good_enough = |kept: &EnergyPlan| match kept.meets_fps {
            true => best.joules_per_image >= kept.joules_per_image * (1.0 - WORTHWHILE),
            false => !behind,
        };
        self.put_in_force(kept.filter(good_enough).unwrap_or(best), view);
    }

    fn put_in_force(&mut self, plan: EnergyPlan, view: &View<'_>) {
        self.planned_for.clear();
        self.planned_for.extend(view.components.iter().map(|it| (it.seconds(), it.joules())));
        // In the first plan one image may be taken at once; who joins later waits for its turn.
        let images = if self.plan.is_none() { 1.0 } else { 0.0 };
        let new = Bucket { images, filled_ns: view.now_ns };
        self.tokens.resize(view.components.len(), new);
        for (index, bucket) in self.tokens.iter_mut().enumerate() {
            let was_in = self.plan.as_ref().is_some_and(|before| before.rates[index] > 0.0);
            if !was_in {
                *bucket = new;
            }
        }
        self.plan = Some(plan);
    }

    /// Takes a token, or says when there will be one.
    fn spend(&mut self, component: usize, rate: f64, now_ns: u64) -> Result<(), u64> {
        let bucket = &mut self.tokens[component];
        let elapsed_s = now_ns.saturating_sub(bucket.filled_ns) as f64 * 1e-9;
        bucket.images = (bucket.images + rate * elapsed_s).min(BUCKET);
        bucket.filled_ns = now_ns;
        // A whole token but for rounding, or the wait for the rest could be no wait at all.
        if bucket.images >= 1.0 - 1e-9 {
            bucket.images -= 1.0;
            return Ok(());
        }
        Err(now_ns + 1 + ((1.0 - bucket.images) / rate * 1e9) as u64)
    }
}

impl Policy for Energy {
    fn kind(&self) -> PolicyKind {
        PolicyKind::Energy
    }

    fn decide(&mut self, component: usize, view: &View<'_>) -> Decision {
        let take = view.take_any(component);
        if take == Decision::Wait {
            return take;
        }
        if self.plan.is_none() {
            self.replan(view);
        }
        let waiting = view.waiting_for(&view.all_layers());
        if self.plan.as_ref().is_some_and(|plan| !plan.meets_fps && plan.is_behind(waiting, view)) {
            self.review(view, true);
        }
        let Some(plan) = &self.plan else { return Decision::Wait };
        let rate = plan.rates[component];
        // A camera sets the pace and what waits is late. Any other stream is there all at once.
        let late = view.fps.is_some();
        if late && waiting > 2 * plan.engaged() {
            let in_time = done_by_least_makespan(component, view, |_| true);
            return if in_time { take } else { Decision::Wait };
        }
        let flat_out = rate * view.components[component].seconds() >= FLAT_OUT;
        if flat_out && !plan.meets_fps {
            let in_plan = |index: usize| plan.rates[index] > 0.0;
            let in_time = done_by_least_makespan(component, view, in_plan);
            return if in_time { take } else { Decision::Wait };
        }
        if flat_out || (late && rate > 0.0 && waiting > plan.engaged()) {
            return take;
        }
        if rate <= 0.0 {
            return Decision::Wait;
        }
        match self.spend(component, rate, view.now_ns) {
            Ok(()) => take,
            Err(until_ns) => Decision::WaitUntil(until_ns),
        }
    }

    fn completed(&mut self, component: usize, view: &View<'_>) {
        let Some(&(seconds, joules)) = self.planned_for.get(component) else { return };
        let Some(plan) = &self.plan else { return };
        let now = &view.components[component];
        let moved = |was: f64, is: f64| (is - was).abs() > MOVED * was.abs();
        if moved(seconds, now.seconds()) || moved(joules, now.joules()) {
            let waiting = view.waiting_for(&view.all_layers());
            let behind = plan.is_behind(waiting, view);
            self.review(view, behind);
        }
    }

    fn changed(&mut self, view: &View<'_>) {
        self.replan(view);
    }
}

/// The components and rates that meet `fps` images a second at the least joules per image.
///
/// A component `c` in the run costs its standby power, and `J_c` for each of the `x_c <= 1 / s_c`
/// images a second that it runs: a linear program with fixed charges,
///
/// > minimise `(sum over S of standby_c + sum of x_c * J_c) / fps` with `sum of x_c = fps`.
///
/// For a given subset S the best rates are greedy, cheapest joules first, as in a fractional
/// knapsack (Dantzig 1957). The subsets are searched exhaustively, which is a few hundred for the
/// components a board has; components without standby power are in every subset at no charge, so
/// only the others are enumerated.
///
/// If not even all components together meet `fps`, all run flat out.
pub fn least_energy(components: &[Candidate], fps: f64) -> EnergyPlan {
    let cheapest_first = cheapest_first(components);
    let charged: Vec<usize> = cheapest_first
        .iter()
        .copied()
        .filter(|&index| components[index].profile().standby_watts() > 0.0)
        .collect();
    let mut best: Option<EnergyPlan> = None;
    for subset in 0u64..1 << charged.len().min(MOST_COMPONENTS) {
        let left_out = |index: &usize| {
            charged.iter().position(|it| it == index).is_some_and(|bit| subset >> bit & 1 == 0)
        };
        let subset = cheapest_first.iter().copied().filter(|index| !left_out(index));
        let plan = fill(components, subset, fps);
        let better = |best: &EnergyPlan| plan.joules_per_image < best.joules_per_image;
        if plan.meets_fps && best.as_ref().is_none_or(better) {
            best = Some(plan);
        }
    }
    best.unwrap_or_else(|| {
        let flat_out = fill(components, cheapest_first.into_iter(), f64::INFINITY);
        EnergyPlan { meets_fps: false, ..flat_out }
    })
}

/// Components that can run images, by joules per image.
fn cheapest_first(components: &[Candidate]) -> Vec<usize> {
    let able = |index: &usize| components[*index].runs_images();
    let mut order: Vec<usize> = (0..components.len()).filter(able).collect();
    order.sort_by(|&a, &b| components[a].joules().total_cmp(&components[b].joules()));
    order
}

/// Gives each component in turn as much of the frame rate as it can run.
fn fill(components: &[Candidate], order: impl Iterator<Item = usize>, fps: f64) -> EnergyPlan {
    let mut rates = vec![0.0; components.len()];
    let (mut watts, mut left) = (0.0, fps);
    for index in order {
        let component = &components[index];
        let rate = left.min(1.0 / component.seconds());
        if rate > 0.0 {
            rates[index] = rate;
            watts += component.profile().standby_watts() + rate * component.joules();
            left -= rate;
        }
    }
    let total: f64 = rates.iter().sum();
    // Rates of parts add up to the whole but for rounding.
    EnergyPlan { rates, joules_per_image: watts / total, meets_fps: left <= 1e-9 * fps }
}

#[cfg(test)]
#[path = "energy_tests.rs"]
mod tests;
