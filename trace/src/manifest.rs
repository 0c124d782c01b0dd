//! `manifest.json`: what was recorded, on what, with what, and whether it is complete.

use serde::{Deserialize, Serialize};

/// The version of the bundle's schema that this crate writes and reads.
pub const SCHEMA_VERSION: u32 = 2;

/// Where a number comes from. Carried from each sensor and counter into every table and figure.
///
/// The order is that of trust: a figure made of several inputs has the last of theirs
/// ([`Ord::max`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// Read from a sensor or counter that counts the thing itself.
    Measured,
    /// Measured, then scaled up for time the counter was not scheduled.
    Scaled,
    /// Derived from something else that was measured, by a stated rule.
    Estimated,
    /// Measured in an earlier run and played again.
    Replayed,
    /// Made by a model.
    Emulated,
}

impl Provenance {
    /// The word that stands in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Provenance::Measured => "measured",
            Provenance::Scaled => "scaled",
            Provenance::Estimated => "estimated",
            Provenance::Replayed => "replayed",
            Provenance::Emulated => "emulated",
        }
    }
}

impl std::fmt::Display for Provenance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Everything about a run that is not a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the schema.
    pub schema: u32,
    /// Version of the wattline that wrote the bundle.
    pub wattline: String,
    /// The board.
    pub board: BoardRecord,
    /// Kernel release.
    pub kernel: String,
    /// The command line.
    pub command: Vec<String>,
    /// The clock all rows are stamped with.
    pub clock: ClockRecord,
    /// The seed of weights, inputs and emulated noise.
    pub seed: u64,
    /// Power rails that were sampled.
    pub rails: Vec<RailRecord>,
    /// Traffic counters that were sampled.
    pub counters: Vec<CounterRecord>,
    /// Hardware counters of CPU components in `counters.csv`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hardware_counters: Vec<HardwareCounterRecord>,
    /// The counter source that sees all DRAM traffic, if one does.
    pub dram_source: Option<String>,
    /// Components that may appear in spans.
    pub components: Vec<ComponentRecord>,
    /// Networks that may appear in spans.
    pub models: Vec<ModelRecord>,
    /// The co-execution of the bundle, if it holds one: the run of the component `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coexecution: Option<CoexecutionRecord>,
    /// How starts of images were spread, if they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dither: Option<DitherRecord>,
    /// What the networks were shown, where the writer says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<InputRecord>,
    /// Whether the run ended in order: all rows that were taken are in the files.
    pub complete: bool,
    /// Whether the user ended the run early.
    pub interrupted: bool,
    /// Why the run is not complete, where that is known.
    pub failure: Option<String>,
}

/// The board a run was recorded on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoardRecord {
    /// The description's name, such as `exynos5422`.
    pub name: String,
    /// The board's model in words.
    pub model: String,
    /// Whether the board is emulated.
    pub emulated: bool,
}

/// Which clock moved the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockKind {
    /// `CLOCK_MONOTONIC`.
    Wall,
    /// A simulated clock, which moves as fast as the model can be computed.
    Virtual,
}

/// The clock all rows are stamped with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClockRecord {
    /// Which clock moved the run.
    pub kind: ClockKind,
    /// Add this to a `t_ns` to get nanoseconds since the UNIX epoch.
    pub utc_offset_ns: i64,
}

/// A power rail that was sampled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RailRecord {
    /// The rail's name in `power.csv`.
    pub name: String,
    /// The sensor's chip or driver name.
    pub sensor: String,
    /// Where it was read.
    pub path: String,
    /// The averaging window of one conversion.
    pub window_ns: u64,
    /// The step between two adjacent voltage readings.
    pub volts_step: f64,
    /// The step between two adjacent current readings.
    pub amps_step: f64,
    /// The rail that contains this one, if one does: the two are never summed.
    pub inside: Option<String>,
    /// Where its numbers come from.
    pub provenance: Provenance,
}

/// A traffic counter that was sampled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CounterRecord {
    /// The counter's name in `traffic.csv`.
    pub source: String,
    /// Where it is read: a perf PMU's directory, or registers.
    pub path: String,
    /// Its ports or channels.
    pub ports: Vec<String>,
    /// Bytes one hardware count stands for.
    pub bytes_per_count: f64,
    /// Time between two readings.
    pub interval_ns: u64,
    /// What it sees and what it does not, in words.
    pub covers: String,
    /// Where its numbers come from.
    pub provenance: Provenance,
}

/// A hardware counter of a component's CPUs, summed over them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardwareCounterRecord {
    /// The component's name.
    pub component: String,
    /// The event's name in `counters.csv`.
    pub event: String,
    /// The PMUs that count it, as the kernel names them.
    pub pmus: Vec<String>,
    /// The CPUs it is counted on.
    pub cpus: Vec<u32>,
    /// Where its code comes from, or what it is estimated from, in words.
    pub origin: String,
    /// Time between two readings; longer where groups of counters take turns.
    pub interval_ns: u64,
    /// Where its numbers come from. Rows say themselves whether they are scaled.
    pub provenance: Provenance,
}

