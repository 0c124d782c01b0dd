//! Why a name was not found, and what to do next.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// More than this many names are not listed.
const MOST_LISTED: usize = 8;

/// A function or a probe could not be found.
#[derive(Debug, thiserror::Error)]
pub enum SymbolError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file is no program or library.
    #[error("{} is no ELF program or library: {reason}; name one with @BINARY", path.display())]
    NotElf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No function of that name.
    #[error("there is no function {wanted} in {searched}{}", advice(near, *stripped, "a library that is loaded later must be named: uprobe:SYMBOL@LIBRARY"))]
    NoFunction {
        /// The name.
        wanted: String,
        /// Where it was looked for.
        searched: String,
        /// Names that are most like it.
        near: Vec<String>,
        /// Whether there is no symbol at all.
        stripped: bool,
    },
    /// Several functions of that name.
    #[error("{wanted} is the name of {} functions of {}: {}; write more of the name", matches.len(), binary.display(), list(matches))]
    Ambiguous {
        /// The name.
        wanted: String,
        /// The file.
        binary: PathBuf,
        /// The functions' names in full.
        matches: Vec<String>,
    },
    /// No such USDT probe.
    #[error("there is no USDT probe {wanted} in {searched}{}", advice(near, !any, "readelf -n lists those of a file"))]
    NoUsdt {
        /// Provider and name.
        wanted: String,
        /// Where it was looked for.
        searched: String,
        /// Probes that are most like it.
        near: Vec<String>,
        /// Whether there is any probe.
        any: bool,
    },
    /// A function that cannot be probed.
    #[error("{name} in {} cannot be probed: {reason}", binary.display())]
    Unprobeable {
        /// The function.
        name: String,
        /// The file.
        binary: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// The process is not there.
    #[error("process {pid} does not exist (any more); `ps` lists those that do")]
    NoProcess {
        /// The process.
        pid: u32,
    },
    /// The process is there, and runs no program that has a file.
    #[error("process {pid} runs no program: it is a thread of the kernel, or has just ended")]
    NoProgram {
        /// The process.
        pid: u32,
    },
    /// The process may not be looked into.
    #[error("cannot look into process {pid}: {source}; watch it as root, outside of a container")]
    Hidden {
        /// The process.
        pid: u32,
        /// The system's answer.
        source: io::Error,
    },
}

fn advice(near: &[String], empty: bool, otherwise: &str) -> impl fmt::Display {
    match (near, empty) {
        ([], true) => format!(", nor any other (stripped?); {otherwise}"),
        ([], false) => format!(", nor one like it; {otherwise}"),
        (near, _) => format!("; did you mean {}?", list(near)),
    }
}

fn list(names: &[String]) -> String {
    let shown = names.iter().take(MOST_LISTED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MOST_LISTED) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}
