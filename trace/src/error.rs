//! What can go wrong with a bundle, with file, line and column.

use std::io;
use std::path::PathBuf;

use crate::manifest::SCHEMA_VERSION;

/// A bundle could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The directory or a file in it could not be created.
    #[error("cannot create {}: {source}; choose a directory you may write to with --out", path.display())]
    Create {
        /// What was to be created.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The directory holds a bundle already.
    #[error("{} holds a recorded run already; choose another --out, or pass --overwrite", path.display())]
    Occupied {
        /// The directory.
        path: PathBuf,
    },
    /// Rows could not be written, typically because the disk is full. Rows written before are
    /// whole on disk.
    #[error("cannot write {}: {reason}; the {rows_on_disk} rows before are safe", path.display())]
    Rows {
        /// The table.
        path: PathBuf,
        /// The system's answer.
        reason: String,
        /// Rows that are on disk, whole.
        rows_on_disk: u64,
    },
    /// A row holds a number that is not finite.
    #[error("{file}: refused a row whose {column} is {value}, not a finite number")]
    NotFinite {
        /// The table.
        file: &'static str,
        /// The column.
        column: &'static str,
        /// What it held.
        value: f64,
    },
    /// The manifest could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// A bundle could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file is missing or unreadable.
    #[error("cannot open {}: {source}; is this the directory a run wrote?", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Reading stopped in mid-file.
    #[error("{}: reading failed at line {line}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// The system's answer.
        source: io::Error,
    },
    /// The header is not the schema's.
    #[error("{}:1: the header has {found:?}, expected {expected:?}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// The line as it stands.
        found: String,
        /// The schema's columns.
        expected: String,
    },
    /// A row has too few or too many fields.
    #[error("{}:{line}: {found} fields, expected {expected}", path.display())]
    Width {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Fields found.
        found: usize,
        /// The schema's number of columns.
        expected: usize,
    },
    /// A field is not what its column holds.
    #[error("{}:{line}: column {number} ({column}) holds {found:?}, expected {expected}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Column, from 1.
        number: usize,
        /// The column's name.
        column: &'static str,
        /// The field as it stands, shortened.
        found: String,
        /// What the column holds.
        expected: &'static str,
    },
    /// The manifest is no JSON of this schema.
    #[error("{}:{line}:{column}: {reason}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the parser says.
        reason: String,
    },
    /// The bundle was written by an older or a newer wattline.
    #[error("{}: schema version {found}, but this wattline reads {SCHEMA_VERSION}; use the wattline that wrote it, or one as new", path.display())]
    Schema {
        /// The manifest.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
}
