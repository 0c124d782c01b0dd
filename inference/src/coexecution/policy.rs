//! Who takes the next image: the one question that policies answer.
//!
//! A policy is pure logic. It has no threads and no clock: it sees the state of a run and is asked,
//! whenever a component is free, what that component does now. All images of a stream cost the
//! same, so the answer is about layers and not about a particular image: whoever takes, takes the
//! oldest image that waits for these layers. The same policy thus serves simulated and real runs.
//!
//! | name | policy | source |
//! |---|---|---|
//! | `steal` | [`Steal`] | the study, section V-A |
//! | `steal-tail` | [`StealTailGuard`] | exact for identical images: [`oracle`](super::oracle) |
//! | `energy` | [`Energy`] | fixed-charge knapsack over solo profiles |
//! | `pipeline` | [`Pipeline`] | Pipe-it: the study's reference 11 |
//! | `best-single` | [`BestSingle`] | the study's baseline, Tables II and III |

mod best_single;
mod energy;
mod pipeline;
mod steal;
mod tail_guard;

use std::fmt;
use std::fmt::Debug;
use std::ops::Range;
use std::str::FromStr;

pub use best_single::BestSingle;
pub use energy::{Energy, EnergyPlan, least_energy};
pub use pipeline::{Pipeline, Split, Stage, best_split};
pub use steal::Steal;
pub use tail_guard::StealTailGuard;

use super::profile::Profile;

/// Decides who takes the next image.
///
/// It must let every image be taken in the end, by some component that works and can run it: a
/// run in which images wait, nothing runs and nobody wants any ends with
/// [`RunError::Starved`](super::RunError::Starved).
pub trait Policy: Debug + Send {
    /// Which policy it is.
    fn kind(&self) -> PolicyKind;

    /// `component` is free: which layers does it run now, if any, of the oldest image that waits
    /// for one of them? It runs from the layer that the image has reached to the end of these.
    fn decide(&mut self, component: usize, view: &View<'_>) -> Decision;

    /// `component` has run layers of an image, and its estimate has been refined.
    fn completed(&mut self, _component: usize, _view: &View<'_>) {}

    /// A component was taken out of the run, or came back into it.
    fn changed(&mut self, _view: &View<'_>) {}
}

/// What a free component does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It runs these layers of the oldest image that has reached one of them.
    Take(Range<usize>),
    /// It waits until something changes: an image arrives or ends, a component is taken out.
    Wait,
    /// It waits until this instant, in ns, or until something changes.
    WaitUntil(u64),
}

/// A component as policies see it.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub(super) profile: Profile,
    /// Seconds over those of the profile.
    pub(super) slowdown: f64,
    pub(super) joules: f64,
    pub(super) working: bool,
    pub(super) busy_until_ns: Option<u64>,
}

impl Candidate {
    /// A component at rest that is still what its profile says.
    pub fn new(profile: Profile) -> Self {
        let joules = profile.joules();
        Candidate { profile, slowdown: 1.0, joules, working: true, busy_until_ns: None }
    }

    /// What was known of it before the run.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Seconds per image, as refined by this run.
    pub fn seconds(&self) -> f64 {
        self.profile.seconds() * self.slowdown
    }

    /// Joules per image above idle, as refined by this run.
    pub fn joules(&self) -> f64 {
        self.joules
    }

    /// Whether it has not been taken out.
    pub fn is_working(&self) -> bool {
        self.working
    }

    /// Whether it works and can run whole images.
    pub fn runs_images(&self) -> bool {
        self.working && self.profile.runs_all()
    }

    /// When it is expected to be done with what it runs, in ns; `None` when it is free.
    pub fn busy_until_ns(&self) -> Option<u64> {
        self.busy_until_ns
    }

    /// Seconds that these layers are expected to take, as refined by this run.
    pub fn layers_seconds(&self, layers: &Range<usize>) -> f64 {
        self.profile.layers_seconds(layers) * self.slowdown
    }

