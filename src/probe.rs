//! `wattline probe`: what can be measured here.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use wattline_agent::probe::Probe;
use wattline_board::Roots;

use crate::target::{BOARD_HELP, Target};

/// Options of `wattline probe`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sudo wattline probe --json")]
pub(crate) struct Args {
    #[arg(long, help = BOARD_HELP)]
    board: Option<String>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let target = Target::find(args.board.as_deref())?;
    let probe = Probe::run(&target.description, &target.how, &Roots::machine());
    let text = match args.json {
        true => serde_json::to_string_pretty(&probe)? + "\n",
        false => probe.to_string(),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
