//! What a reading that failed means for its channel: try again, or give it up.
//!
//! The rule, by what the read answered:
//!
//! | answer | fault |
//! |---|---|
//! | `ENODATA`, `EAGAIN`, `EBUSY`, `EIO`, `EINTR`, any errno not named here | [`Fault::Retry`] |
//! | nothing, no number, a number no rail can have | [`Fault::Retry`] |
//! | `ENODEV`, `ENXIO`, `EBADF`, `ENOENT`, the file was unlinked | [`Fault::Gone`] |
//! | `EPERM`, `EACCES` | [`Fault::Fatal`] |
//!
//! A channel that fails [`MOST_FAILURES`] times in a row is gone whatever the answers were.

use std::io;

use nix::errno::Errno;

/// Consecutive failures after which a channel is given up.
pub(crate) const MOST_FAILURES: u32 = 100;

/// A channel reports at most one error a second, however often it comes and goes.
const REPORT_PERIOD_NS: u64 = 1_000_000_000;

/// What a failed reading means for its channel, and for no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Reading is refused to us: the channel ends, and privileges may be the remedy.
    Fatal,
    /// Tried again at the next tick.
    Retry,
    /// The device went away: the channel ends.
    Gone,
}

/// Why a reading failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadFault {
    /// The system's answer.
    #[error("{}", .0.desc())]
    System(Errno),
    /// The file is empty.
    #[error("the file is empty")]
    Empty,
    /// The file holds no number.
    #[error("the file holds no number")]
    Garbage,
    /// The number is one that no rail can have.
    #[error("the value is absurd (beyond 100 V, 100 A or 10 kW)")]
    Absurd,
    /// The file was removed under us.
    #[error("the device was removed")]
    Unlinked,
}

impl From<io::Error> for ReadFault {
    fn from(error: io::Error) -> Self {
        ReadFault::System(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
    }
}

impl ReadFault {
    /// The rule at the head of this file.
    pub(crate) fn fault(self) -> Fault {
        match self {
            ReadFault::Unlinked
            | ReadFault::System(Errno::ENODEV | Errno::ENXIO | Errno::EBADF | Errno::ENOENT) => {
                Fault::Gone
            }
            ReadFault::System(Errno::EPERM | Errno::EACCES) => Fault::Fatal,
            _ => Fault::Retry,
        }
    }
}

/// What there is to say after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing: this episode was reported already.
    Silent,
    /// This many failures that were not reported yet.
    Report(u64),
    /// The channel is given up.
    Gone,
}

/// How a channel has been doing.
///
/// An episode is an unbroken run of failures. It is reported once, when it begins, and a channel
/// whose episodes are short and many reports once a second, with a count.
#[derive(Debug, Default)]
pub(crate) struct Health {
    consecutive: u32,
    unreported: u64,
    next_report_ns: u64,
    gone: bool,
}

impl Health {
    /// Whether the channel was given up.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    /// A reading came through.
    pub(crate) fn succeeded(&mut self) {
        self.consecutive = 0;
    }

    /// A reading failed.
    pub(crate) fn failed(&mut self, fault: Fault, now_ns: u64) -> Verdict {
        self.consecutive += 1;
        self.unreported += 1;
        if fault != Fault::Retry || self.consecutive >= MOST_FAILURES {
            self.gone = true;
            return Verdict::Gone;
        }
        if self.consecutive > 1 || now_ns < self.next_report_ns {
            return Verdict::Silent;
        }
        self.next_report_ns = now_ns + REPORT_PERIOD_NS;
        Verdict::Report(std::mem::take(&mut self.unreported))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_is_reported_once() {
        let mut health = Health::default();
        assert_eq!(health.failed(Fault::Retry, 0), Verdict::Report(1));
        for tick in 1..MOST_FAILURES - 1 {
            assert_eq!(
                health.failed(Fault::Retry, u64::from(tick) * 3_000_000_000),
                Verdict::Silent
            );
        }
        assert_eq!(health.failed(Fault::Retry, 1), Verdict::Gone);
        assert!(health.is_gone());
    }

    #[test]
    fn a_channel_that_flaps_reports_once_a_second_with_a_count() {
        let mut health = Health::default();
        let mut reported = Vec::new();
        for tick in 0..1000u64 {
            health.succeeded();
            match health.failed(Fault::Retry, tick * 2_000_000) {
                Verdict::Report(count) => reported.push(count),
                other => assert_eq!(other, Verdict::Silent),
            }
        }
        assert_eq!(reported, [1, 500]);
        assert!(!health.is_gone());
    }

    #[test]
    fn what_each_answer_means() {
        for errno in [Errno::ENODATA, Errno::EAGAIN, Errno::EBUSY, Errno::EIO, Errno::ETIMEDOUT] {
            assert_eq!(ReadFault::System(errno).fault(), Fault::Retry, "{errno}");
        }
        for errno in [Errno::ENODEV, Errno::ENXIO, Errno::EBADF] {
            assert_eq!(ReadFault::System(errno).fault(), Fault::Gone, "{errno}");
        }
        assert_eq!(ReadFault::System(Errno::EACCES).fault(), Fault::Fatal);
        assert_eq!(Health::default().failed(Fault::Gone, 0), Verdict::Gone);
    }
}
