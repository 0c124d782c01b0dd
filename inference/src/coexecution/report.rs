//! What a co-execution came to.

use std::fmt;

use super::gauge::Depth;
use super::oracle::{Server, least_makespan};
use super::policy::PolicyKind;

/// A run, summed up: the columns of the study's Tables II and III, and how far from ideal it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The policy.
    pub policy: PolicyKind,
    /// Results handed on.
    pub images: u64,
    /// Seconds from the start of the run to its last result.
    pub makespan_s: f64,
    /// Images per second, of all components.
    pub throughput: f64,
    /// Each component's part.
    pub components: Vec<ComponentReport>,
    /// The component that is fastest alone.
    pub best_single: String,
    /// Its images per second alone, by its profile.
    pub best_single_rate: f64,
    /// How much more the run's throughput is than that, in percent.
    pub gain_pct: f64,
    /// Throughput over the sum of solo rates.
    pub efficiency_solo: f64,
    /// The [oracle's makespan](least_makespan) for as many images, by solo profiles, over this
    /// run's. A pipeline may exceed 1: the oracle's images are whole.
    pub efficiency_oracle: f64,
    /// Seconds from an image's arrival to its result's leaving, in stream order: half of the
    /// images took no longer. `None` when none left.
    pub latency_p50_s: Option<f64>,
    /// The same, of 99 images in 100.
    pub latency_p99_s: Option<f64>,
    /// Images that had come and that nobody ran yet.
    pub queue: Depth,
    /// Results that waited for an earlier image's.
    pub reorder: Depth,
    /// Camera frames that were dropped.
    pub dropped: u64,
    /// Results that came when their image had one already, from components that had stalled.
    pub discarded: u64,
    /// What went wrong, in order of time.
    pub faults: Vec<Fault>,
}

/// A component's part of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct ComponentReport {
    /// Its name.
    pub name: String,
    /// Images that it ran, wholly or (in a pipeline) some layers of.
    pub images: u64,
    /// Its share of all work, in percent: of images, or of their layers in a pipeline, each
    /// weighed by its share of the component's own time.
    pub frames_pct: f64,
    /// Seconds that it ran images.
    pub busy_s: f64,
    /// Joules of its images above idle: measured by the executor where it does, by profile else.
    pub joules: f64,
    /// Images a second alone, by the profile that the run began with.
    pub solo_rate: f64,
    /// Seconds per image, as refined by the run.
    pub seconds: f64,
    /// Whether it was still in at the end.
    pub working: bool,
}

/// A component that was taken out of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Seconds from the start of the run.
    pub at_s: f64,
    /// The component.
    pub component: String,
    /// The image that it ran, which was then run elsewhere unless it was done already.
    pub image: u64,
    /// That image's number at the source, where dropped frames count.
    pub frame: u64,
    /// What happened.
    pub kind: FaultKind,
}

/// What happened to a component.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultKind {
    /// It failed, with this error: it is out for good.
    Failed(String),
    /// It was not done after so many seconds: it is out until it is.
    Stalled(f64),
    /// It was done after all, and back in.
    CameBack,
    /// It was done after all, but has stalled too often to be let in again.
    GivenUp,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FaultKind::Failed(error) => write!(formatter, "failed: {error}"),
            FaultKind::Stalled(seconds) => {
                write!(formatter, "stalled: not done after {seconds:.3} s")
            }
            FaultKind::CameBack => write!(formatter, "came back: done after all"),
            FaultKind::GivenUp => {
                write!(formatter, "given up: done after all, but stalled too often")
            }
        }
    }
}

impl Report {
    /// Works out what follows from what was counted.
    pub(super) fn derive(&mut self) {
        let solo_rates = || self.components.iter().map(|it| (it.solo_rate, &it.name));
        if let Some((rate, name)) = solo_rates().max_by(|a, b| a.0.total_cmp(&b.0)) {
            (self.best_single_rate, self.best_single) = (rate, name.clone());
        }
        let servers: Vec<_> =
            solo_rates().map(|(rate, _)| Server { free_s: 0.0, image_s: 1.0 / rate }).collect();
        let sum_of_rates: f64 = solo_rates().map(|(rate, _)| rate).sum();
        let ratio = |value: f64, of: f64| if of > 0.0 { value / of } else { 0.0 };
        self.throughput = ratio(self.images as f64, self.makespan_s);
        self.gain_pct = 100.0 * (ratio(self.throughput, self.best_single_rate) - 1.0);
        self.efficiency_solo = ratio(self.throughput, sum_of_rates);
        self.efficiency_oracle = ratio(least_makespan(&servers, self.images), self.makespan_s);
        let shares: f64 = self.components.iter().map(|it| it.frames_pct).sum();
        for component in &mut self.components {
            component.frames_pct = 100.0 * ratio(component.frames_pct, shares);
        }
    }

    /// Joules above idle of all components.
    pub fn joules(&self) -> f64 {
        self.components.iter().map(|it| it.joules).sum()
    }
}
