//! What comes out: the rows of each result file.

mod checks;
mod layers;

use serde::{Serialize, Serializer};
use wattline_trace::{Name, Provenance};

use crate::refusal::Refusal;
pub use checks::{Check, CheckOutcome, CheckRow};
pub use layers::{Bound, LayerFitRow, LayerKindRow, LayerRow, LayerTruth};

/// One network on one component, alone or as a part of a co-execution, or on `all` of them at
/// once: a row of `summary.csv`, measured or predicted.
///
/// A number that cannot be trusted is `None`, and [`SummaryRow::refusals`] says why. Of a component
/// in a co-execution, *images* below are images' worth of work: in a pipeline each component does a
/// part of an image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SummaryRow {
    /// The network.
    #[serde(serialize_with = "text")]
    pub network: Name,
    /// The component it ran on.
    #[serde(serialize_with = "text")]
    pub component: Name,
    /// Images that ran to their end, wholly or in part; of a co-execution, those delivered.
    pub images: u64,
    /// Images ÷ (end of the last − start of the first). In a co-execution ÷ its duration, so that
    /// the rates of its components add up.
    pub images_per_s: Option<f64>,
    /// Active joules (above idle) of the component's rails ÷ images.
    pub joules_per_image: Option<f64>,
    /// Half of the 95 % interval of `joules_per_image`, in joules.
    pub joules_per_image_ci95: Option<f64>,
    /// What that is made of.
    pub interval: Option<IntervalTerms>,
    /// `1 / joules_per_image`.
    pub images_per_joule: Option<f64>,
    /// 10⁹ floating-point operations a second, over the same time as `images_per_s`.
    pub gop_per_s: Option<f64>,
    /// Theoretical operational intensity: flops ÷ (inputs, weights and outputs, each once), in
    /// flops per byte.
    pub oi_theoretical: Option<f64>,
    /// Empirical operational intensity: flops ÷ DRAM bytes, in flops per byte.
    pub oi_empirical: Option<f64>,
    /// DRAM bytes (above idle traffic) ÷ images.
    pub dram_bytes_per_image: Option<f64>,
    /// The worst provenance of all that went in: the component's times, its rails, the DRAM
    /// counter.
    pub provenance: Provenance,
    /// The policy that gave images out; none where the component had the board to itself.
    #[serde(serialize_with = "optional_text")]
    pub policy: Option<Name>,
    /// The component's share of the images of its co-execution, in percent.
    pub frames_pct: Option<f64>,
    /// Of a co-execution, from an image's arrival to its result's leaving: half of the images took
    /// no longer.
    pub latency_p50_ms: Option<f64>,
    /// The same, of 99 images in 100.
    pub latency_p99_ms: Option<f64>,
    /// Of a co-execution: how much higher its rate is than that of the component that is fastest
    /// alone, in percent.
    pub gain_pct: Option<f64>,
    /// Of a co-execution: its rate ÷ the sum of its components' rates alone.
    pub efficiency_solo: Option<f64>,
    /// Of a co-execution: the least time in which its components could have run as many whole
    /// images at their rates alone ÷ its duration. Not for cameras, which set the pace.
    pub efficiency_oracle: Option<f64>,
    /// How much higher `images_per_joule` is than that of the component alone, or for `all`
    /// than that of the component that is fastest alone, in percent.
    pub images_per_joule_gain_pct: Option<f64>,
    /// The board's name.
    #[serde(serialize_with = "text")]
    pub board: Name,
    /// The frequency that the component was held at, 10⁶ Hz; none where nobody held it, where each
    /// layer had its own, and of `all`.
    pub frequency_mhz: Option<f64>,
    /// Whether that, or one of a component that ran beside it or of a layer, is below the highest that
    /// is offered: then nothing of it is to be held against what was published.
    #[serde(skip)]
    pub below_highest: bool,
    /// What the emulated board knows, where it was asked for.
    pub truth: Option<TruthColumns>,
    /// The bundle's directory.
    #[serde(serialize_with = "text")]
    pub bundle: Name,
    /// Why cells are empty.
    pub refusals: Vec<Refusal>,
    /// What else to know when reading the row.
    pub remarks: Vec<String>,
}

impl SummaryRow {
    /// Refusals and remarks in one line.
    pub fn note(&self) -> String {
        let notes: Vec<String> =
            self.refusals.iter().map(ToString::to_string).chain(self.remarks.clone()).collect();
        notes.join("; ")
    }
}

/// A measured row held against what the emulated board knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct TruthColumns {
    /// True active joules of the same rails ÷ images.
    pub joules_per_image: Option<f64>,
    /// (measured − true) ÷ true, in percent.
    pub energy_error_pct: Option<f64>,
    /// True DRAM bytes of the component ÷ images.
    pub dram_bytes_per_image: Option<f64>,
    /// (measured − true) ÷ true, in percent.
    pub traffic_error_pct: Option<f64>,
}

