//! A frame rate, at the least joules per image.

use super::{Candidate, Decision, Policy, PolicyError, PolicyKind, View};
use crate::coexecution::oracle::MOST_COMPONENTS;

/// Which components run, and how fast, to meet a frame rate at the least joules per image.
///
/// The plan comes from [`least_energy`] over the profiles, and again whenever an estimate has
/// moved by 2 % or a component is taken out. A component that the plan runs flat out takes
/// whatever waits. One that it runs at part of its rate takes images at that rate, through a
/// token bucket. When more images wait than the plan has components, the estimates were too kind
/// or the stream came in a burst: then everyone in the plan takes, and when twice as many wait,
/// everyone else that can run them.
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

/// A bucket holds this many images' tokens at most: a burst of two, and no more to catch up.
const BUCKET: f64 = 2.0;

/// An estimate that moves by less leaves the plan as it is.
const MOVED: f64 = 0.02;

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

    fn replan(&mut self, view: &View<'_>) {
        self.planned_for.clear();
        self.planned_for.extend(view.components.iter().map(|it| (it.seconds(), it.joules())));
        if self.tokens.is_empty() {
            // One image may be taken at once.
            let full = Bucket { images: 1.0, filled_ns: view.now_ns };
            self.tokens.resize(view.components.len(), full);
        }
        self.plan = Some(least_energy(view.components, self.fps));
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
        let Some(plan) = &self.plan else { return Decision::Wait };
        let rate = plan.rates[component];
        let engaged = plan.rates.iter().filter(|&&rate| rate > 0.0).count();
        let waiting = view.waiting_for(&view.all_layers());
        // A camera sets the pace and what waits is late. Any other stream is there all at once.
        let late = view.fps.is_some();
        if rate * view.components[component].seconds() >= FLAT_OUT
            || (late && waiting > 2 * engaged)
            || (late && rate > 0.0 && waiting > engaged)
        {
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
        let now = &view.components[component];
        let moved = |was: f64, is: f64| (is - was).abs() > MOVED * was.abs();
        if moved(seconds, now.seconds()) || moved(joules, now.joules()) {
            self.replan(view);
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
    let able: Vec<usize> =
        (0..components.len()).filter(|&index| components[index].runs_images()).collect();
    let mut cheapest_first = able.clone();
    cheapest_first.sort_by(|&a, &b| components[a].joules().total_cmp(&components[b].joules()));
    let charged: Vec<usize> = able
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
