//! Ctrl-C and `SIGTERM`: once to end in order, twice to end at once.

use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What a shell reports of a program that ended on Ctrl-C: 128 + `SIGINT`.
const EXIT_INTERRUPTED: i32 = 130;

/// The handler could not be installed.
#[derive(Debug, thiserror::Error)]
#[error("cannot catch Ctrl-C: {0}; it would end the run without restoring the sensors' settings")]
pub struct InstallError(#[from] ctrlc::Error);

/// From now on the first Ctrl-C (or `SIGTERM`, `SIGHUP`) makes [`interrupted`] true, and the
/// second exits at once with status 130, leaving sensors and counters as they are set.
///
/// # Errors
/// If a handler is installed already, or the system refuses one.
pub fn install() -> Result<(), InstallError> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::AcqRel) {
            std::process::exit(EXIT_INTERRUPTED);
        }
    })?;
    Ok(())
}

/// Whether the user asked the run to end. Loops look at this and end in order.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Acquire)
}
