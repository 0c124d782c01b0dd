//! Why a number is not given.

use serde::Serialize;

/// Why a cell is empty. A wrong joule is worse than no joule: each of these stands where a number
/// could have been computed but not been trusted.
#[derive(Debug, Clone, PartialEq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The run's own span, or its images, never reached the bundle.
    #[error("the run is incomplete: its own span is missing, it was cut off while running")]
    CutOff,
    /// A component's part of a co-execution whose own span never reached the bundle.
    #[error("the span of the co-execution is missing: it was cut off while running")]
    NoCoexecution,
    /// The spans of a co-execution contradict each other.
    #[error("the co-execution cannot be told apart: {reason}")]
    Contradiction {
        /// In which way.
        reason: String,
    },
    /// Bytes of a co-execution cannot be split, for this component was not seen alone.
    #[error(
        "{component} has no run of its own with known DRAM bytes: those of the co-execution cannot be split"
    )]
    NoSoloBytes {
        /// The component.
        component: String,
    },
    /// The run has no image span.
    #[error("the run has no image spans")]
    NoImages,
    /// An image lies (partly) outside the run it says it belongs to.
    #[error("image {image} lies outside its run: spans.csv contradicts itself")]
    ImageOutsideRun {
        /// The image's index in its stream, or its place in the run.
        image: u64,
    },
    /// The images take no time at all.
    #[error("the images take no time: no rate can be given")]
    NoTime,
    /// Another run, or stray work, goes on at the same time.
    #[error(
        "{other} overlaps this run in time: rails and DRAM are shared, their use cannot be told apart"
    )]
    Overlap {
        /// What overlaps.
        other: String,
    },
    /// The manifest does not know the component, or names no rails for it.
    #[error("the manifest names no rails for {component}: its energy is not known")]
    NoRails {
        /// The component.
        component: String,
    },
    /// The component was emulated on a board that is not.
    #[error("{component} was emulated on a real board: no sensor read its energy")]
    StandInEnergy {
        /// The component.
        component: String,
    },
    /// The component was emulated on a board that is not, and moved no bytes.
    #[error(
        "{component} was emulated on a real board and moved no bytes: no counter saw its DRAM traffic"
    )]
    StandInTraffic {
        /// The component.
        component: String,
    },
    /// A rail of the component was not recorded.
    #[error("rail {rail} was not recorded")]
    RailNotRecorded {
        /// The rail.
        rail: String,
    },
    /// A rail was recorded, but has no reading.
    #[error("rail {rail} has no readings")]
    NoReadings {
        /// The rail.
        rail: String,
    },
    /// Readings average over longer windows than the manifest says.
    #[error(
        "rail {rail}: readings average over {found_ms:.3} ms, the manifest says {stated_ms:.3} ms: windows at the edges of the run cannot be placed"
    )]
    WindowMismatch {
        /// The rail.
        rail: String,
        /// The longest window in the rows.
        found_ms: f64,
        /// The manifest's window.
        stated_ms: f64,
    },
    /// The sensor's readings begin only after the run does.
    #[error("rail {rail}: readings begin {late_ms:.1} ms after the run does")]
    BeginsLate {
        /// The rail.
        rail: String,
        /// How much later.
        late_ms: f64,
    },
    /// The sensor's readings end before the run does.
    #[error(
        "rail {rail}: readings stop {early_ms:.1} ms before the run ends: the sensor went away"
    )]
    SensorGone {
        /// The rail.
        rail: String,
        /// How much earlier.
        early_ms: f64,
    },
    /// The run is too short for the sensor.
    #[error(
        "rail {rail}: the run lasts {windows:.1} windows of the sensor, at least {least} are needed; run more images"
    )]
    TooShort {
        /// The rail.
        rail: String,
        /// The run's duration in conversion windows.
        windows: f64,
        /// What is needed.
        least: u64,
    },
    /// There are too few readings in the run.
    #[error(
        "rail {rail}: {found} readings in the run, at least {least} are needed; run more images"
    )]
    TooFewReadings {
        /// The rail.
        rail: String,
        /// Readings in the run.
        found: u64,
        /// What is needed.
        least: u64,
    },
    /// Too much of the run lies between readings.
    #[error(
        "rail {rail}: {percent:.1} % of the run is covered by no reading, at most {most} % is allowed"
    )]
    Uncovered {
        /// The rail.
        rail: String,
        /// Time no reading covers, of the run's duration.
        percent: f64,
        /// What is allowed.
        most: f64,
    },
    /// One stretch of the run that nobody saw is too long.
    #[error(
        "rail {rail}: no reading for {hole_ms:.0} ms on end, {percent:.1} % of the run, at most {most} % is allowed; something held the recorder up"
    )]
    Hole {
        /// The rail.
        rail: String,
        /// The stretch.
        hole_ms: f64,
        /// Of the run's duration.
        percent: f64,
        /// What is allowed.
        most: f64,
    },
    /// Idle power is not known.
    #[error(
        "rail {rail}: {found} readings lie wholly in idle gaps, at least {least} are needed to know idle power; leave longer gaps between runs"
    )]
    NoIdle {
        /// The rail.
        rail: String,
        /// Idle readings.
        found: u64,
        /// What is needed.
        least: u64,
    },
    /// Idle gaps were not idle.
    #[error(
        "rail {rail}: other processes were busier while nothing ran than during the run: what it would draw without the run is not known; record on a quieter machine"
    )]
    BusyIdle {
        /// The rail.
        rail: String,
    },
    /// Power is not voltage times current.
    #[error(
        "rail {rail}: its watts are not its volts · amps, by {share_pct:.1} % of its joules: a wrong unit, or damaged rows of power.csv"
    )]
    Contradicting {
        /// The rail.
        rail: String,
        /// Of all its joules.
        share_pct: f64,
    },
    /// The rail's joules do not add up, so none of them is given.
    #[error("rail {rail}: joules are not conserved ({verdict})")]
    NotConserved {
        /// The rail.
        rail: String,
        /// The verdict on the rail.
        verdict: String,
    },
    /// The interval is wider than the value.
    #[error(
        "active energy is {joules:.3} ± {half_width:.3} J: not told apart from nothing; run more images"
    )]
    Undetermined {
        /// Active joules of the run.
        joules: f64,
        /// Half of the 95 % interval.
        half_width: f64,
    },
    /// A sum left the range of numbers.
    #[error("rail {rail}: readings are absurd, their sum is not a finite number")]
    NotFinite {
        /// The rail.
        rail: String,
    },
    /// The images say nothing of their floating-point operations.
    #[error("no floating-point operations are known for this network")]
    NoFlops,
    /// The images say nothing of their bytes.
    #[error("no theoretical bytes are known for this network")]
    NoTheoreticalBytes,
    /// No counter sees the DRAM.
    #[error("no counter that sees all DRAM traffic was recorded")]
    NoDramSource,
    /// A port that the manifest names has no rows, or one it does not name has.
    #[error("DRAM counter {source_name}: port {port} is {fault}: the sum of ports is not known")]
    Port {
        /// The counter.
        source_name: String,
        /// The port.
        port: String,
        /// In which way manifest and rows differ.
        fault: &'static str,
    },
    /// The counter was not read near an edge of the run.
    #[error("DRAM counter port {port} was not read near the {edge} of the run")]
    TrafficEdge {
        /// The port.
        port: String,
        /// `start` or `end`.
        edge: &'static str,
    },
    /// Idle traffic is not known.
    #[error("DRAM counter port {port} has no readings in idle gaps: idle traffic is not known")]
    NoIdleTraffic {
        /// The port.
        port: String,
    },
    /// Layers of several components at once.
    #[error("components ran together: joules and bytes of layers are known of runs alone")]
    LayersTogether,
    /// Layers whose spans contradict each other.
    #[error("layers overlap in time, or reach outside their image: they are not told apart")]
    LayersOverlap,
    /// No reading looks at the run alone.
    #[error(
        "{source_name}: no reading looks at layers of this run alone: its windows are too long"
    )]
    NoLayerReadings {
        /// The rail or counter.
        source_name: String,
    },
    /// Images were too few to see how layers repeat.
    #[error(
        "{source_name}: readings fall into {found} stretches of the run, at least {least} are needed to know \
         layers' intervals; run more images"
    )]
    TooFewRepeats {
        /// The rail or counter.
        source_name: String,
        /// Stretches.
        found: u64,
        /// What is needed.
        least: u64,
    },
    /// Readings do not tell layers apart.
    #[error(
        "readings do not tell layers apart (condition number {condition:.0}, at most {most:.0} is allowed); \
         run more images with --dither, or sample faster"
    )]
    LayersNotApart {
        /// Of the fit.
        condition: f64,
        /// What is allowed.
        most: f64,
    },
    /// Traffic of the run is not told apart from idle traffic.
    #[error(
        "DRAM traffic is {bytes:.0} bytes above idle, idle traffic varies by {spread:.0}: not told apart from nothing"
    )]
    TrafficUndetermined {
        /// Bytes above idle.
        bytes: f64,
        /// Spread of the idle traffic over the run's duration.
        spread: f64,
    },
}
