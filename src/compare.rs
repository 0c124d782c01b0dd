//! `wattline compare`: what differs between two runs, and whether it does.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use wattline_analysis::{CompareOptions, Options, SameBoard, compare};

use crate::tolerances;

/// What tells scripts that B is worse: neither a failure (1) nor a wrong wish (2).
const EXIT_WORSE: u8 = 3;

/// Options of `wattline compare`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  wattline compare before after
  wattline compare before after --layers --out tables
  wattline compare before1,before2,before3 after1,after2,after3
  wattline compare main/ branch/ --fail-above 5%     # directories of bundles

A and B are bundles, several with commas between them, or a directory of bundles. Each network
on each component is paired with its own; the difference is that of B over A, with its 95 %
interval. Errors of sensors cancel where both sides were recorded on one board. Several runs a
side also show how much runs differ by themselves: a single run knows nothing of that.

Exit status: 0 compared, whatever came out; 1 failed, and said why; 2 wrong usage; 3 with
--fail-above, where B takes more joules or DRAM bytes an image or does fewer images a second
than A by more than that and the readings show a difference, where it lacks a number that A
has, or where one side is emulated and the other is not.")]
pub(crate) struct Args {
    /// What is compared with
    #[arg(value_name = "A")]
    a: String,
    /// What is compared
    #[arg(value_name = "B")]
    b: String,
    /// Compare each layer too
    #[arg(long)]
    layers: bool,
    /// End with status 3 if B is worse than A by more than this
    #[arg(long, value_name = "PERCENT", value_parser = tolerances::percent)]
    fail_above: Option<f64>,
    /// Take both sides as of one board, or of two: without it, as the bundles say
    #[arg(long, value_name = "WHICH", default_value = "as-recorded")]
    board: Board,
    /// How far sensors' gains may lie off: as of `wattline analyze`
    #[arg(long, value_name = "[RAIL=]PERCENT", value_parser = tolerances::parse)]
    sensor_tolerance: Vec<tolerances::Tolerance>,
    /// Write compare.csv there
    #[arg(long, value_name = "OUT")]
    out: Option<PathBuf>,
    /// Print the comparison as JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// What `--board` takes.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Board {
    AsRecorded,
    Same,
    Different,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let options = CompareOptions {
        analysis: Options {
            tolerances: tolerances::put_together(&args.sensor_tolerance),
            ..Options::default()
        },
        layers: args.layers,
        same_board: match args.board {
            Board::AsRecorded => SameBoard::AsRecorded,
            Board::Same => SameBoard::Yes,
            Board::Different => SameBoard::No,
        },
    };
    let comparison = compare(&bundles(&args.a)?, &bundles(&args.b)?, &options)?;
    if let Some(out) = &args.out {
        comparison.write(out)?;
    }
    let text = match args.json {
        true => serde_json::to_string_pretty(&comparison)? + "\n",
        false => comparison.table(),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    let worse = args.fail_above.map(|share| (share, comparison.worse_by_more_than(share)));
    let Some((share, worse)) = worse.filter(|(_, worse)| !worse.is_empty()) else {
        return Ok(ExitCode::SUCCESS);
    };
    eprintln!("wattline: --fail-above {} %:", 100.0 * share);
    worse.iter().for_each(|why| eprintln!("  {why}"));
    Ok(ExitCode::from(EXIT_WORSE))
}

/// The bundles of a side. A name with a comma in it that is there is that of one.
fn bundles(side: &str) -> Result<Vec<PathBuf>> {
    let names = match Path::new(side).exists() {
        true => vec![side],
        false => side.split(',').filter(|name| !name.is_empty()).collect(),
    };
    let mut all = Vec::new();
    for name in names {
        all.extend(bundles_in(Path::new(name))?);
    }
    Ok(all)
}

/// A directory, or the bundles in it where it is none itself.
fn bundles_in(directory: &Path) -> Result<Vec<PathBuf>> {
    let is_bundle = |directory: &Path| directory.join("manifest.json").exists();
    if is_bundle(directory) || !directory.is_dir() {
        return Ok(vec![directory.to_owned()]);
    }
    let entries =
        std::fs::read_dir(directory).with_context(|| format!("{}", directory.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut inner: Vec<PathBuf> = paths.filter(|path| is_bundle(path)).collect();
    if inner.is_empty() {
        bail!("{} is no bundle, and there is none in it", directory.display());
    }
    inner.sort_unstable();
    Ok(inner)
}
