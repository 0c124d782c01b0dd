//! Offline analysis: from run bundles to joules, DRAM bytes and operational intensity, per network
//! and component, with an interval or a reason why not.
//!
//! [`analyze`] reads bundles that `wattline-trace` writes and answers an [`Analysis`]: typed rows,
//! a table for people ([`Analysis::table`]) and CSV files for programs ([`Analysis::write`]).
//!
//! * Power readings are means over windows, and are integrated as such. Each energy has a 95 %
//!   interval, derived in the module `power` term by term.
//! * Where the readings do not carry a number, the cell is empty and a [`Refusal`] says why.
//! * Joules are conserved: attributed + idle + unattributed = a rail's integral, or the bundle is
//!   called broken ([`ConservationRow`]).
//! * Provenance goes along with every row.
//!
//! Memory is bounded, however long a recording is. `power.csv` and `traffic.csv` are streamed once into
//! one accumulator for each rail and run. Of spans more is kept than of readings; where they are many,
//! that lies in files without a name in `TMPDIR`, or else `/var/tmp`.

mod agent_cost;
mod batch;
mod bundle;
mod checks;
mod coexecution;
mod compare;
mod conservation;
mod error;
mod events;
mod figures;
mod files;
mod held;
mod human;
mod ids;
mod images;
mod interval;
mod layers;
mod least_squares;
mod manifest_check;
mod parquet;
mod perfetto;
mod plan;
mod power;
mod processes;
mod quantisation;
mod quantity;
mod recording;
mod refusal;
mod report;
mod results;
mod roof;
mod roofline;
mod spans;
mod study;
mod summary;
mod table;
mod taken;
mod timeline;
mod traffic;
mod truth;

use std::collections::HashSet;
use std::path::PathBuf;

use compare::{LayerQuantities, RowQuantities};

pub use compare::{Compare, CompareOptions, CompareRow, Comparison, Differs, SameBoard, compare};
pub use error::AnalysisError;
pub use files::{Format, write_summary};
pub use images::Images;
pub use plan::{Plan, PlanError, PlanLayer, PlanRequest, Saving, SwitchingCost, Throughout, plan};
pub use power::tolerance::SensorTolerances;
pub use quantisation::QuantisationRow;
pub use quantisation::layers::QuantisedLayerRow;
pub use refusal::Refusal;
pub use report::Report;
pub use results::{
    AgentCost, Bound, Check, CheckOutcome, CheckRow, ConservationRow, EnergyRow, ImageRow,
    IntervalTerms, LayerFitRow, LayerKindRow, LayerRow, LayerTruth, RailRole, Split, SummaryRow,
    TruthColumns, Verdict,
};
pub use roofline::RooflineRow;
pub use study::{Statement, Study, StudyRow};

/// What to analyse beyond the usual.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// Hold the results against `truth.csv`, which only an emulated board writes.
    pub check_truth: bool,
    /// How far sensors' gains may lie off.
    pub tolerances: SensorTolerances,
}

/// The results of one or more bundles.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Analysis {
    /// One row for each run, in order of bundles and time.
    pub summary: Vec<SummaryRow>,
    /// One row for each run and rail.
    pub energy: Vec<EnergyRow>,
    /// One row for each rail of each bundle.
    pub conservation: Vec<ConservationRow>,
    /// One row for each image.
    pub images: Images,
    /// One row for each layer of each network on each component of a bundle.
    pub layers: Vec<LayerRow>,
    /// One row for each kind of layer of the same.
    pub layer_kinds: Vec<LayerKindRow>,
    /// How well each rail and the DRAM counter tell the layers of a run apart.
    pub layer_fits: Vec<LayerFitRow>,
    /// What recording cost, for each bundle that tells.
    pub agents: Vec<AgentCost>,
    /// What must hold of each bundle, and whether it does.
    pub checks: Vec<CheckRow>,
    /// What to know before trusting the numbers, each with its bundle.
    pub warnings: Vec<String>,
    /// The boards in words, in order of appearance; an emulated one says so.
    pub boards: Vec<String>,
    /// Whether the results were held against the truth.
    pub check_truth: bool,
    /// For each row of `summary` and of `layers`, what comparing it takes.
    #[serde(skip)]
    pub(crate) quantities: Vec<RowQuantities>,
    #[serde(skip)]
    pub(crate) layer_quantities: Vec<LayerQuantities>,
    /// What was fitted to the layers of each run alone: what a plan is made of.
    #[serde(skip)]
    pub(crate) fitted: Vec<layers::Fitted>,
}

/// Analyses bundles, one after another.
///
/// # Errors
/// The first fault that leaves no number of a bundle trustworthy: a missing or damaged table, a
/// clock or counter that goes backwards, spans that contradict each other.
pub fn analyze(directories: &[PathBuf], options: &Options) -> Result<Analysis, AnalysisError> {
    if directories.is_empty() {
        return Err(AnalysisError::NoBundles);
    }
    let mut seen = HashSet::new();
    let mut analysis = Analysis { check_truth: options.check_truth, ..Analysis::default() };
    for directory in directories {
        let place = directory.canonicalize().unwrap_or_else(|_| directory.clone());
        if !seen.insert(place) {
            return Err(AnalysisError::NamedTwice { directory: directory.clone() });
        }
        bundle::analyze_bundle(directory, options, &mut analysis)?;
    }
    let known = |rail: &str| analysis.conservation.iter().any(|row| row.rail == *rail);
    if let Some((rail, _)) = options.tolerances.rails.iter().find(|(rail, _)| !known(rail)) {
        let mut rails: Vec<_> =
            analysis.conservation.iter().map(|row| row.rail.to_string()).collect();
        rails.sort_unstable();
        rails.dedup();
        return Err(AnalysisError::UnknownRail { rail: rail.clone(), rails: rails.join(", ") });
    }
    Ok(analysis)
}
