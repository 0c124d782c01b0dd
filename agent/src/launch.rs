//! A command that is started and held until everything watches it, so that nothing it does is
//! missed.
//!
//! A forked child waits at a pipe. Probes are attached to it by its process number, which it keeps
//! when it then becomes the command: no tracing, and no first image lost.

use std::ffi::{CString, NulError, OsString};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, kill, signal, sigprocmask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Pid, Uid, User, fork, pipe2, setgid, setuid};

/// A command could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A word of the command line holds a NUL.
    #[error("the command line holds a NUL character")]
    Nul(#[from] NulError),
    /// The system gives no process.
    #[error("cannot start a process: {0}; see the limits on processes (ulimit -u)")]
    Fork(io::Error),
    /// The program cannot be executed.
    #[error("cannot run {}: {source}; is it a program for this machine, and may you run it?", program.display())]
    Execute {
        /// The program.
        program: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Whom a command runs as, where that is another than ourselves.
#[derive(Debug)]
struct Invoker {
    user: Uid,
    group: Gid,
    groups: Vec<Gid>,
}

impl Invoker {
    /// The user behind sudo.
    fn find() -> Option<Self> {
        let id = |key| std::env::var(key).ok()?.parse::<u32>().ok();
        if !Uid::effective().is_root() {
            return None;
        }
        let (user, group) = (Uid::from_raw(id("SUDO_UID")?), Gid::from_raw(id("SUDO_GID")?));
        let name = User::from_uid(user).ok().flatten().and_then(|it| CString::new(it.name).ok());
        let groups = name.and_then(|name| nix::unistd::getgrouplist(&name, group).ok());
        Some(Invoker { user, group, groups: groups.unwrap_or_else(|| vec![group]) })
    }
}

/// A command that waits to be let go. Dropped, it is killed.
#[derive(Debug)]
pub struct Held {
    child: Child,
    program: PathBuf,
    go: OwnedFd,
    failed: OwnedFd,
}

/// A command that runs. Dropped, it is let run on.
#[derive(Debug)]
pub struct Running {
    child: Pid,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With this status.
    Exited(u8),
    /// By this signal.
    Killed(Signal),
}

impl Ended {
    /// The status a shell would show: a signal's number is added to 128.
    pub fn status(self) -> u8 {
        match self {
            Ended::Exited(status) => status,
            Ended::Killed(signal) => 128 + signal as u8,
        }
    }
}

/// A child that is killed and awaited unless it is taken.
#[derive(Debug)]
struct Child(Option<Pid>);

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let _ = kill(pid, Signal::SIGKILL);
            let _ = waitpid(pid, None);
        }
    }
}

impl Held {
    /// Forks a child that will be `program` with these arguments, the first being its name. Under
    /// sudo it will belong to the user behind it.
    ///
    /// Call this while the process has one thread: the child gets only that.
    ///
    /// # Errors
    /// [`LaunchError`].
    pub fn start(program: &Path, arguments: &[OsString]) -> Result<Self, LaunchError> {
        let invoker = Invoker::find();
        let path = CString::new(program.as_os_str().as_bytes())?;
        let arguments = arguments
            .iter()
            .map(|argument| CString::new(argument.as_bytes()))
            .collect::<Result<Vec<_>, _>>()?;
        let mut pointers: Vec<_> = arguments.iter().map(|argument| argument.as_ptr()).collect();
        pointers.push(std::ptr::null());

        let system = |errno: Errno| LaunchError::Fork(errno.into());
        let close = nix::fcntl::OFlag::O_CLOEXEC;
        let (wait, go) = pipe2(close).map_err(system)?;
        let (failed, fail) = pipe2(close).map_err(system)?;
        // SAFETY: until it executes the program or exits, the child makes system calls alone: it
        // allocates nothing and takes no lock that another thread might have held.
        match unsafe { fork() }.map_err(system)? {
            ForkResult::Parent { child } => {
                Ok(Held { child: Child(Some(child)), program: program.to_owned(), go, failed })
            }
            ForkResult::Child => {
                drop(go);
                let errno = become_program(&wait, invoker.as_ref(), &path, &pointers);
                // SAFETY: four bytes of the stack are written to a pipe that is open; `_exit`
                // runs nothing of ours.
                unsafe {
                    let errno = (errno as i32).to_ne_bytes();
                    libc::write(fail.as_raw_fd(), errno.as_ptr().cast(), errno.len());
                    libc::_exit(127)
                }
            }
        }
    }

    /// Its process number, which it keeps.
    pub fn pid(&self) -> u32 {
        self.child.0.map_or(0, |pid| pid.as_raw() as u32)
    }

    /// Lets it go, and waits until it is the program.
    ///
    /// # Errors
    /// [`LaunchError::Execute`].
    pub fn release(mut self) -> Result<Running, LaunchError> {
        let refused = |source| LaunchError::Execute { program: self.program.clone(), source };
        std::fs::File::from(self.go).write_all(&[1]).map_err(refused)?;
        let mut errno = [0; 4];
        // The pipe closes when the program is executed.
        let told = std::fs::File::from(self.failed).read(&mut errno).map_err(refused)?;
        if told == errno.len() {
            return Err(refused(io::Error::from_raw_os_error(i32::from_ne_bytes(errno))));
        }
        match self.child.0.take() {
            Some(child) => Ok(Running { child }),
            None => unreachable!("a held child is taken here alone"),
        }
    }
}

impl Running {
    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.as_raw() as u32
    }

    /// How it ended, if it has.
    pub fn ended(&self) -> Option<Ended> {
        match waitpid(self.child, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, status)) => Some(Ended::Exited(status as u8)),
            Ok(WaitStatus::Signaled(_, signal, _)) => Some(Ended::Killed(signal)),
            Err(Errno::ECHILD) => Some(Ended::Exited(0)),
            _ => None,
        }
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        let _ = kill(self.child, Signal::SIGTERM);
    }
}

/// Waits to be let go, then becomes the program. Answers why not.
fn become_program(
    wait: &OwnedFd,
    invoker: Option<&Invoker>,
    path: &CString,
    arguments: &[*const libc::c_char],
) -> Errno {
    let mut byte = [0];
    loop {
        match nix::unistd::read(wait, &mut byte) {
            Ok(1) => break,
            Err(Errno::EINTR) => {}
            // Whoever held us is gone.
            _ => return Errno::ECANCELED,
        }
    }
    if let Err(errno) = settle(invoker) {
        return errno;
    }
    // SAFETY: `path` is a C string; `arguments` are pointers to such, with a null at the end.
    unsafe { libc::execv(path.as_ptr(), arguments.as_ptr()) };
    Errno::last()
}

/// What a shell would start a program with in the foreground: its own user, no signal blocked, and
/// none ignored of those that are handed on to it, although we were ourselves started in the
/// background with them ignored. SIGHUP stays as it is, for `nohup`'s sake.
fn settle(invoker: Option<&Invoker>) -> nix::Result<()> {
    for reset in [Signal::SIGPIPE, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM] {
        // SAFETY: the default action is no handler of ours.
        unsafe { signal(reset, SigHandler::SigDfl) }?;
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    if let Some(invoker) = invoker {
        nix::unistd::setgroups(&invoker.groups)?;
        setgid(invoker.group)?;
        setuid(invoker.user)?;
    }
    Ok(())
}