/// One rail over one run: a row of `energy.csv`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EnergyRow {
    /// The bundle's directory.
    #[serde(serialize_with = "text")]
    pub bundle: Name,
    /// The rail.
    #[serde(serialize_with = "text")]
    pub rail: Name,
    /// The network.
    #[serde(serialize_with = "text")]
    pub network: Name,
    /// The component.
    #[serde(serialize_with = "text")]
    pub component: Name,
    /// Whether these joules are part of the run's joules per image.
    pub role: RailRole,
    /// What of the rail's active joules is the component's, from 0 to 1: less than 1 only in a
    /// co-execution. Empty where the component does not list the rail.
    pub share: Option<f64>,
    /// How that was found.
    pub split: Option<Split>,
    /// Seconds integrated over: the run and its flanks of idle time.
    pub duration_s: Option<f64>,
    /// All joules over that time. Of a rail that is split they stand, as the idle joules, in the
    /// row of `all` alone.
    pub integral_joules: Option<f64>,
    /// `idle_watts · duration_s`.
    pub idle_joules: Option<f64>,
    /// `share · (integral_joules − idle_joules)`: what the run caused.
    pub active_joules: Option<f64>,
    /// Half of the 95 % interval of `active_joules`.
    pub active_joules_ci95: Option<f64>,
    /// What of it is by noise of readings, what happened between them, and the edges of the run.
    pub sampling_ci95: Option<f64>,
    /// What is by idle power.
    pub idle_ci95: Option<f64>,
    /// What is by the sensor's steps.
    pub quantisation_ci95: Option<f64>,
    /// What is by the sensor's gain, for the tolerance that was given.
    pub tolerance_ci95: Option<f64>,
    /// What is by the clock's rate.
    pub clock_ci95: Option<f64>,
    /// How far the component's share may lie off, which comes on top of the others.
    pub split_ci95: Option<f64>,
    /// The largest of these.
    pub largest_term: Option<&'static str>,
    /// Seconds that images of the component ran, overlaps once.
    pub busy_s: Option<f64>,
    /// `active_joules` ÷ `busy_s`: the component's power on this rail while it is busy.
    pub busy_watts: Option<f64>,
    /// Half of its 95 % interval.
    pub busy_watts_ci95: Option<f64>,
    /// Mean power in the recording's idle gaps.
    pub idle_watts: Option<f64>,
    /// Fresh readings during the run itself.
    pub readings: u64,
    /// Those, per second.
    pub fresh_hz: Option<f64>,
    /// Time that no reading covers, of the run's duration.
    pub uncovered_pct: Option<f64>,
    /// Why cells are empty.
    pub note: String,
}

/// What half of a 95 % interval of joules is made of, in joules: each term alone. Squares of the first
/// five add up to that of all five together; the split's bound comes on top.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct IntervalTerms {
    /// Noise of readings, what happened between them, and at the edges of the run.
    pub sampling: f64,
    /// Idle power, which is taken off.
    pub idle: f64,
    /// The sensor's steps.
    pub quantisation: f64,
    /// The sensor's gain, which no reading tells of: `--sensor-tolerance`.
    pub tolerance: f64,
    /// The clock's rate.
    pub clock: f64,
    /// How far a component's share of a rail may lie off.
    pub split: f64,
}

impl IntervalTerms {
    /// Their names and values.
    pub fn named(&self) -> [(&'static str, f64); 6] {
        [
            ("sampling", self.sampling),
            ("idle", self.idle),
            ("quantisation", self.quantisation),
            ("tolerance", self.tolerance),
            ("clock", self.clock),
            ("split", self.split),
        ]
    }

    /// The largest term's name.
    pub fn largest(&self) -> &'static str {
        self.named().into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or("", |(name, _)| name)
    }

    /// Half of the whole interval.
    pub fn half_width(&self) -> f64 {
        let chance: f64 = self.named()[..5].iter().map(|(_, term)| term * term).sum();
        chance.sqrt() + self.split
    }

    /// The same of one image of so many.
    #[must_use]
    pub fn each_of(&self, images: f64) -> Self {
        IntervalTerms {
            sampling: self.sampling / images,
            idle: self.idle / images,
            quantisation: self.quantisation / images,
            tolerance: self.tolerance / images,
            clock: self.clock / images,
            split: self.split / images,
        }
    }
}

/// How a component's share of a rail was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// No other component that ran at the time lists the rail: all of it is the component's.
    Whole,
    /// By what each component drew from the rail alone, in the same recording.
    SoloRuns,
    /// By how the rail's readings follow which components are busy.
    Regression,
    /// As `Regression`, with others that readings do not tell it apart from: by busy time among them.
    Merged,
    /// No other component lists it, but other processes worked there: by CPU time and frequency.
    CpuTime,
    /// By busy time: nothing else is known, and the interval says so.
    BusyTime,
}

