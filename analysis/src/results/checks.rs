//! Rows about what must hold of any recording.

use serde::Serialize;
use wattline_trace::Name;

use super::text;

/// Something that must hold if numbers are to be trusted, and whether it does: a row of
/// `checks.csv`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckRow {
    /// The bundle's directory.
    #[serde(serialize_with = "text")]
    pub bundle: Name,
    /// What must hold.
    pub check: Check,
    /// Of what: a rail, or a network on a component.
    pub subject: String,
    /// Whether it does.
    pub outcome: CheckOutcome,
    /// What was found, with its limit.
    pub detail: String,
}

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The recording ended in order.
    Complete,
    /// Attributed + idle + unattributed joules are the rail's integral.
    JoulesConserved,
    /// A component is busy for no longer than its run takes.
    BusyWithinWall,
    /// DRAM bytes are no fewer than the weights that must be read for each image.
    BytesCompulsory,
    /// Operations and bytes a second stay below the component's ceilings.
    BelowRoof,
    /// Sensors are read often enough for what is asked.
    SamplingFastEnough,
    /// Readings fall evenly over an image.
    PhasesCovered,
    /// Other processes leave the CPUs to the target.
    AloneOnCpus,
}

/// Whether a check holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// It does.
    Pass,
    /// It does not quite, or cannot be told.
    Warn,
    /// It does not.
    Fail,
}

impl Check {
    /// The name that stands in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Check::Complete => "complete",
            Check::JoulesConserved => "joules_conserved",
            Check::BusyWithinWall => "busy_within_wall",
            Check::BytesCompulsory => "bytes_compulsory",
            Check::BelowRoof => "below_roof",
            Check::SamplingFastEnough => "sampling_fast_enough",
            Check::PhasesCovered => "phases_covered",
            Check::AloneOnCpus => "alone_on_cpus",
        }
    }
}

impl CheckOutcome {
    /// The word that stands in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            CheckOutcome::Pass => "pass",
            CheckOutcome::Warn => "warn",
            CheckOutcome::Fail => "fail",
        }
    }
}