/// A component of the board.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComponentRecord {
    /// The component's name in `spans.csv`.
    pub name: String,
    /// `cpu`, `gpu` or `npu`.
    pub kind: String,
    /// The executor that ran networks on it, such as `xnnpack` or `emulated (xnnpack outputs)`.
    pub executor: String,
    /// Rails whose active energy counts as this component's: its own, which stands first, that of
    /// the cluster that drives it, and the memory's.
    pub rails: Vec<String>,
    /// Threads that ran networks on it; none where it is not a matter of threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// Peak floating-point operations a second at the precision it ran.
    pub peak_flops_per_s: Option<f64>,
    /// Sustained DRAM bandwidth.
    pub bandwidth_bytes_per_s: Option<f64>,
    /// Where its times come from.
    pub provenance: Provenance,
    /// How it was emulated beside components that really ran; none where it really ran too, or
    /// where the whole board is emulated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stand_in: Option<StandInRecord>,
}

/// A component that a real board does not have, or that cannot be reached there: an emulator stood
/// in for it. What rails read meanwhile is of the emulator, so no joule of it is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StandInRecord {
    /// Whether it moved the bytes of its layers through real memory; if not, what DRAM counters
    /// saw meanwhile is not of it.
    pub moves_bytes: bool,
    /// By how much the machine did not keep its pace; none if it did.
    pub behind: Option<String>,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// The network's name in `spans.csv`.
    pub name: String,
    /// Where it was loaded from, or how it was made.
    pub origin: String,
    /// Trained parameters.
    pub parameters: u64,
    /// Floating-point operations of one image.
    pub flops: u64,
    /// Inputs, weights and outputs of all layers, each once, for one image.
    pub bytes_theoretical: u64,
    /// Its layers, in the order in which they run and of an image's layer spans; empty where the
    /// writer does not know them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<LayerRecord>,
}

/// A layer of a network: what its spans do not say. Costs are in the spans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRecord {
    /// The layer's name in `spans.csv`.
    pub name: String,
    /// What it computes: `conv2d`, `depthwise_conv2d`, `max_pool`, …
    pub kind: String,
    /// The shape of each input: batch, channels, rows, columns.
    pub inputs: Vec<[u64; 4]>,
    /// The shape of its output.
    pub output: [u64; 4],
}

/// Pauses before the images of components alone, from which rates of images follow too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DitherRecord {
    /// Each was drawn, from the run's seed, from nothing to this long.
    pub longest_pause_ns: u64,
}

/// What networks were shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRecord {
    /// Where images come from, in words.
    pub source: String,
    /// What was done to the pixels; none for synthetic images.
    pub preprocessing: Option<String>,
    /// Files, in order: image `i` of a component's stream is number `i` modulo their count. Empty
    /// for synthetic images.
    pub files: Vec<String>,
    /// Files that were left out because they could not be read; `events.csv` says why.
    pub skipped: u64,
}

/// One stream of images over several components at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoexecutionRecord {
    /// The policy that gave images out, such as `steal-tail`.
    pub policy: String,
    /// Capacity of the reorder buffer, in images.
    pub window: u64,
    /// Where images came from.
    pub source: SourceRecord,
    /// Frames that were dropped because earlier ones still waited. Known when the run has ended.
    pub dropped: u64,
    /// Components that failed or stalled, in order of time. Known when the run has ended.
    pub faults: Vec<FaultRecord>,
    /// What the policy knew of each component before.
    pub profiles: Vec<ProfileRecord>,
}

/// Where the images of a co-execution came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum SourceRecord {
    /// So many images, all there from the beginning.
    Finite {
        /// How many.
        images: u64,
    },
    /// One after another until the user or a time limit ended the run.
    Endless,
    /// Frames at a rate.
    Camera {
        /// Frames a second.
        fps: f64,
        /// How many, dropped ones counted; `None` for an endless stream.
        images: Option<u64>,
        /// What became of frames that came while others still waited.
        late: LateRecord,
    },
}

/// What becomes of a frame that comes while earlier ones still wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LateRecord {
    /// It is dropped.
    Dropped,
    /// It waits.
    Queued,
}

/// A component that failed or stalled in a co-execution, or came back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// When, on the clock that rows are stamped with.
    pub t_ns: u64,
    /// The component.
    pub component: String,
    /// The image that it ran, by its number in the stream.
    pub image: u64,
    /// What happened, in words.
    pub what: String,
}

/// A component alone, as a co-execution's policy knew it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfileRecord {
    /// The component.
    pub component: String,
    /// Seconds per image.
    pub seconds_per_image: f64,
    /// Joules per image above idle, where they were known.
    pub joules_per_image: Option<f64>,
    /// Where both come from, in words: this run's solo phase, a file, the board's model.
    pub from: String,
}
