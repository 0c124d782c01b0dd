//! The `wattline` command: one file for each subcommand, thin.

mod analyze;
mod board;
mod coexecution;
mod compare;
mod failure;
mod network;
mod plan;
mod probe;
mod progress;
mod record;
mod recording;
mod report;
mod roofline;
mod run;
mod simulate;
mod table;
mod target;
mod tolerances;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Joules, DRAM bytes and images per second, per component of a heterogeneous SoC.
#[derive(Debug, Parser)]
#[command(name = "wattline", version, about, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  wattline probe                          what this machine can measure, and what is missing
  wattline run --board emulated:exynos5422 --network squeezenet --on a15,a7,gpu --out out/trace
  wattline run --board emulated:exynos5422 --network squeezenet --on a15,a7,gpu --policy steal-tail --out out/all
  wattline analyze out/trace --out out    joules, bytes and intensities of that run
  wattline compare before after           what differs between two runs, and whether it does
  wattline report out/trace --out out     a page to read, figures, and tables beside the study's
  wattline roofline --board host          what this machine's arithmetic and memory can do at most

Exit status: 0 done; 1 failed, and said why; 2 wrong usage; 3 worse than --fail-above allows; 130 ended early by Ctrl-C, with
everything up to then recorded.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a network on components, in turn or together, and records power and traffic
    Run(run::Args),
    /// Records images and layers of any program, with power and traffic
    Record(record::Args),
    /// Predicts what co-execution on several components would come to, without running it
    Simulate(simulate::Args),
    /// Turns recorded runs into joules per image, DRAM bytes and operational intensity
    Analyze(analyze::Args),
    /// Says what differs between two runs, how sure that is, and whether it is a difference
    Compare(compare::Args),
    /// Writes a page, figures and tables beside the study's, from recorded runs
    Report(report::Args),
    /// Chooses the frequency of each layer that takes least energy under a deadline
    Plan(plan::Args),
    /// Measures what bounds a component here, or shows what bounds a network's layers by the model
    Roofline(roofline::Args),
    /// Says what can be measured here, what is missing, and what to do about it
    Probe(probe::Args),
    /// Lists and shows boards
    #[command(subcommand, after_help = "Example:\n  wattline board show exynos5422")]
    Board(board::Command),
    /// Lists, exports and inspects networks
    #[command(subcommand, after_help = "Example:\n  wattline network inspect squeezenet")]
    Network(network::Command),
}

/// For commands that run networks themselves; a program that is recorded keeps its environment.
fn before_opencl() {
    // SAFETY: nobody has started a thread yet.
    unsafe { wattline_inference::opencl::keep_pocl_threads_apart() };
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("WATTLINE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let done = match Cli::parse().command {
        Command::Run(args) => {
            before_opencl();
            run::run(&args)
        }
        Command::Record(args) => record::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Analyze(args) => analyze::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Roofline(args) => {
            before_opencl();
            roofline::run(&args)
        }
        Command::Probe(args) => probe::run(&args),
        Command::Board(command) => board::run(&command),
        Command::Network(command) => network::run(&command),
    };
    done.unwrap_or_else(|error| {
        // A reader that closed the pipe has seen enough.
        if is_broken_pipe(&error) {
            return ExitCode::SUCCESS;
        }
        eprintln!("wattline: {}", failure::told(&error));
        ExitCode::FAILURE
    })
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
