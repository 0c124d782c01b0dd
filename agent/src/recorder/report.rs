//! What a recording cost and what it yielded.

use std::fmt;

use wattline_trace::{CounterRecord, Provenance};

/// The agent's account of one recording.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct AgentReport {
    /// How long was recorded, seconds of the clock it ran on.
    pub seconds: f64,
    /// CPU time of the agent's own threads, nanoseconds of real time.
    pub cpu_ns: u64,
    /// Resident memory of the whole process at the end, bytes.
    pub resident_bytes: u64,
    /// Sampling instants.
    pub ticks: u64,
    /// Fresh readings of rails and readings of ports: rows written, and [`AgentReport::drops`].
    /// Accounts of CPUs are not among them.
    pub samples: u64,
    /// Readings left out because they repeated a conversion.
    pub repeats: u64,
    /// Readings lost because the queue to the writer was full.
    pub drops: u64,
    /// Deadlines missed by a whole period or more.
    pub overruns: u64,
    /// Median of wake-up time less deadline, nanoseconds.
    pub lateness_p50_ns: u64,
    /// Its 99th percentile.
    pub lateness_p99_ns: u64,
    /// Time our BPF programs ran, on all CPUs, nanoseconds; not part of [`AgentReport::cpu_ns`].
    /// `None` where there are none, or the kernel does not tell.
    pub bpf_ns: Option<u64>,
    /// How often they ran.
    pub bpf_runs: Option<u64>,
    /// Events they lost because a ring buffer was full.
    pub bpf_drops: Option<u64>,
    /// Fresh readings of each rail a second.
    pub rails: Vec<RailRate>,
    /// Traffic counters some of whose bytes are scaled.
    pub scaled: Vec<String>,
}

/// How often a rail had something new to say.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct RailRate {
    /// The rail.
    pub rail: String,
    /// Fresh readings a second.
    pub fresh_hz: f64,
}

impl AgentReport {
    /// Says in a manifest's records which counters turned out to be scaled.
    pub fn mark_scaled(&self, counters: &mut [CounterRecord]) {
        for counter in counters.iter_mut().filter(|it| self.scaled.contains(&it.source)) {
            counter.provenance = counter.provenance.max(Provenance::Scaled);
        }
    }

    /// CPU time of the agent as a share of one core; of no meaning on a virtual clock.
    pub fn cost(&self) -> f64 {
        if self.seconds > 0.0 { self.cpu_ns as f64 / 1e9 / self.seconds } else { 0.0 }
    }
}

impl fmt::Display for AgentReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "agent: {:.2} % of one core", self.cost() * 100.0)?;
        write!(f, ", {:.1} MB resident", self.resident_bytes as f64 / 1e6)?;
        let micros = |ns: u64| ns as f64 / 1e3;
        let (p50, p99) = (micros(self.lateness_p50_ns), micros(self.lateness_p99_ns));
        write!(f, ", late {p50:.0} µs (p50) {p99:.0} µs (p99)")?;
        write!(f, ", {} ticks, {} samples", self.ticks, self.samples)?;
        let rates = || self.rails.iter().map(|rail| rail.fresh_hz);
        if !self.rails.is_empty() {
            let (low, high) = (rates().fold(f64::MAX, f64::min), rates().fold(0.0, f64::max));
            if high - low < 1.0 {
                write!(f, ", {high:.0} fresh Hz a rail")?;
            } else {
                write!(f, ", {low:.0} to {high:.0} fresh Hz a rail")?;
            }
        }
        let (repeats, drops, overruns) = (self.repeats, self.drops, self.overruns);
        write!(f, ", {repeats} repeats, {drops} drops, {overruns} overruns")?;
        if let Some((ns, runs)) = self.bpf_ns.zip(self.bpf_runs).filter(|_| self.seconds > 0.0) {
            let percent = ns as f64 / 1e9 / self.seconds * 100.0;
            write!(f, ", BPF {percent:.2} % of one core in {runs} runs")?;
        }
        self.bpf_drops.map_or(Ok(()), |drops| write!(f, ", {drops} BPF events dropped"))
    }
}
