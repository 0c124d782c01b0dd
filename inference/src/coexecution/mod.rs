//! Co-execution: one stream of images, every component of a SoC, results in order.
//!
//! A component that is free asks the [`policy`] what to do; results go through a bounded
//! [reorder buffer](reorder) that pushes back on the stream; a component that fails or stalls is
//! taken out and its image run elsewhere. All of that is written once and driven twice:
//!
//! - [`simulate`](simulate()) moves a simulated clock from event to event, over a [`TimeModel`]:
//!   [`Paced`] components with times of their own, a [`FluidBoard`] whose components share DRAM
//!   bandwidth and drive each other, or a [`LiveBoard`] that is recorded meanwhile;
//! - [`threaded`](threaded()) runs one worker thread per component, over [`Engine`]s: executors,
//!   or the emulated board on the wall clock.
//!
//! ```
//! use std::ops::ControlFlow;
//! use wattline_inference::coexecution::policy::StealTailGuard;
//! use wattline_inference::coexecution::{Paced, Plan, Profile, Settings, Source, simulate};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // AlexNet on the components of an Exynos 5422: Table I of the study.
//! let profiles = [("a7", 1.1), ("a15", 3.1), ("t628", 7.8)]
//!     .map(|(name, rate)| Profile::new(name, 1.0 / rate, 1.0));
//! let plan = Plan {
//!     policy: Box::new(StealTailGuard),
//!     profiles: profiles.to_vec(),
//!     source: Source::Finite { images: 200 },
//!     settings: Settings::default(),
//! };
//! let mut paced = Paced::new(&plan.profiles);
//! let report = simulate(plan, &mut paced, |_| ControlFlow::Continue(()))?;
//! assert!(report.efficiency_solo > 0.99 && report.gain_pct > 50.0);
//! # Ok(())
//! # }
//! ```

mod consumer;
mod expected;
mod flight;
mod gauge;
mod handover;
mod ledger;
pub mod oracle;
mod parts;
pub mod policy;
mod profile;
pub mod reorder;
mod report;
mod settings;
mod simulate;
mod source;
mod task;
mod threaded;
mod watcher;

pub use consumer::Consumer;
pub use expected::{STUDY_IMAGES, streams_around};
pub use flight::Ran;
pub use gauge::Depth;
pub use handover::Handover;
pub use profile::Profile;
pub use report::{ComponentReport, Fault, FaultKind, Report};
pub use settings::Settings;
pub use simulate::{
    Finished, FluidBoard, LiveBoard, Pace, Paced, TimeModel, simulate, simulate_to,
};
pub use source::{Late, Source};
pub use task::{Delivered, Job};
pub use threaded::{
    BoardEngine, Engine, EngineError, ExecutorEngine, Opener, threaded, threaded_to,
};
pub use watcher::{Timing, Watcher};

use policy::{Policy, PolicyKind};

/// A run to be made.
#[derive(Debug)]
pub struct Plan {
    /// Who takes the next image.
    pub policy: Box<dyn Policy>,
    /// What is known of each component. Its place here is its index everywhere.
    pub profiles: Vec<Profile>,
    /// Where images come from.
    pub source: Source,
    /// Bounds and patience.
    pub settings: Settings,
}

/// A run could not be made, or not brought to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The plan makes no sense.
    #[error("cannot co-execute: {0}")]
    Setup(String),
    /// A component's executor could not be made.
    #[error("cannot start {component}: {error}; leave it out, or mend it")]
    Open {
        /// The component.
        component: String,
        /// What its opener said.
        error: String,
    },
    /// Every component has failed or stalled.
    #[error("no component is left after {delivered} results; the last was {last}")]
    NoComponentLeft {
        /// Results that were handed on before.
        delivered: u64,
        /// What happened to the last component.
        last: String,
    },
    /// Images wait and nobody takes them.
    #[error(
        "policy {policy} lets nobody run the {waiting} images that wait after {delivered} results; can the components that are left run the network?"
    )]
    Starved {
        /// The policy.
        policy: PolicyKind,
        /// Results that were handed on before.
        delivered: u64,
        /// Images that wait.
        waiting: usize,
    },
}
