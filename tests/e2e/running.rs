//! A command in progress: waited for by what it writes, signalled, and never left behind.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bundle::Bundle;
use crate::place::{Answer, Place};

/// A command that makes no progress for this long hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// `wattline run` on its way.
#[derive(Debug)]
pub(crate) struct Running {
    line: String,
    child: Option<Child>,
    bundle: Bundle,
    home: Option<PathBuf>,
}

impl Running {
    /// Starts a `wattline run` line in `place` that writes to the bundle `trace`.
    pub(crate) fn start(place: &Place, line: &str) -> Self {
        let line = format!("{line} --out trace");
        let mut command: Command = place.command(&line);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Running { line, child: Some(child), bundle: place.bundle("trace"), home: None }
    }

    pub(crate) fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Waits until table `file` on disk has a row that holds `text`.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, file: &str, text: &str) {
        let path = self.bundle.path(file);
        self.wait_until(&format!("{file} says {text}"), || {
            std::fs::read_to_string(&path).is_ok_and(|table| table.contains(text))
        });
    }

    /// Waits for `condition`, as long as the command lives.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, mut condition: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !condition() {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            if ended.is_some() {
                let answer = self.end();
                panic!("{}\nended before {what}: {answer:?}", self.line);
            }
            assert!(begun.elapsed() < PATIENCE, "{}\nhangs before {what}", self.line);
            sleep(Duration::from_millis(5));
        }
        self.home = self.home.take().or_else(|| self.bundle.emulated_home());
    }

    /// The emulated board's directory.
    pub(crate) fn home(&self) -> PathBuf {
        self.home.clone().expect("waited for something of the bundle before")
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.as_ref().unwrap().id() as i32)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> Answer {
        Answer::new(&self.line, self.child.take().unwrap().wait_with_output().unwrap())
    }
}

impl Drop for Running {
    /// What a killed command cannot clear away itself.
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if let Some(home) = &self.home {
            let _ = std::fs::remove_dir_all(home);
        }
    }
}
