//! `wattline roofline`: what bounds a component, measured on this machine or modelled.

mod gpu;
mod measured;
mod modelled;
mod reports;
mod rows;
mod save;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use wattline_board::description::{Component, ComponentKind};

use crate::target::{BOARD_HELP, Target};
use measured::Measurement;
use modelled::Roof;
use rows::Row;

/// Options of `wattline roofline`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  wattline roofline --board host --save mine.toml
  wattline roofline --board host --component cpu,gpu
  wattline roofline --board kirin970 --component npu --network squeezenet --out roofline

CPU clusters of a real board are measured: what all cores together read, write and copy in arrays of
four times the last-level cache, and the FP32 operations a second of independent chains of fused
multiply-adds. So is a GPU with OpenCL: the fastest of several kernels in FP32, and in FP16 where it has
that, and what it moves through buffers of its own, by its own clock. The best of many short repeats
counts, since disturbance only slows; beside it stands how far below it their median lies.

An NPU, and every component of an emulated board, has the ceilings of its description, with the layers
of --network under them by the emulated board's model; that is called emulated.

--out writes roofline.csv, and with --network compute_report.csv and bandwidth_report.csv, a row a layer,
after those of SCALE-Sim v2. Stall cycles hold dispatch and waiting for DRAM; mapping efficiency is the
calibrated share of the peak; bandwidth is in 10^9 B/s, of the DRAM bytes of the cache model.")]
pub(crate) struct Args {
    #[arg(long, help = BOARD_HELP)]
    board: Option<String>,
    /// Components, separated by commas; without it all CPU clusters, or all of an emulated board
    #[arg(long = "component", value_name = "COMPONENT", value_delimiter = ',')]
    components: Vec<String>,
    /// Place the layers of this network under modelled roofs: a built-in one, or FILE.onnx
    #[arg(long)]
    network: Option<String>,
    /// 20 repeats of each measurement instead of 1000: to see that it works
    #[arg(long)]
    quick: bool,
    /// Where to write the CSV files
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write the board's description with what was measured in place of what it said
    #[arg(long, value_name = "FILE.toml")]
    save: Option<PathBuf>,
    /// Print ceilings and points as JSON instead of tables
    #[arg(long)]
    json: bool,
}

/// All that was found, as `--json` prints it.
#[derive(Debug, Default, Serialize)]
struct Findings {
    board: String,
    measured: Vec<Measurement>,
    modelled: Vec<Roof>,
    /// What could not be had, and why.
    missing: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let mut target = Target::find(args.board.as_deref())?;
    if args.components.iter().any(|name| target.description.component(name).is_none()) {
        target.look_for_gpu();
    }
    let components = choose(&target, &args.components)?;
    let (modelled, real): (Vec<_>, Vec<_>) =
        components.into_iter().partition(|it| target.emulated || it.kind == ComponentKind::Npu);
    if args.network.is_some() && modelled.is_empty() {
        bail!(
            "--network places layers under modelled roofs: name an emulated board, or a component of kind npu"
        );
    }
    if args.save.is_some() && real.is_empty() {
        bail!(
            "--save keeps what was measured, and nothing here is: name a CPU cluster or a GPU of a real board"
        );
    }
    let mut found = Findings { board: target.model(), ..Findings::default() };
    // What can be refused without waiting comes first.
    modelled::find(args, &modelled, &mut found)?;
    measured::find(args, &target, &real, &mut found)?;
    if let Some(out) = &args.out {
        write(out, &found)?;
    }
    if let Some(file) = &args.save {
        if found.measured.is_empty() {
            bail!("--save keeps what was measured: {}", found.missing.join("; "));
        }
        save::save(file, args.board.as_deref(), &target, &found.measured)?;
    }
    let text = match args.json {
        true => serde_json::to_string_pretty(&found)? + "\n",
        false => human(&found),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    found.missing.iter().for_each(|missing| eprintln!("wattline: {missing}"));
    if let Some(file) = &args.save {
        eprintln!("wattline: saved {}: use it as --board {0}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn choose<'a>(target: &'a Target, names: &[String]) -> Result<Vec<&'a Component>> {
    let all = &target.description.components;
    if names.is_empty() {
        let default = |it: &&Component| target.emulated || it.kind == ComponentKind::Cpu;
        return Ok(all.iter().filter(default).collect());
    }
    target.components("--component", names)
}

fn write(out: &Path, found: &Findings) -> Result<()> {
    wattline_trace::create_dir_all_for_invoker(out)
        .with_context(|| format!("cannot create {}", out.display()))?;
    let measured = found.measured.iter().flat_map(Measurement::rows);
    let rows: Vec<Row> = measured.chain(found.modelled.iter().flat_map(Roof::rows)).collect();
    write_csv(&out.join("roofline.csv"), &rows)?;
    if found.modelled.iter().any(|roof| !roof.points().is_empty()) {
        write_csv(&out.join("compute_report.csv"), &reports::compute(&found.modelled))?;
        write_csv(&out.join("bandwidth_report.csv"), &reports::bandwidth(&found.modelled))?;
    }
    Ok(())
}

fn write_csv(path: &Path, rows: &[impl Serialize]) -> Result<()> {
    let write = || -> Result<()> {
        let mut csv = csv::Writer::from_writer(wattline_trace::create_file_for_invoker(path)?);
        rows.iter().try_for_each(|row| csv.serialize(row))?;
        Ok(csv.flush()?)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn human(found: &Findings) -> String {
    let mut text = format!("{}: rooflines\n", found.board);
    text += &measured::human(&found.measured);
    found.modelled.iter().for_each(|roof| text += &roof.human());
    text
}
