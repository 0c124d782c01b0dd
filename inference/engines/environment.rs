//! Python environments with what a list pins, made on first use.
//!
//! Shared with the end-to-end tests of the command, which record such an engine.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What can go wrong, for people.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Where environments and models are kept: under the target directory.
pub(crate) fn scratch() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("engines")
}

/// The interpreter of an environment with what the file `list` pins.
///
/// # Errors
///
/// When there is no Python with `venv`, or the wheels cannot be had; says what to do.
pub(crate) fn made_of(list: &Path) -> Result<PathBuf> {
    // The longer list begins with the shorter: a change of either makes the environment anew.
    let shorter = list.with_file_name("onnxruntime.txt");
    let wanted = fs::read_to_string(list)? + &fs::read_to_string(shorter)?;
    let name = list.file_stem().ok_or("a list has a name")?;
    let place = scratch().join(name).with_extension("venv");
    let python = place.join("bin/python");
    let made_of = place.join("made-of.txt");
    if fs::read_to_string(&made_of).is_ok_and(|made_of| made_of == wanted) {
        return Ok(python);
    }
    fs::create_dir_all(scratch())?;
    let advice = "install python3 and python3-venv, and let pip reach PyPI or a mirror";
    succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place), advice)?;
    // Everything is pinned: nothing else, such as pnnx's PyTorch, is wanted.
    let install = ["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "-r"];
    succeed(Command::new(&python).args(install).arg(list), advice)?;
    fs::write(made_of, wanted)?;
    Ok(python)
}

fn succeed(command: &mut Command, advice: &str) -> Result<()> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}; {advice}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} failed: {said}; {advice}").into())
}
