//! `wattline analyze`: bundles in, tables out.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use wattline_analysis::{Format, Options, analyze};

use crate::tolerances;

/// Options of `wattline analyze`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  wattline analyze out/trace --out out --check-truth\n  wattline analyze trace --out tables --layers --strict\n  wattline analyze run1 run2 --out tables --format parquet\n  wattline analyze trace --out tables --sensor-tolerance 2% --sensor-tolerance VDD_MEM=1%\n\nThe numbers alone; `wattline report` writes figures and a page to read."
)]
pub(crate) struct Args {
    /// Directories that `wattline run` wrote
    #[arg(value_name = "DIR", required = true)]
    bundles: Vec<PathBuf>,
    /// Where to write summary.csv, energy.csv, conservation.csv, images.csv, layers.csv,
    /// layer_kinds.csv, layer_fits.csv and checks.csv
    #[arg(long, value_name = "OUT")]
    out: PathBuf,
    /// Write tables as csv, or as parquet beside it
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    format: TableFormat,
    /// How far sensors' gains may lie off, chip and shunt together: 0.5% for all, or RAIL=0.5% for
    /// one, repeatedly. Without it, what the board's description says of each
    #[arg(long, value_name = "[RAIL=]PERCENT", value_parser = tolerances::parse)]
    sensor_tolerance: Vec<(Option<String>, f64)>,
    /// Hold the results against what the emulated board knows
    #[arg(long)]
    check_truth: bool,
    /// Fail if a check fails: results are written and printed all the same
    #[arg(long)]
    strict: bool,
    /// Print time, joules and intensities of each layer and of each kind of layer too
    #[arg(long)]
    layers: bool,
    /// Print the results as JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// What `--format` takes.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum TableFormat {
    Csv,
    Parquet,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let options = Options {
        check_truth: args.check_truth,
        tolerances: tolerances::put_together(&args.sensor_tolerance),
    };
    let analysis = analyze(&args.bundles, &options)?;
    let format = match args.format {
        TableFormat::Csv => Format::Csv,
        TableFormat::Parquet => Format::Parquet,
    };
    analysis.write_as(&args.out, format)?;
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    if args.json {
        serde_json::to_writer_pretty(&mut stdout, &analysis).map_err(std::io::Error::from)?;
        writeln!(stdout)?;
    } else {
        stdout.write_all(analysis.table().as_bytes())?;
        if args.layers {
            write!(stdout, "\n{}", analysis.layer_tables())?;
        }
    }
    stdout.flush()?;
    let failed = analysis.failed_checks();
    if args.strict && !failed.is_empty() {
        bail!(
            "--strict: {} of {} checks failed: {}",
            failed.len(),
            analysis.checks.len(),
            failed.join(", ")
        );
    }
    Ok(ExitCode::SUCCESS)
}