/// What a rail is to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RailRole {
    /// The component lists it, and its joules are counted.
    Counted,
    /// The component lists it, and a rail that contains it: only that one is counted.
    InsideCounted,
    /// The component does not list it.
    NotListed,
}

/// The balance of one rail over a recording: a row of `conservation.csv`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConservationRow {
    /// The bundle's directory.
    #[serde(serialize_with = "text")]
    pub bundle: Name,
    /// The rail.
    #[serde(serialize_with = "text")]
    pub rail: Name,
    /// The rail that contains this one: the two are never summed.
    #[serde(serialize_with = "optional_text")]
    pub inside: Option<Name>,
    /// Seconds that readings tile.
    pub seconds: f64,
    /// All joules of the rail, summed straight over its readings.
    pub integral_joules: f64,
    /// Active joules of the runs whose component lists the rail.
    pub attributed_joules: f64,
    /// Joules above idle of other processes that worked meanwhile; negative where they drew less than in
    /// idle gaps.
    pub other_joules: f64,
    /// Idle power times `seconds`.
    pub idle_joules: f64,
    /// Joules above idle that belong to no such run.
    pub unattributed_joules: f64,
    /// Those, of the integral.
    pub unattributed_pct: Option<f64>,
    /// |attributed + other + idle + unattributed − integral| ÷ the larger of integral and idle.
    pub closure_error: f64,
    /// Whether the balance holds.
    pub verdict: Verdict,
}

/// Whether the joules of a rail add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// They do.
    Closed,
    /// They do not: no joule of this rail is given.
    Broken,
    /// Attributed and idle joules are more than the rail delivered: what was taken for idle power
    /// is not. No joule of this rail is given.
    Overdrawn,
    /// They do, but idle power is not known, so that all of them are unattributed.
    IdleUnknown,
    /// The rail has no reading.
    NoReadings,
}

impl Verdict {
    /// Whether joules of the rail must not be given.
    pub fn is_broken(self) -> bool {
        matches!(self, Verdict::Broken | Verdict::Overdrawn)
    }

    /// The word that stands in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Closed => "closed",
            Verdict::Broken => "broken",
            Verdict::Overdrawn => "overdrawn",
            Verdict::IdleUnknown => "idle_unknown",
            Verdict::NoReadings => "no_readings",
        }
    }
}

/// One image: a row of `images.csv`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImageRow {
    /// The bundle's directory.
    #[serde(serialize_with = "text")]
    pub bundle: Name,
    /// The network.
    #[serde(serialize_with = "text")]
    pub network: Name,
    /// The component.
    #[serde(serialize_with = "text")]
    pub component: Name,
    /// Index in its stream.
    pub image: Option<u64>,
    /// Seconds from the start of the run to that of the image.
    pub start_s: f64,
    /// Milliseconds from the start of the image to its end.
    pub latency_ms: f64,
    /// Floating-point operations, where they are known.
    pub flops: Option<u64>,
    /// Inputs, weights and outputs, each once, where they are known.
    pub bytes_theoretical: Option<u64>,
}

/// What recording cost the board: the agent's own figures from `agent.csv`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgentCost {
    /// The bundle's directory.
    #[serde(serialize_with = "text")]
    pub bundle: Name,
    /// Whether the run was on a virtual clock: then the CPU time is the emulated board's too, and
    /// nothing can be late.
    pub virtual_clock: bool,
    /// Time between the agent's first and last row.
    pub seconds: f64,
    /// CPU time of the agent in that time, in percent of one core.
    pub cpu_percent: f64,
    /// Most memory the process held, in 10⁶ bytes.
    pub resident_mb: f64,
    /// Sampling instants a second.
    pub sampling_hz: f64,
    /// Fresh readings a second, over all rails and counters.
    pub fresh_hz: f64,
    /// 99th percentile of the lateness of a sampling instant, in microseconds.
    pub lateness_p99_us: f64,
    /// Readings dropped because they repeated a conversion.
    pub repeats: u64,
    /// Readings lost because a queue was full.
    pub drops: u64,
    /// Deadlines missed by a whole period or more.
    pub overruns: u64,
    /// Time our BPF programs ran, on all CPUs, in percent of one core; not part of `cpu_percent`.
    /// `None` where there are none or the kernel did not tell.
    pub bpf_percent: Option<f64>,
    /// How often they ran.
    pub bpf_runs: Option<u64>,
    /// Events they lost because a ring buffer was full.
    pub bpf_drops: Option<u64>,
}

fn text<S: Serializer>(name: &Name, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name)
}

fn optional_text<S: Serializer>(name: &Option<Name>, serializer: S) -> Result<S::Ok, S::Error> {
    match name {
        Some(name) => serializer.serialize_some(name.as_str()),
        None => serializer.serialize_none(),
    }
}
