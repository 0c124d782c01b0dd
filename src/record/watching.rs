//! Watching a command, or a process, until there is an end.

use anyhow::Result;
use wattline_agent::launch::{Ended, Held, Running};
use wattline_agent::process::Process;
use wattline_agent::{Recorder, interrupt};
use wattline_board::clock::Clock;

use super::Args;
use super::session::Session;

/// Marks are drained this often: of a million a second half of the default buffer waits by then.
const TURN_NS: u64 = 50_000_000;

/// What is watched.
#[derive(Debug)]
pub(super) enum Watched {
    Command(Held),
    Process(u32, Process),
}

/// How watching ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The command, of its own accord or because it was told to.
    Command(Ended),
    /// The process is no more.
    ProcessGone,
    /// As long as was asked for.
    Duration,
    /// Ctrl-C.
    Interrupted,
    /// The bundle cannot be written.
    Failure,
}

impl Watched {
    pub(super) fn pid(&self) -> u32 {
        match self {
            Watched::Command(held) => held.pid(),
            Watched::Process(pid, _) => *pid,
        }
    }
}

/// The part that takes time.
#[derive(Debug)]
pub(super) struct Watching<'a> {
    pub(super) args: &'a Args,
    pub(super) clock: &'a dyn Clock,
    pub(super) recorder: &'a Recorder,
}

impl Watching<'_> {
    /// Lets the command go, and watches until there is an end.
    pub(super) fn watch(&self, watched: Watched, session: &mut Session<'_>) -> Result<End> {
        match watched {
            Watched::Command(held) => {
                self.idle();
                if interrupt::interrupted() {
                    return Ok(End::Interrupted);
                }
                let command = held.release()?;
                let ended = || command.ended().map(End::Command);
                self.until_end(session, Some(&command), ended)
            }
            Watched::Process(_, process) => {
                self.until_end(session, None, || process.has_ended().then_some(End::ProcessGone))
            }
        }
    }

    fn until_end(
        &self,
        session: &mut Session<'_>,
        command: Option<&Running>,
        look: impl Fn() -> Option<End>,
    ) -> Result<End> {
        let started_ns = self.clock.now_ns();
        let end_ns = self.args.duration.map(|seconds| started_ns + (seconds * 1e9) as u64);
        let mut asked_to_end = false;
        let mut ended = None;
        loop {
            self.clock.sleep_until(self.clock.now_ns() + TURN_NS);
            // Looked at first: what it left before it ended is then drained.
            ended = ended.or_else(&look);
            if ended.is_some() {
                interrupt::command_ended();
            }
            let others = ended.is_some() && self.args.follow_children && session.is_anybody_left();
            let now_ns = self.clock.now_ns();
            session.turn(now_ns)?;
            if let (Some(ended), false) = (ended, others) {
                return Ok(if asked_to_end { End::Duration } else { ended });
            }
            if self.recorder.failure().is_some() {
                return Ok(End::Failure);
            }
            let runs = command.filter(|_| ended.is_none());
            // A command ends when it wants to: it has been told as we were.
            if interrupt::interrupted() && runs.is_none() {
                return Ok(ended.unwrap_or(End::Interrupted));
            }
            if end_ns.is_some_and(|end_ns| now_ns >= end_ns) {
                match runs {
                    Some(_) if asked_to_end => {}
                    Some(command) => command.terminate(),
                    None => return Ok(End::Duration),
                }
                asked_to_end = true;
            }
        }
    }

    /// Rests, in steps short enough to notice a Ctrl-C.
    pub(super) fn idle(&self) {
        const STEP_NS: u64 = 50_000_000;
        let end_ns = self.clock.now_ns() + (self.args.idle * 1e9) as u64;
        while self.clock.now_ns() < end_ns && !interrupt::interrupted() {
            self.clock.sleep_until(end_ns.min(self.clock.now_ns() + STEP_NS));
        }
    }
}
