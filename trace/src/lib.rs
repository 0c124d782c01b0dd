//! The run bundle: the contract between everything that records and everything that analyses.
//!
//! A run is a directory of CSV files and one `manifest.json`. Every producer writes its own
//! files, stamped with `CLOCK_MONOTONIC` in nanoseconds (what BPF's `bpf_ktime_get_ns` reads),
//! so there is no message bus: producers meet in the trace, on one clock.
//!
//! * [`rows`] holds the schema: one typed row per file.
//! * [`BundleWriter`] creates a bundle; its [`TableWriter`]s are flushed once a second, so that a
//!   crash or a power cut loses at most the last second.
//! * [`BundleReader`] streams it back. A torn last line is what a power cut leaves: it is
//!   reported ([`TornLine`]) and not fatal, and so is a table that is not what the run wrote
//!   ([`ChangedTable`]). Anything else that is wrong names its file, line and
//!   column.
//!
//! This crate knows nothing of sensors or networks.

mod bundle;
mod error;
mod line;
mod manifest;
mod name;
mod number;
mod ownership;
mod reader;
mod row;
pub mod rows;
mod seal;
mod text;
mod writer;

pub use bundle::{BundleReader, BundleWriter, Outcome};
pub use error::{ReadError, WriteError};
pub use manifest::{
    BoardRecord, ClockKind, ClockRecord, CoexecutionRecord, ComponentRecord, CounterRecord,
    DitherRecord, FaultRecord, FrequencyRecord, HardwareCounterRecord, InputRecord, LateRecord,
    LayerRecord, Manifest, ModelRecord, ProfileRecord, Provenance, RailRecord, SCHEMA_VERSION,
    SourceRecord, StandInRecord, SwitchingRecord,
};
pub use name::Name;
pub use ownership::{create_dir_all_for_invoker, create_file_for_invoker};
pub use reader::{TableReader, TornLine};
pub use row::{Decoder, Encoder, Field, FieldError, Row};
pub use seal::ChangedTable;
pub use text::Text;
pub use writer::TableWriter;
