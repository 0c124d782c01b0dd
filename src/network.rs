//! `wattline network`: the networks of the study, and anyone's ONNX file.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use wattline_inference::cost::{ElementType, graph_cost, graph_macs, layer_costs};
use wattline_inference::{Model, zoo};

use crate::table::table;

/// Subcommands of `wattline network`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists the networks of the study
    #[command(after_help = "Example:\n  wattline network list")]
    List,
    /// Writes a network as ONNX, with weights drawn from a seed
    #[command(after_help = "Example:\n  wattline network export squeezenet --out squeezenet.onnx")]
    Export {
        /// One of `wattline network list`
        network: String,
        /// The file to write
        #[arg(long, value_name = "FILE.onnx")]
        out: PathBuf,
        /// Seed of the weights
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Shows a network's layers, FLOPs, bytes and theoretical operational intensity
    #[command(after_help = "Example:\n  wattline network inspect mine.onnx")]
    Inspect {
        /// One of `wattline network list`, or a path ending in .onnx
        network: String,
    },
}

pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::List => print(&list()?)?,
        Command::Export { network, out, seed } => {
            let bytes = zoo::build_onnx(network, *seed)?;
            wattline_trace::create_file_for_invoker(out)
                .and_then(|mut file| file.write_all(&bytes))
                .with_context(|| format!("cannot write {}", out.display()))?;
            let megabytes = bytes.len() as f64 / 1e6;
            print(&format!("{}: {network}, {megabytes:.1} MB, seed {seed}\n", out.display()))?;
        }
        Command::Inspect { network } => print(&inspect(network)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn print(text: &str) -> Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

fn list() -> Result<String> {
    let mut table =
        table(["network", "input", "layers", "parameters M", "MAC G", "OI_t flop/B"], 2);
    for name in zoo::names() {
        let graph = zoo::graph_structure(name)?;
        let cost = graph_cost(&graph, ElementType::F32);
        table.add_row([
            (*name).to_owned(),
            graph.input_shape().to_string(),
            graph.layers().len().to_string(),
            format!("{:.2}", graph.parameters() as f64 / 1e6),
            format!("{:.3}", graph_macs(&graph) as f64 / 1e9),
            format!("{:.1}", cost.operational_intensity()),
        ]);
    }
    Ok(format!("{table}\n"))
}

fn inspect(network: &str) -> Result<String> {
    let graph = match zoo::names().contains(&network) {
        true => zoo::graph_structure(network)?,
        false => Model::open(network, 1)?.graph,
    };
    let header =
        ["layer", "operator", "output", "MFLOP", "in kB", "weights kB", "out kB", "OI_t flop/B"];
    let mut table = table(header, 3);
    for (layer, cost) in graph.layers().iter().zip(layer_costs(&graph, ElementType::F32)) {
        let kilobytes = |bytes: u64| format!("{:.1}", bytes as f64 / 1e3);
        table.add_row([
            layer.name.to_string(),
            layer.operator.kind().to_owned(),
            graph.shape(layer.output).to_string(),
            format!("{:.3}", cost.flops as f64 / 1e6),
            kilobytes(cost.input_bytes),
            kilobytes(cost.weight_bytes),
            kilobytes(cost.output_bytes),
            format!("{:.2}", cost.operational_intensity()),
        ]);
    }
    let total = graph_cost(&graph, ElementType::F32);
    let arithmetic = match graph.first_quantised() {
        Some(_) => "FP32 and 8-bit steps",
        None => "FP32",
    };
    Ok(format!(
        "{}\n\n{table}\n\n{:.3} M parameters, {:.3} G multiply-accumulates, {:.2} MB moved in theory, \
         OI_t {:.2} flop/B ({arithmetic})\n",
        graph.name(),
        graph.parameters() as f64 / 1e6,
        graph_macs(&graph) as f64 / 1e9,
        total.bytes_theoretical() as f64 / 1e6,
        total.operational_intensity(),
    ))
}
