//! A run at each of several frequencies: a bundle each.
//!
//! Each is a run of its own, by a process of its own, for a run gives up root when it has opened
//! what it needs, and its bundle tells the command that makes it again.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use wattline_agent::interrupt;
use wattline_board::quantity::Frequency;

use super::args::Args;
use super::clocks::frequency_from;
use crate::recording::EXIT_INTERRUPTED;
use crate::target::Target;

/// A component and some of its frequencies: `a15=all`, `a15=600MHz/1GHz`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sweep {
    component: String,
    /// Empty for all.
    frequencies: Vec<Frequency>,
}

impl std::str::FromStr for Sweep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((component, list)) = text.split_once('=') else {
            return Err("expected COMPONENT=all or COMPONENT=600MHz/1GHz/…".to_owned());
        };
        let frequencies = match list.trim() {
            "all" => Vec::new(),
            list => list.split('/').map(frequency_from).collect::<Result<_, _>>()?,
        };
        Ok(Sweep { component: component.trim().to_owned(), frequencies })
    }
}

/// Runs once at each frequency, lowest first, each into a directory of its own under `--out`.
pub(super) fn run(args: &Args, sweep: &Sweep) -> Result<ExitCode> {
    let target = Target::find(args.board.as_deref())?;
    let name = &sweep.component;
    let Some(component) = target.description.component(name) else {
        bail!("--frequencies {name}: {} has no such component", target.description.name);
    };
    let all = component.operating_points.iter().map(|point| point.frequency);
    let frequencies: Vec<Frequency> = match &sweep.frequencies[..] {
        [] => all.collect(),
        listed => listed.to_vec(),
    };
    if frequencies.is_empty() {
        bail!(
            "--frequencies {name}=all: nothing says which it has; list them, as {name}=600MHz/1GHz"
        );
    }
    let executable = std::env::current_exe().context("wattline's own path")?;
    let own = own_arguments();
    for (number, frequency) in (1..).zip(&frequencies) {
        let megahertz = frequency.hertz() * 1e-6;
        let out = args.out.join(format!("{name}-{megahertz:.0}MHz"));
        eprintln!("wattline: {name} at {frequency}, {number} of {}", frequencies.len());
        let mut child = Command::new(&executable)
            .args(&own)
            .arg("--frequency")
            .arg(format!("{name}={}kHz", (frequency.hertz() * 1e-3).round()))
            .arg("--out")
            .arg(&out)
            .spawn()
            .with_context(|| format!("{}", executable.display()))?;
        // Ctrl-C reaches both; the run ends in order, and then so does this.
        interrupt::install_for_command(child.id())?;
        let status = child.wait().context("a run of the sweep")?;
        interrupt::command_ended();
        if interrupt::interrupted() || status.code() == Some(i32::from(EXIT_INTERRUPTED)) {
            return Ok(ExitCode::from(EXIT_INTERRUPTED));
        }
        if !status.success() {
            bail!(
                "the run of {name} at {frequency} failed; those before it are in {}",
                args.out.display()
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The command line without what a single run of the sweep has otherwise.
fn own_arguments() -> Vec<OsString> {
    let mut arguments = std::env::args_os().skip(1);
    let mut own = Vec::new();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        if text == "--frequencies" || text == "--out" {
            arguments.next();
        } else if !text.starts_with("--frequencies=") && !text.starts_with("--out=") {
            own.push(argument);
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_are_all_or_listed() {
        let all: Sweep = "a15=all".parse().unwrap();
        assert_eq!(all, Sweep { component: "a15".into(), frequencies: vec![] });
        let two: Sweep = "gpu=177MHz/0.6GHz".parse().unwrap();
        assert_eq!(two.frequencies, [Frequency::new(177e6), Frequency::new(6e8)]);
        assert!("gpu=177MHz/".parse::<Sweep>().is_err());
        assert!("gpu".parse::<Sweep>().is_err());
    }
}