    /// Seconds from `now_ns` until it is expected to be free; 0 if it is, or should be by now.
    pub fn free_in_s(&self, now_ns: u64) -> f64 {
        self.busy_until_ns.map_or(0.0, |until| until.saturating_sub(now_ns) as f64 * 1e-9)
    }
}

/// The state of a run as policies see it.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Now, in ns.
    pub now_ns: u64,
    /// The components.
    pub components: &'a [Candidate],
    /// How many images wait to run each layer next.
    pub waiting: &'a [usize],
    /// Images of the stream that do not wait yet; `None` for an endless stream.
    pub to_come: Option<u64>,
    /// Images a second that arrive, where they come at a rate; `None` where all are there.
    pub fps: Option<f64>,
}

impl View<'_> {
    /// All layers of the network.
    pub fn all_layers(&self) -> Range<usize> {
        0..self.waiting.len()
    }

    /// Images that wait for one of these layers.
    pub fn waiting_for(&self, layers: &Range<usize>) -> usize {
        self.waiting[layers.clone()].iter().sum()
    }

    /// Takes a whole image, if one waits and the component can run it.
    fn take_any(&self, component: usize) -> Decision {
        let all = self.all_layers();
        if self.components[component].runs_images() && self.waiting_for(&all) > 0 {
            Decision::Take(all)
        } else {
            Decision::Wait
        }
    }
}

/// The policies there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// [`Steal`]: `steal`.
    Steal,
    /// [`StealTailGuard`]: `steal-tail`.
    StealTailGuard,
    /// [`Energy`]: `energy`.
    Energy,
    /// [`Pipeline`]: `pipeline`.
    Pipeline,
    /// [`BestSingle`]: `best-single`.
    BestSingle,
}

/// No policy of that name, or not without more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// There is no policy of that name.
    #[error("there is no policy `{name}`; there are {}", PolicyKind::ALL.map(PolicyKind::as_str).join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
    },
    /// The policy `energy` was given no frame rate to meet.
    #[error(
        "policy `energy` needs a frame rate above 0 to meet, and was given {given}; name one in images a second"
    )]
    NoFrameRate {
        /// What it was given, in words.
        given: String,
    },
}

impl PolicyKind {
    /// All of them.
    pub const ALL: [PolicyKind; 5] = [
        PolicyKind::Steal,
        PolicyKind::StealTailGuard,
        PolicyKind::Energy,
        PolicyKind::Pipeline,
        PolicyKind::BestSingle,
    ];

    /// Its name: what it is parsed from.
    pub fn as_str(self) -> &'static str {
        match self {
            PolicyKind::Steal => "steal",
            PolicyKind::StealTailGuard => "steal-tail",
            PolicyKind::Energy => "energy",
            PolicyKind::Pipeline => "pipeline",
            PolicyKind::BestSingle => "best-single",
        }
    }

    /// The policy. `fps` is the frame rate that `energy` meets; `transfer_s` what it costs, in
    /// seconds, to hand an image over before each layer (see [`Pipeline::new`]).
    ///
    /// # Errors
    /// If `energy` is given no frame rate.
    pub fn policy(
        self,
        fps: Option<f64>,
        transfer_s: Vec<f64>,
    ) -> Result<Box<dyn Policy>, PolicyError> {
        Ok(match self {
            PolicyKind::Steal => Box::new(Steal),
            PolicyKind::StealTailGuard => Box::new(StealTailGuard),
            PolicyKind::Energy => Box::new(Energy::new(fps)?),
            PolicyKind::Pipeline => Box::new(Pipeline::new(transfer_s)),
            PolicyKind::BestSingle => Box::new(BestSingle),
        })
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for PolicyKind {
    type Err = PolicyError;

    fn from_str(name: &str) -> Result<Self, PolicyError> {
        let known = PolicyKind::ALL.into_iter().find(|kind| kind.as_str() == name);
        known.ok_or_else(|| PolicyError::Unknown { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_and_unknown_ones_answered_with_the_known() {
        for kind in PolicyKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        let error = "robin".parse::<PolicyKind>().unwrap_err().to_string();
        assert!(PolicyKind::ALL.iter().all(|kind| error.contains(kind.as_str())), "{error}");
        assert!(PolicyKind::Energy.policy(None, Vec::new()).is_err());
        assert!(PolicyKind::Energy.policy(Some(f64::NAN), Vec::new()).is_err());
    }
}
