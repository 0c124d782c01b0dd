//! A Python environment with other people's readers of what we write.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// An interpreter that has what `tests/python/requirements.txt` pins, made on first use under the
/// target directory. Where that cannot be had the caller checks nothing and says so; in CI it fails.
pub(crate) fn python(why: &str) -> Option<PathBuf> {
    // Tests run side by side, and make one environment.
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    match environment() {
        Ok(python) => Some(python),
        Err(error) if std::env::var_os("CI").is_some() => panic!("in CI: {why}: {error}"),
        Err(error) => {
            eprintln!("NOT CHECKED: {why}: {error}");
            None
        }
    }
}

fn environment() -> Result<PathBuf, Box<dyn Error>> {
    let wanted = include_str!("../python/requirements.txt");
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readers.venv");
    let (python, made_of) = (place.join("bin/python"), place.join("made-of.txt"));
    if std::fs::read_to_string(&made_of).is_ok_and(|made_of| made_of == wanted) {
        return Ok(python);
    }
    let advice = "install python3 and python3-venv, and let pip reach PyPI or a mirror";
    succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place), advice)?;
    let list = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/requirements.txt");
    let install =
        ["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "-r", list];
    succeed(Command::new(&python).args(install), advice)?;
    std::fs::write(made_of, wanted)?;
    Ok(python)
}

fn succeed(command: &mut Command, advice: &str) -> Result<(), Box<dyn Error>> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}; {advice}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}; {advice}", String::from_utf8_lossy(&output.stderr)).into())
}

/// Runs a program with arguments in a directory; what it printed.
#[track_caller]
pub(crate) fn run(python: &Path, directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new(python).args(arguments).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
