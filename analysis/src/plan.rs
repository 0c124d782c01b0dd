//! The frequency of each layer that takes least energy under a deadline (the study's section IV-D:
//! "layer-level optimizations such as per-layer Dynamic Voltage and Frequency Scaling").
//!
//! What goes in are recordings of one network on one component, each at a frequency of its own. Each
//! says how long every layer takes and, fitted from readings (module `layers`), what it draws above
//! idle. Layers that readings of any recording did not tell apart are one group, which runs at one
//! frequency. The module `solver` chooses.
//!
//! # What is predicted, and how surely
//!
//! Time and energy of an image are the sums over groups, each at its frequency, and what changes of
//! frequency take, that from the last group to the first of the next image too. Between layers a
//! component is taken to go on as in them: layers' times are scaled to add up to an image's. Times are
//! means; where images vary by more than the deadline leaves, that is told.
//!
//! Half the 95 % interval of the energy is `√Σ h_f²` over frequencies, with `h_f` that of all groups
//! at `f` together: recordings err independently, and the groups of one recording do not. A saving
//! over one frequency throughout is the difference; groups that run at that frequency anyway cancel
//! and their error with them.
//!
//! Who chooses the least of several uncertain numbers chooses those that happen to be too low. By how
//! much is estimated (Efron's optimism): the choice is made anew on numbers as each of the draws of
//! the bootstrap has them, and what it then promises is compared with what the full numbers say of
//! it. The mean difference is added to the energy and taken off savings, and its part of the interval
//! too. **A saving is claimed only where its interval lies above zero.**
//!
//! Energies are above idle, as their recordings had it. What idle power differs between them is told,
//! and widens the interval.

mod candidates;
mod estimate;
mod files;
mod human;
mod solver;

use std::path::PathBuf;

use serde::Serialize;
use wattline_trace::Provenance;

use crate::{AnalysisError, Options, analyze};
use candidates::Candidates;
use estimate::Estimates;

/// What is to be planned.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanRequest {
    /// The network.
    pub network: String,
    /// The component.
    pub component: String,
    /// How long an image may take, seconds.
    pub deadline_s: f64,
    /// What a change of frequency takes; as the recordings say where it is not given.
    pub switching: Option<SwitchingCost>,
}

/// What a change of frequency takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SwitchingCost {
    /// Seconds that the component stands still.
    pub seconds: f64,
    /// Joules above idle.
    pub joules: f64,
}

/// There is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The recordings cannot be analysed.
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
    /// They do not say what a plan needs.
    #[error("{0}")]
    Unfit(String),
    /// No choice of frequencies keeps the deadline.
    #[error("no frequencies keep {deadline_ms} ms: the fastest possible is {fastest_ms} ms an image, at {at}", deadline_ms = crate::figures::written(1e3 * .deadline_s), fastest_ms = crate::figures::written(1e3 * .fastest_s))]
    Infeasible {
        /// What was asked for, seconds.
        deadline_s: f64,
        /// What is possible, seconds.
        fastest_s: f64,
        /// By which frequencies.
        at: String,
    },
}

/// A frequency for each layer, and what comes of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// The network.
    pub network: String,
    /// The component.
    pub component: String,
    /// The board in words; an emulated one says so.
    pub board: String,
    /// The worst of all that went in.
    pub provenance: Provenance,
    /// How long an image may take.
    pub deadline_s: f64,
    /// What a change of frequency takes, and who says so.
    pub switching: SwitchingCost,
    /// Where the cost of switching comes from, in words.
    pub switching_from: String,
    /// Predicted time of an image.
    pub seconds: f64,
    /// Predicted joules of an image, above idle.
    pub joules: f64,
    /// Half of their 95 % interval.
    pub joules_ci95: f64,
    /// Changes of frequency in an image.
    pub switches: usize,
    /// No choice can take less, by the same numbers: equal to `joules` less the optimism where the
    /// plan is the best there is.
    pub least_joules: f64,
    /// By how much the plan may be above the best there is, in percent; 0 where it is the best.
    pub gap_pct: f64,
    /// What choosing by uncertain numbers is estimated to promise too much, joules; in `joules`.
    pub optimism_joules: f64,
    /// One frequency throughout: each recording, the lowest first.
    pub throughout: Vec<Throughout>,
    /// What the plan saves over some of these.
    pub savings: Vec<Saving>,
    /// Each layer, in order.
    pub layers: Vec<PlanLayer>,
    /// What else to know.
    pub notes: Vec<String>,
    #[serde(skip)]
    pub(crate) line: String,
}

