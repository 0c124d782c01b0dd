//! `wattline plan`: recordings at several frequencies in, a frequency for each layer out.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use wattline_analysis::{PlanRequest, SwitchingCost, plan};

/// Options of `wattline plan`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  wattline run --board emulated:exynos5422 --network squeezenet --on a15 --frequencies a15=all \\
      --images 100 --clock virtual --out sweep
  wattline plan sweep/* --network squeezenet --component a15 --deadline 250ms --out plan

Each recording is of one frequency (`wattline run --frequency`). Writes plan.csv, plan.json and
figures/plan.svg and .png. A saving is claimed only where its 95 % interval lies above zero; where
nothing keeps the deadline the fastest possible is told and the exit status is 1. An emulated board
runs a plan with `wattline run --plan plan/plan.json`.")]
pub(crate) struct Args {
    /// Directories that `wattline run --frequency` or `--frequencies` wrote
    #[arg(value_name = "DIR", required = true)]
    bundles: Vec<PathBuf>,
    /// The network
    #[arg(long)]
    network: String,
    /// The component
    #[arg(long)]
    component: String,
    /// How long an image may take: 50ms, 0.2s
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    deadline: f64,
    /// What a change of frequency takes, time and energy above idle: 140us,100uJ. Without it, as the
    /// board's description says
    #[arg(long, value_name = "TIME[,ENERGY]", value_parser = switching)]
    switching_cost: Option<SwitchingCost>,
    /// Where to write the plan
    #[arg(long, value_name = "OUT")]
    out: PathBuf,
    /// Print the plan as JSON instead of tables
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let request = PlanRequest {
        network: args.network.clone(),
        component: args.component.clone(),
        deadline_s: args.deadline,
        switching: args.switching_cost,
    };
    let plan = plan(&args.bundles, &request)?;
    plan.write(&args.out)?;
    let text = match args.json {
        true => serde_json::to_string_pretty(&plan)? + "\n",
        false => plan.table(),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// A number and its unit, in the base unit.
fn quantity(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let text = text.trim();
    let unit = text.find(|it: char| it.is_alphabetic()).unwrap_or(text.len());
    let (_, factor) = units.iter().find(|(name, _)| *name == &text[unit..])?;
    let value = text[..unit].trim().parse::<f64>().ok()? * factor;
    (value.is_finite() && value >= 0.0).then_some(value)
}

const TIMES: [(&str, f64); 5] =
    [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)];
const ENERGIES: [(&str, f64); 4] = [("uJ", 1e-6), ("µJ", 1e-6), ("mJ", 1e-3), ("J", 1.0)];

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = quantity(text, &TIMES).filter(|it| *it > 0.0);
    seconds.ok_or_else(|| "expected a time above zero, such as 50ms".to_owned())
}

fn switching(text: &str) -> Result<SwitchingCost, String> {
    let (time, energy) = text.split_once(',').unwrap_or((text, "0J"));
    let cost = quantity(time, &TIMES).zip(quantity(energy, &ENERGIES));
    let cost = cost.map(|(seconds, joules)| SwitchingCost { seconds, joules });
    cost.ok_or_else(|| "expected a time and an energy, such as 140us,100uJ".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_have_units() {
        assert_eq!(seconds("50ms"), Ok(0.05));
        assert_eq!(seconds("0.25 s"), Ok(0.25));
        let cost = switching("100us,20uJ").unwrap();
        assert!((cost.seconds - 1e-4).abs() < 1e-15 && (cost.joules - 2e-5).abs() < 1e-15);
        assert_eq!(switching("1ms").unwrap().joules, 0.0);
        for wrong in ["50", "0ms", "-1ms", "ms", "1 hour", "infs"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
        assert!(switching("20uJ,100us").is_err());
    }
}
