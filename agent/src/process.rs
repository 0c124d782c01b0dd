//! A process that is not ours, told from any that gets its number later.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A process that ran when this was made.
#[derive(Debug)]
pub struct Process {
    /// Readable once it has ended, whether or not somebody has asked how.
    handle: OwnedFd,
}

impl Process {
    /// # Errors
    /// `ESRCH` if there is no process of that number; others where the kernel offers no such
    /// handle (before Linux 5.3) or file descriptors run out.
    pub fn open(pid: u32) -> io::Result<Self> {
        // SAFETY: takes two numbers, answers a file descriptor of ours or an error.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just opened, and nobody else's.
        Ok(Process { handle: unsafe { OwnedFd::from_raw_fd(fd as i32) } })
    }

    /// Whether it has ended; a zombie has.
    pub fn has_ended(&self) -> bool {
        let mut poll =
            libc::pollfd { fd: self.handle.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: `poll` is one such entry, and lives through the call.
        unsafe { libc::poll(&mut poll, 1, 0) > 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_has_ended_when_it_is_a_zombie() {
        assert!(!Process::open(std::process::id()).unwrap().has_ended());
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::open(child.id()).unwrap();
        assert!(!process.has_ended());
        child.kill().unwrap();
        while !process.has_ended() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(process.has_ended());
        let absent = Process::open(4 << 20).unwrap_err();
        assert_eq!(absent.raw_os_error(), Some(libc::ESRCH));
    }
}
