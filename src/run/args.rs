//! What a user may ask of `wattline run`.

use std::path::PathBuf;

use wattline_inference::coexecution::policy::PolicyKind;

use super::clocks::Wanted;
use super::images;
use super::sweep::Sweep;
use crate::target::BOARD_HELP;

/// Options of `wattline run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  wattline run --board emulated:exynos5422 --network squeezenet --on a15,a7,gpu --images 20 --out out/trace
  wattline run --board emulated:exynos5422 --network squeezenet --on a15,a7,gpu --policy steal-tail \\
      --images 200 --out out/coexecution
  wattline run --board emulated:exynos5422 --network squeezenet --on a15 --frequencies a15=all \
      --images 100 --clock virtual --out out/sweep
  wattline run --board host --npu-from kirin970 --network squeezenet --on cpu,npu --out out/trace
  wattline run --network mine.onnx --on a15 --images photographs --classes labels.txt --out out/trace

Without --policy components run one after another. With it each first runs a few images alone
(--solo), which tells the policy how fast it is, and then all share one stream of images.

On an emulated board outputs are really computed, once for each distinct input and before the
timed part; times, joules and bytes are the board model's, and are called emulated everywhere.

An NPU of a real board is emulated beside what really runs there: it takes the model's time, from the
cluster that drives it, and answers in FP16. No joule is given for it.")]
pub(crate) struct Args {
    #[arg(long, help = BOARD_HELP)]
    pub(super) board: Option<String>,
    /// One of `wattline network list`, or a path ending in .onnx
    #[arg(long)]
    pub(super) network: String,
    /// Components, separated by commas; see `wattline board show`
    #[arg(long = "on", value_name = "COMPONENT", value_delimiter = ',', required = true)]
    pub(super) components: Vec<String>,
    /// Take the NPU of this board's description, for a board that has none
    #[arg(long, value_name = "BOARD")]
    pub(super) npu_from: Option<String>,
    /// Let an emulated NPU on a real board move its bytes through real memory
    #[arg(long)]
    pub(super) npu_traffic: bool,
    #[command(flatten)]
    pub(super) inputs: images::Options,
    /// Print the five likeliest classes of each image, named by the lines of this file
    #[arg(long, value_name = "LABELS.txt")]
    pub(super) classes: Option<PathBuf>,
    /// Co-execute: steal, steal-tail, energy, pipeline or best-single
    #[arg(long)]
    pub(super) policy: Option<PolicyKind>,
    /// Images on each component alone, before they co-execute [default: 5]
    #[arg(long, value_name = "IMAGES", requires = "policy")]
    pub(super) solo: Option<u64>,
    /// What components do alone, by a summary.csv of `wattline analyze`, instead of --solo's times
    #[arg(long, value_name = "SUMMARY.CSV", requires = "policy")]
    pub(super) profile: Option<PathBuf>,
    /// Frames a second of a camera; `energy` needs it. Without it all images are there at once
    #[arg(long, requires = "policy", value_parser = frame_rate)]
    pub(super) fps: Option<f64>,
    /// What becomes of a camera's frame that comes while another waits
    #[arg(long, requires = "fps", default_value = "drop")]
    pub(super) late: LateFrames,
    /// Ends the stream after so long
    #[arg(long, value_name = "SECONDS", requires = "policy", value_parser = duration)]
    pub(super) duration: Option<f64>,
    /// Capacity of the reorder buffer, images: how far a fast component may run ahead of a slow one
    #[arg(long, value_name = "IMAGES", requires = "policy", default_value_t = 64,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) window: u16,
    /// Print what co-execution came to as JSON instead of a table
    #[arg(long, requires = "policy")]
    pub(super) json: bool,
    /// Hold components at frequencies while they run, and put them back as they were found:
    /// a15=1200MHz,gpu=600MHz
    #[arg(long, value_name = "COMPONENT=FREQUENCY", value_delimiter = ',')]
    pub(super) frequency: Vec<Wanted>,
    /// Run once at each of a component's frequencies, into a directory each under --out:
    /// a15=all, or a15=600MHz/1GHz
    #[arg(long, value_name = "COMPONENT=LIST", conflicts_with = "frequency")]
    pub(super) frequencies: Option<Sweep>,
    /// Change frequencies between layers as a plan.json of `wattline plan` says; emulated boards
    /// alone
    #[arg(long, value_name = "PLAN.json", conflicts_with_all = ["frequency", "frequencies", "policy"])]
    pub(super) plan: Option<PathBuf>,
    /// The directory to write the run bundle to
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Replace a bundle that is already there
    #[arg(long)]
    pub(super) overwrite: bool,
    /// The clock: `virtual` writes an emulated board's bundle without waiting
    #[arg(long, default_value = "wall", value_parser = ["wall", "virtual"])]
    pub(super) clock: String,
    /// Seed of weights, synthetic images and emulated noise
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Note idle states that CPUs enter and leave, too: thousands a second
    #[arg(long)]
    pub(super) idle_states: bool,
    /// Readings of each rail and counter a second
    #[arg(long, value_name = "HZ", default_value_t = 450.0)]
    pub(super) rate: f64,
    /// Averaging window to ask of INA2xx sensors, ms
    #[arg(long, value_name = "MS", default_value_t = 2)]
    pub(super) update_interval: u32,
    /// Idle time before and after each component, from which idle power is known, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    pub(super) idle: f64,
    /// Pause before each image, up to a sampling period: sensors then see every part of an image
    /// equally often, which joules of layers live by; images/s are those with pauses
    #[arg(long, conflicts_with = "policy")]
    pub(super) dither: bool,
    /// What computes on CPUs: xnnpack or reference; without it the fastest there is
    #[arg(long)]
    pub(super) executor: Option<String>,
    /// Threads on each CPU cluster of a real board; without it one on each of its cores
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) threads: Option<u16>,
}

/// What becomes of frames for which nobody is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LateFrames {
    /// They are dropped, and counted
    Drop,
    /// They wait, however long
    Queue,
}

fn frame_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 1e6 => Ok(value),
        _ => Err("expected a number of frames a second above 0".to_owned()),
    }
}

fn duration(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 1e6 => Ok(value),
        _ => Err("expected a number of seconds above 0".to_owned()),
    }
}

pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=3600.0).contains(&value) => Ok(value),
        _ => Err("expected 0 to 3600 seconds".to_owned()),
    }
}
