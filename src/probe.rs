//! `wattline probe`: what can be measured here.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use wattline_agent::probe::Probe;
use wattline_board::Roots;
use wattline_board::emulated::EmulatedBoard;
use wattline_trace::ClockKind;

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

/// The emulated sensors have something to show after this long.
const FIRST_CONVERSIONS: Duration = Duration::from_millis(100);

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let mut target = Target::find(args.board.as_deref())?;
    target.look_for_gpu();
    // An emulated board is there to be probed for as long as this command runs.
    let emulated = match target.emulated {
        true => Some(EmulatedBoard::start(target.description.clone(), ClockKind::Wall, 1)?),
        false => None,
    };
    if emulated.is_some() {
        target.description.model = target.model();
        std::thread::sleep(FIRST_CONVERSIONS);
    }
    let roots = emulated.as_ref().map_or_else(Roots::machine, |board| board.roots().clone());
    let probe = Probe::run(&target.description, &target.how, &roots);
    let text = match args.json {
        true => serde_json::to_string_pretty(&probe)? + "\n",
        false => probe.to_string(),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
