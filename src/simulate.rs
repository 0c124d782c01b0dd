//! `wattline simulate`: what co-execution would come to, by the emulated board's model, in
//! milliseconds and without computing an image.

mod predict;
mod sweep;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use comfy_table::Table;
use wattline_analysis::{SummaryRow, write_summary};
use wattline_inference::coexecution::policy::PolicyKind;
use wattline_inference::coexecution::{STUDY_IMAGES, streams_around};

use crate::coexecution::number;
use crate::table::table;
use crate::target::{BOARD_HELP, Target};
use predict::Question;
use sweep::Axis;

/// Options of `wattline simulate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  wattline simulate --board kirin970 --network squeezenet --on a73,a53,gpu,npu --policy steal
  wattline simulate --board kirin970 --network alexnet --sweep boards,networks,policies --out sweep

Everything it prints is a model's: times, joules and bytes are called emulated. A stream's length
matters: a short one ends waiting for its slowest component. The study does not state its own.
Without --images the prediction is what reproduces its Table II, within 3.6 % on average: the mean
over streams of 46 to 70 images, about the fitted 58 (tests/contention.rs). Per-image numbers are
then of mean rates, and a component's images a rounded mean.")]
pub(crate) struct Args {
    #[arg(long, help = BOARD_HELP)]
    board: String,
    /// One of `wattline network list`, or a path ending in .onnx
    #[arg(long)]
    network: String,
    /// Components, separated by commas; without it all that can run the network
    #[arg(long = "on", value_name = "COMPONENT", value_delimiter = ',')]
    components: Vec<String>,
    /// steal, steal-tail, energy, pipeline or best-single
    #[arg(long, default_value = "steal")]
    policy: PolicyKind,
    /// Images in the stream; without it the mean over streams of about the study's length
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    images: Option<u64>,
    /// Frames a second of a camera; `energy` needs it. Without it all images are there at once
    #[arg(long, value_name = "FPS")]
    fps: Option<f64>,
    /// Predict for every built-in board, every network of the study, every policy, or several
    #[arg(long, value_name = "AXIS", value_delimiter = ',')]
    sweep: Vec<Axis>,
    /// Where to write summary.csv
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the rows as JSON instead of a table
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let target = Target::find(Some(&args.board))?;
    if !args.sweep.is_empty() && !args.components.is_empty() {
        bail!("--sweep takes every component that can run a network: leave out --on");
    }
    let question = Question {
        board: target.description,
        network: args.network.clone(),
        components: args.components.clone(),
        policy: args.policy,
        images: args.images,
        fps: args.fps,
    };
    let rows = match args.sweep.is_empty() {
        true => predict::predict(&question)?,
        false => sweep::sweep(&question, &args.sweep)?,
    };
    if let Some(out) = &args.out {
        write_summary(&rows, out)?;
    }
    let text = match args.json {
        true => serde_json::to_string_pretty(&rows)? + "\n",
        false => human(&rows, args.images),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn human(rows: &[SummaryRow], images: Option<u64>) -> String {
    let mut table: Table = table(
        [
            "board",
            "network",
            "policy",
            "component",
            "images/s",
            "frames %",
            "J/image",
            "images/J",
            "DRAM MB/image",
            "gain %",
            "of solo sum",
            "of oracle",
            "p50 ms",
            "p99 ms",
        ],
        4,
    );
    for row in rows {
        table.add_row([
            row.board.to_string(),
            row.network.to_string(),
            row.policy.as_ref().map_or_else(String::new, ToString::to_string),
            row.component.to_string(),
            number(row.images_per_s, 2),
            number(row.frames_pct, 1),
            number(row.joules_per_image, 4),
            number(row.images_per_joule, 2),
            number(row.dram_bytes_per_image.map(|bytes| bytes / 1e6), 1),
            number(row.gain_pct, 1),
            number(row.efficiency_solo, 3),
            number(row.efficiency_oracle, 3),
            number(row.latency_p50_ms, 1),
            number(row.latency_p99_ms, 1),
        ]);
    }
    let (about, of) = match images {
        Some(images) => ("one stream", format!("{images} images")),
        None => {
            let lengths = streams_around(STUDY_IMAGES);
            let (shortest, longest) = (lengths.start(), lengths.end());
            (
                "mean over streams",
                format!("{shortest} to {longest} images, as the study's are fitted"),
            )
        }
    };
    format!(
        "predicted on emulated boards: throughput, composition, energy and latency\n\n{table}\n\n\
         {about} of {of}\n"
    )
}
