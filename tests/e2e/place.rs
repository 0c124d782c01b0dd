//! An empty directory to run `wattline` in, and what a command answered.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tempfile::TempDir;

use crate::bundle::{Bundle, Table};

/// Held by every test: shared by most, alone by those whose numbers suffer from other load.
static MACHINE: RwLock<()> = RwLock::new(());

#[derive(Debug)]
#[expect(dead_code, reason = "held, not read")]
enum Hold {
    Shared(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

/// A directory of a test's own: commands run in it, so their lines need no paths.
#[derive(Debug)]
pub(crate) struct Place {
    directory: TempDir,
    _hold: Hold,
}

impl Place {
    pub(crate) fn new() -> Self {
        let hold = Hold::Shared(MACHINE.read().unwrap_or_else(PoisonError::into_inner));
        Place { directory: tempfile::tempdir().unwrap(), _hold: hold }
    }

    /// While it lives no other test runs.
    pub(crate) fn alone() -> Self {
        let hold = Hold::Alone(MACHINE.write().unwrap_or_else(PoisonError::into_inner));
        Place { directory: tempfile::tempdir().unwrap(), _hold: hold }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// A `wattline` command line, to be run here, in an environment that says nothing special.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wattline"));
        command.args(line.split_whitespace()).current_dir(self.directory.path());
        for variable in ["SUDO_UID", "SUDO_GID", "WATTLINE_LOG", "NO_COLOR", "CLICOLOR_FORCE"] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs a `wattline` command line to its end.
    pub(crate) fn wattline(&self, line: &str) -> Answer {
        Answer::new(line, self.command(line).output().unwrap())
    }

    pub(crate) fn bundle(&self, name: &str) -> Bundle {
        Bundle::new(self.path(name))
    }

    /// Analyses bundle `name` against the truth and reads the summary.
    pub(crate) fn checked_summary(&self, name: &str) -> Table {
        self.wattline(&format!("analyze {name} --out results --check-truth")).succeeded();
        Table::read(&self.path("results/summary.csv"))
    }
}

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Answer {
    line: String,
    /// Exit status; none if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// Whatever a command is asked, it neither panics nor colours what is no terminal.
    pub(crate) fn new(line: &str, output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        let code = output.status.code();
        assert!(!stderr.contains("panicked"), "{line}: {stderr}");
        assert!(!(stdout.contains('\x1b') || stderr.contains('\x1b')), "{line}: escape bytes");
        Answer { line: line.to_owned(), code, stdout, stderr }
    }

    /// It exited with 0.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        self.exited(0)
    }

    #[track_caller]
    pub(crate) fn exited(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}{}", self.line, self.stdout, self.stderr);
        self
    }

    /// It exited with 1 and its message, which is not a page long, holds each of `parts`.
    #[track_caller]
    pub(crate) fn refused(self, parts: &[&str]) {
        let answer = self.exited(1);
        answer.says(parts);
        assert!(answer.stderr.contains("wattline: "), "{}\n{}", answer.line, answer.stderr);
        assert!(answer.stderr.lines().count() < 15, "{}\n{}", answer.line, answer.stderr);
        // A message may hold its cause, and then the cause is not said again.
        for line in answer.stderr.lines() {
            let said: Vec<_> = line.split(": ").filter(|part| part.len() > 15).collect();
            let again = said.iter().enumerate().find(|(index, part)| said[..*index].contains(part));
            assert!(again.is_none(), "{}\nsaid twice: {again:?} in {line}", answer.line);
        }
    }

    /// Standard error holds each of `parts`.
    #[track_caller]
    pub(crate) fn says(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.stderr.contains(part), "{}\nlacks {part:?}: {}", self.line, self.stderr);
        }
    }

    /// Standard output holds each of `parts`.
    #[track_caller]
    pub(crate) fn prints(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.stdout.contains(part), "{}\nlacks {part:?}: {}", self.line, self.stdout);
        }
    }
}
