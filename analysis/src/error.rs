//! What makes a bundle unusable, with file, row and what to do next.

use std::io;
use std::path::PathBuf;

use wattline_trace::ReadError;

/// The analysis could not be made, or not be written.
///
/// These are faults that leave no number of a bundle trustworthy. What spoils single numbers only
/// is a [`crate::Refusal`] in their row.
#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    /// No bundle was named.
    #[error("no bundle to analyse; name at least one directory that a run wrote")]
    NoBundles,
    /// One directory was named twice, so that its rows would stand in the tables twice.
    #[error("{} is named twice; name each bundle once", directory.display())]
    NamedTwice {
        /// The directory.
        directory: PathBuf,
    },
    /// A tolerance was given for a rail that no bundle has.
    #[error("--sensor-tolerance {rail}: no bundle has that rail; there are {rails}")]
    UnknownRail {
        /// The rail.
        rail: String,
        /// Those there are.
        rails: String,
    },
    /// A file of the bundle could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The manifest contradicts itself.
    #[error("{}: {reason}; the bundle cannot be analysed until this is put right", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The time of a series stands still or goes backwards.
    #[error("{}: data row {row}: the time of {series} goes from {before} to {now} ns, but must ascend; the clock was set back or rows of two recordings were mixed", path.display())]
    Time {
        /// The table.
        path: PathBuf,
        /// Row, from 1, not counting the header.
        row: u64,
        /// Whose time it is: a rail, a port, the agent.
        series: String,
        /// The time before.
        before: u64,
        /// The time in this row.
        now: u64,
    },
    /// A cumulative count goes backwards.
    #[error("{}: data row {row}: {series} goes from {before} back to {now}, but is cumulative; a counter was reset or its wrap was not undone", path.display())]
    Count {
        /// The table.
        path: PathBuf,
        /// Row, from 1, not counting the header.
        row: u64,
        /// Source, port and column.
        series: String,
        /// The count before.
        before: u64,
        /// The count in this row.
        now: u64,
    },
    /// A row is readable, but cannot be true.
    #[error("{}: data row {row}: {reason}", path.display())]
    Row {
        /// The table.
        path: PathBuf,
        /// Row, from 1, not counting the header.
        row: u64,
        /// What is wrong.
        reason: String,
    },
    /// The truth was asked for, and the board did not know it.
    #[error("{} has no truth.csv: only an emulated board knows the truth; leave out --check-truth for this bundle", directory.display())]
    NoTruth {
        /// The bundle.
        directory: PathBuf,
    },
    /// Ceilings were named that cannot be read.
    #[error("{}: {reason}; name a roofline.csv that `wattline roofline --out` wrote", path.display())]
    Ceilings {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A figure could not be drawn: a fault of wattline's own.
    #[error("cannot draw {figure}: {reason}; this is a fault of wattline, please report it")]
    Drawing {
        /// The figure's name.
        figure: String,
        /// What is wrong.
        reason: String,
    },
    /// A result could not be written; no result file was put in place.
    #[error("cannot write {}: {source}; choose a directory you may write to with --out", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}
