//! `wattline report`: bundles in, a page to read and figures to show.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use wattline_analysis::{Options, Report, analyze};

use crate::tolerances;

/// Options of `wattline report`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  wattline report out/trace --out out/report
  wattline report exynos kirin --out report
  wattline report trace --out report --ceilings roofline/roofline.csv

Writes report.html, one file to read and to send, which needs no network; figures/, each as SVG and
PNG; study.csv and study.md, these numbers beside the study's; roofline_points.csv, what bounds each
network and layer, and by how much; and trace.perfetto-trace for https://ui.perfetto.dev, numbered
where there are several bundles. `wattline analyze` writes the numbers alone.")]
pub(crate) struct Args {
    /// Directories that `wattline run` or `wattline record` wrote
    #[arg(value_name = "DIR", required = true)]
    bundles: Vec<PathBuf>,
    /// Where to write the report
    #[arg(long, value_name = "OUT")]
    out: PathBuf,
    /// Roofs as `wattline roofline --out` measured them, instead of those in the bundles
    #[arg(long, value_name = "ROOFLINE.csv")]
    ceilings: Option<PathBuf>,
    /// How far sensors' gains may lie off: as of `wattline analyze`
    #[arg(long, value_name = "[RAIL=]PERCENT", value_parser = tolerances::parse)]
    sensor_tolerance: Vec<(Option<String>, f64)>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let options = Options {
        tolerances: tolerances::put_together(&args.sensor_tolerance),
        ..Options::default()
    };
    let analysis = analyze(&args.bundles, &options)?;
    let report = Report::new(&args.bundles, &analysis, args.ceilings.as_deref())?;
    let figures = report.write(&args.out)?;
    let page = args.out.join("report.html");
    let text = format!("{}: open it in a browser; {figures} figures beside it\n", page.display());
    std::io::stdout().write_all(text.as_bytes())?;
    analysis.warnings.iter().for_each(|warning| eprintln!("wattline: {warning}"));
    Ok(ExitCode::SUCCESS)
}
