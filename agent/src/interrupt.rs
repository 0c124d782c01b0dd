//! Ctrl-C and `SIGTERM`: once to end in order, twice to end at once.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

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

/// The process that signals are passed on to; 0 for none.
static FOLLOWER: AtomicI32 = AtomicI32::new(0);

/// As [`install`], for a command that runs in our terminal: a signal that somebody sent to us
/// alone is passed on to it. Ctrl-C is not: the terminal tells both of us.
///
/// # Errors
/// If the system refuses.
pub fn install_for_command(pid: u32) -> Result<(), InstallError> {
    FOLLOWER.store(pid as i32, Ordering::Release);
    let action = SigAction::new(
        SigHandler::SigAction(pass_on),
        SaFlags::SA_RESTART | SaFlags::SA_SIGINFO,
        SigSet::empty(),
    );
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: `pass_on` makes system calls and touches atomics, and nothing else.
        unsafe { sigaction(signal, &action) }
            .map_err(|errno| ctrlc::Error::System(errno.into()))?;
    }
    Ok(())
}

/// From now on no process is told: it has ended.
pub fn command_ended() {
    FOLLOWER.store(0, Ordering::Release);
}

extern "C" fn pass_on(signal: i32, details: *mut nix::libc::siginfo_t, _: *mut std::ffi::c_void) {
    let errno = Errno::last_raw();
    // SAFETY: the kernel hands over a valid structure.
    let by_a_process = unsafe { details.as_ref() }.is_some_and(|it| it.si_code <= 0);
    let follower = FOLLOWER.load(Ordering::Acquire);
    if by_a_process && follower > 0 {
        // SAFETY: a system call on plain numbers.
        unsafe { nix::libc::kill(follower, signal) };
    }
    if INTERRUPTED.swap(true, Ordering::AcqRel) {
        // SAFETY: ends the process and runs nothing of ours.
        unsafe { nix::libc::_exit(EXIT_INTERRUPTED) };
    }
    Errno::set_raw(errno);
}
