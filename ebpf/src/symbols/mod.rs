//! Where functions and USDT probes lie in programs and libraries, by the names people know them
//! by: raw, or as C++ and Rust show them.
//!
//! * [`libraries`] lists the files a command or a process runs: the program and its libraries.
//! * [`find_function`] and [`find_usdt`] look for a name in them, in that order.
//!
//! A name that is not there is answered with those most like it, one that means several things
//! with all of them ([`SymbolError`]). Nothing is executed to find out.

mod elf;
mod error;
pub mod libraries;
mod names;
mod notes;

use std::path::{Path, PathBuf};

use elf::Elf;
use names::Match;

pub use error::SymbolError;

/// A function, found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The file it is in.
    pub binary: PathBuf,
    /// Its name, demangled.
    pub name: String,
    /// The offset of its first instruction into the file (not the virtual address).
    pub file_offset: u64,
}

/// Finds a function in the first of `binaries` that has it.
///
/// `wanted` is the symbol's own name (`_ZN3net6Engine3runEi`), its demangled name with or without
/// parameters (`net::Engine::run`), or the end of that from a `::` on (`run`, `Engine::run`), as
/// long as one function alone ends so. What matches more exactly comes first.
///
/// # Errors
/// [`SymbolError`]: a file that is no ELF, no such function, or several.
pub fn find_function(binaries: &[PathBuf], wanted: &str) -> Result<Function, SymbolError> {
    let mut known = Vec::new();
    for binary in readable(binaries)? {
        let functions = binary.functions()?;
        match names::best(&functions, wanted) {
            Match::None => {}
            Match::One(function) => {
                let file_offset = binary.file_offset(function)?;
                let (binary, name) = (binary.path().to_owned(), function.shown().to_owned());
                return Ok(Function { binary, name, file_offset });
            }
            Match::Several(matches) => {
                return Err(SymbolError::Ambiguous {
                    wanted: wanted.to_owned(),
                    binary: binary.path().to_owned(),
                    matches,
                });
            }
        }
        known.extend(functions.into_iter().map(|function| function.shown().to_owned()));
    }
    Err(SymbolError::NoFunction {
        wanted: wanted.to_owned(),
        searched: searched(binaries),
        near: names::nearest(known.iter().map(String::as_str), wanted),
        stripped: known.is_empty(),
    })
}

/// Finds the first of `binaries` that has a USDT probe.
///
/// # Errors
/// [`SymbolError`]: a file that is no ELF, or no such probe.
pub fn find_usdt(binaries: &[PathBuf], provider: &str, name: &str) -> Result<PathBuf, SymbolError> {
    let wanted = format!("{provider}:{name}");
    let mut known = Vec::new();
    for binary in readable(binaries)? {
        let probes = binary.usdt_probes()?;
        if probes.contains(&wanted) {
            return Ok(binary.path().to_owned());
        }
        known.extend(probes);
    }
    let near = names::nearest(known.iter().map(String::as_str), &wanted);
    Err(SymbolError::NoUsdt { wanted, searched: searched(binaries), near, any: !known.is_empty() })
}

/// The first file must be an ELF file, and of those it brings along the ones that are.
fn readable(binaries: &[PathBuf]) -> Result<Vec<Elf>, SymbolError> {
    let mut opened = Vec::new();
    for (index, path) in binaries.iter().enumerate() {
        match Elf::open(path) {
            Ok(elf) => opened.push(elf),
            Err(error) if index == 0 => return Err(error),
            Err(_) => {}
        }
    }
    Ok(opened)
}

fn searched(binaries: &[PathBuf]) -> String {
    let name = |path: &Path| path.display().to_string();
    match binaries {
        [] => "no file".to_owned(),
        [only] => name(only),
        [first, libraries @ ..] => {
            format!("{} and the {} libraries it is linked with", name(first), libraries.len())
        }
    }
}