/// All layers at one frequency.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Throughout {
    /// The frequency, 10⁶ Hz.
    pub frequency_mhz: f64,
    /// The recording.
    pub bundle: String,
    /// Time of an image.
    pub seconds: f64,
    /// Joules of an image, above idle.
    pub joules: f64,
    /// Half of their 95 % interval.
    pub joules_ci95: f64,
    /// Whether it keeps the deadline.
    pub keeps_deadline: bool,
}

/// What the plan takes less than one frequency throughout.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Saving {
    /// The frequency, 10⁶ Hz.
    pub over_mhz: f64,
    /// Why this one: `the highest`, or `the best that keeps the deadline`.
    pub over: &'static str,
    /// Joules of an image.
    pub joules: f64,
    /// Half of their 95 % interval.
    pub joules_ci95: f64,
    /// Those joules, of what that frequency takes, in percent.
    pub pct: f64,
    /// Whether the interval lies above zero. Otherwise no saving is claimed.
    pub claimed: bool,
}

/// A layer of the plan: a row of `plan.csv`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanLayer {
    /// The layer.
    pub layer: String,
    /// What it computes.
    pub kind: String,
    /// Its group, from 1: layers of one group were not told apart.
    pub group: usize,
    /// The frequency it is to run at, 10⁶ Hz.
    pub frequency_mhz: f64,
    /// Whether the component changes to it before this layer.
    pub switches: bool,
    /// Its time there.
    pub seconds: f64,
    /// Its joules there.
    pub joules: f64,
    /// Half of their 95 % interval.
    pub joules_ci95: f64,
    /// Its time at the highest frequency.
    pub seconds_at_highest: f64,
    /// Its joules at the highest frequency.
    pub joules_at_highest: f64,
}

/// Plans.
///
/// # Errors
/// [`PlanError`]: recordings that do not say enough, or a deadline that cannot be kept.
pub fn plan(directories: &[PathBuf], request: &PlanRequest) -> Result<Plan, PlanError> {
    let analysis = analyze(directories, &Options::default())?;
    let candidates = Candidates::find(&analysis, request)?;
    let (switching, switching_from) = candidates.switching(request)?;
    let mut estimates = Estimates::new(&candidates, switching, request.deadline_s);
    let Some(solution) = estimates.problem.solve() else {
        let fastest = estimates.problem.fastest();
        return Err(PlanError::Infeasible {
            deadline_s: request.deadline_s,
            fastest_s: estimates.problem.time(&fastest),
            at: candidates.frequencies_of(&fastest),
        });
    };
    estimates.judge_optimism();
    let choice = &solution.choice;
    let predicted = estimates.energy(choice);
    let own = estimates.problem.energy(choice);
    let mut notes = candidates.notes.clone();
    notes.extend(analysis.warnings.iter().cloned());
    if solution.least_joules < own {
        notes.push(
            "too many plans to compare all of them: this one is within gap_pct of the best"
                .to_owned(),
        );
    }
    notes.extend(candidates.slow_images(
        choice,
        estimates.problem.time(choice),
        request.deadline_s,
    ));
    let savings = estimates.savings(choice);
    Ok(Plan {
        network: request.network.clone(),
        component: request.component.clone(),
        board: candidates.board.clone(),
        provenance: candidates.provenance,
        deadline_s: request.deadline_s,
        switching,
        switching_from,
        seconds: estimates.problem.time(choice),
        joules: predicted.value,
        joules_ci95: predicted.half_width,
        switches: estimates.problem.switches(choice),
        least_joules: solution.least_joules,
        gap_pct: 100.0 * ((own - solution.least_joules) / own).max(0.0),
        optimism_joules: estimates.optimism(),
        throughout: estimates.throughout(),
        savings,
        layers: estimates.layers(choice),
        notes,
        line: candidates.line.clone(),
    })
}
