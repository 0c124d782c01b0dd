//! `wattline board`: what boards are known, and what is known of them.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Subcommand;
use wattline_board::description::{Component, Description, builtin_names};
use wattline_board::emulated::work::{Work, calibrate};
use wattline_inference::{layer_shapes, zoo};

use crate::table::table;
use crate::target::{BOARD_HELP, Target};

/// Subcommands of `wattline board`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists the boards that are built in
    #[command(after_help = "Example:\n  wattline board list")]
    List,
    /// Shows a board's components, rails and counters
    #[command(after_help = "Example:\n  wattline board show exynos5422")]
    Show {
        #[arg(help = BOARD_HELP)]
        board: Option<String>,
    },
    /// Computes how well each network uses each component, from published images per second
    ///
    /// Takes the `images_per_s` of the description's [components.calibration] tables and prints
    /// those tables again with the `efficiency` at which the emulated board reaches them.
    #[command(after_help = "Example:\n  wattline board calibrate exynos5422")]
    Calibrate {
        #[arg(help = BOARD_HELP)]
        board: String,
    },
}

pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    let text = match command {
        Command::List => list()?,
        Command::Show { board } => {
            let mut target = Target::find(board.as_deref())?;
            target.look_for_gpu();
            show(&target)
        }
        Command::Calibrate { board } => calibration(&Target::find(Some(board))?.description)?,
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn list() -> Result<String> {
    let mut table = table(["board", "model", "components", "rails", "counters"], 5);
    for name in builtin_names() {
        let board = Description::load(name)?;
        table.add_row([
            board.name.clone(),
            board.model.clone(),
            names(board.components.iter().map(Component::name)),
            names(board.rails.iter().map(|rail| rail.name())),
            names(board.counters.iter().map(|counter| counter.name())),
        ]);
    }
    Ok(format!("{table}\n\nEach runs without hardware as `emulated:NAME`.\n"))
}

fn show(target: &Target) -> String {
    let board = &target.description;
    let known = |value: Option<String>| value.unwrap_or_else(|| "not known".to_owned());
    let mut components = table(
        [
            "component",
            "kind",
            "CPUs",
            "peak",
            "precision",
            "DRAM bandwidth",
            "rails",
            "driven by",
            "refuses",
        ],
        9,
    );
    for component in &board.components {
        let cpus: Vec<_> = component.cpus.iter().map(u32::to_string).collect();
        let driver = component.driver.as_ref().map(|driver| driver.component.get_ref().clone());
        components.add_row([
            component.name().to_owned(),
            component.kind.as_str().to_owned(),
            or_dash(cpus.join(",")),
            known(component.peak_rate().map(|peak| peak.to_string())),
            format!("FP{}", 8 * component.precision.bytes()),
            known(component.bandwidth.map(|bandwidth| bandwidth.to_string())),
            or_dash(board.rails_of(component).join(", ")),
            or_dash(driver.unwrap_or_default()),
            or_dash(component.refuses.join(", ")),
        ]);
    }
    let mut text = format!("{}: {} ({})\n\n{components}\n", board.name, target.model(), target.how);
    if !board.rails.is_empty() {
        let mut rails = table(["rail", "sensor", "I2C address", "shunt"], 4);
        for rail in &board.rails {
            rails.add_row([
                rail.name().to_owned(),
                rail.chip.clone(),
                format!("{:#04x}", rail.i2c_address),
                rail.shunt.to_string(),
            ]);
        }
        text += &format!("\n{rails}\n");
    }
    for counter in &board.counters {
        let ports = names(counter.ports.iter().map(|port| port.name.as_str()));
        text += &format!("\n{}: ports {ports}: {}\n", counter.name(), counter.covers);
    }
    text
}

fn calibration(board: &Description) -> Result<String> {
    let mut text = String::new();
    for component in &board.components {
        text += &format!("# {}\n[components.calibration]\n", component.name());
        for (network, known) in &component.calibration {
            let Ok(graph) = zoo::graph_structure(network) else {
                bail!(
                    "{}: calibration of {network:?}: only the study's networks can be calibrated: {}",
                    component.name(),
                    zoo::STUDY.join(", ")
                );
            };
            let shapes = layer_shapes(&graph, component.precision);
            let rate = known.images_per_s;
            let Some(efficiency) = calibrate(network, &shapes, component, rate)? else {
                let best = Work::plan_at(network, &shapes, component, 1.0)?.solo_seconds(component);
                bail!(
                    "{network} on {}: {rate} images/s cannot be: at full efficiency it does {:.2}; \
                     the bandwidth or the peak rate of the description is too low",
                    component.name(),
                    1.0 / best
                );
            };
            text += &format!(
                "{network} = {{ images_per_s = {rate:?}, efficiency = {efficiency:.5} }}\n"
            );
        }
        text.push('\n');
    }
    Ok(text)
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    or_dash(names.collect::<Vec<_>>().join(", "))
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "–".to_owned() } else { text }
}
