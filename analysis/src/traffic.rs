//! DRAM bytes of runs, from cumulative counters.
//!
//! Bytes over a stretch are the difference of the cumulative count at its two ends, interpolated
//! linearly between the readings on either side. A run is measured over itself and a flank of idle
//! time on either side, where traffic is steady and interpolation exact; then the idle rate times
//! that duration is subtracted: `bytes = B(to) − B(from) − rate · (to − from)`, with
//! `rate = Σ ΔB / Σ ΔT` over the idle gaps.
//!
//! One pass, and only the counts at the stretches' ends are kept.

mod port;
mod ticks;

use std::collections::{BTreeMap, HashSet};

use wattline_trace::rows::TrafficRow;
use wattline_trace::{BundleReader, CounterRecord, Name};

use crate::error::AnalysisError;
use crate::layers::Sight;
use crate::layers::watch::{Watch, counter as counter_source};
use crate::refusal::Refusal;
use crate::spans::seconds;
use crate::table::for_each_row;
use crate::taken::Taken;
use crate::timeline::{Block, Stretch, Timeline};
use port::{Monotonic, Port, Probe};
use ticks::Ticks;

/// An end of a stretch that idle time does not flank must be read this near, in run durations.
const NEAREST_READING: f64 = 0.01;

/// Traffic of the counter that sees all of the DRAM.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// Why it is known of no run.
    refusal: Option<Refusal>,
    ports: BTreeMap<Name, Port>,
    /// Each block with its flanks, then each block alone, then each idle stretch.
    stretches: Vec<Stretch>,
    blocks: usize,
    is_scaled: bool,
}

impl Traffic {
    /// Reads `traffic.csv`, where the manifest names a counter that sees the DRAM; layers are told of
    /// what it counted from reading to reading.
    ///
    /// # Errors
    /// If the table cannot be read, or a port's time or count goes backwards.
    pub(crate) fn read(
        bundle: &BundleReader,
        timeline: &Timeline,
        (watch, taken): (&mut Watch, &mut Taken),
        warnings: &mut Vec<String>,
    ) -> Result<Self, AnalysisError> {
        let counter = dram_counter(bundle);
        let mut ticks = Ticks::new(counter.map_or(0, |counter| counter.ports.len()));
        let source = counter_source(bundle.manifest());
        let interval = counter.map_or(0, |counter| counter.interval_ns);
        let stretches = stretches(timeline, interval);
        let mut instants: Vec<u64> = stretches.iter().flat_map(|s| [s.from, s.to]).collect();
        instants.sort_unstable();
        instants.dedup();
        let mut traffic = Traffic {
            refusal: counter.is_none().then_some(Refusal::NoDramSource),
            ports: BTreeMap::new(),
            stretches,
            blocks: timeline.blocks().len(),
            is_scaled: false,
        };
        if counter.is_none() && !bundle.has::<TrafficRow>() {
            return Ok(traffic);
        }
        let mut monotonic = Monotonic::default();
        for_each_row::<TrafficRow>(bundle, warnings, |number, row, path| {
            monotonic.check(number, row, path)?;
            taken.row(row.t_ns);
            if counter.is_some_and(|counter| row.source == *counter.source) {
                traffic.is_scaled |= row.scaled;
                let port = traffic.ports.entry(row.port.clone());
                port.or_insert_with(|| Port::new(row, &instants)).add(row);
                if let Some(tick) = ticks.add(row) {
                    let window = seconds(tick.from, tick.to);
                    let sight = Sight { window, least: 0.0, lag: 0.0 };
                    watch.reading(source, tick.to, tick.bytes / window, || sight);
                }
            }
            Ok(())
        })?;
        if let Some(counter) = counter {
            traffic.refusal = port_fault(counter, &traffic.ports);
        }
        Ok(traffic)
    }

    /// Whether any of the counts was scaled up for time the counter was not scheduled.
    pub(crate) fn is_scaled(&self) -> bool {
        self.is_scaled
    }

    /// DRAM bytes above idle of block `index`, which holds one whole run, and by how many of them idle
    /// gaps differ.
    ///
    /// # Errors
    /// A refusal, where the counts do not carry a number.
    pub(crate) fn bytes(&self, index: usize, block: &Block) -> Result<(f64, f64), Refusal> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        let mut active = 0.0;
        let mut spread = 0.0;
        for (name, port) in &self.ports {
            let port_name = || name.to_string();
            let edge = |edge| Refusal::TrafficEdge { port: port_name(), edge };
            let (from, to) = self.ends(index, port);
            let from = from.filter(|from| self.sound(from, block)).ok_or_else(|| edge("start"))?;
            let to = to.filter(|to| self.sound(to, block)).ok_or_else(|| edge("end"))?;
            let idle =
                self.idle(port).ok_or_else(|| Refusal::NoIdleTraffic { port: port_name() })?;
            let duration = seconds(from.at, to.at);
            active += to.bytes - from.bytes - idle.rate * duration;
            spread += idle.spread * duration;
        }
        if active <= spread {
            return Err(Refusal::TrafficUndetermined { bytes: active, spread });
        }
        Ok((active, spread))
    }

    /// Idle traffic of all ports, in bytes a second, and by how much idle gaps differ.
    ///
    /// # Errors
    /// A refusal, where it is not known.
    pub(crate) fn idle_rate(&self) -> Result<(f64, f64), Refusal> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        self.ports.iter().try_fold((0.0, 0.0), |(rate, spread), (name, port)| {
            let unknown = || Refusal::NoIdleTraffic { port: name.to_string() };
            let idle = self.idle(port).ok_or_else(unknown)?;
            Ok((rate + idle.rate, spread + idle.spread))
        })
    }

    /// The counts at the ends of a block's stretch: with flanks where the series reaches so far.
    fn ends(&self, index: usize, port: &Port) -> (Option<Probe>, Option<Probe>) {
        let (flanked, alone) = (self.stretches[index], self.stretches[index + self.blocks]);
        let from = port.probe(flanked.from).or_else(|| port.probe(alone.from));
        let to = port.probe(flanked.to).or_else(|| port.probe(alone.to));
        (from, to)
    }

    /// A count is sound if no work goes on between the readings around it, for traffic is steady
    /// then, or if they lie so near each other that it does not matter.
    fn sound(&self, probe: &Probe, block: &Block) -> bool {
        let apart = seconds(probe.before, probe.after);
        self.idle_around(probe) || apart <= NEAREST_READING * seconds(block.start, block.end)
    }

    fn idle_around(&self, probe: &Probe) -> bool {
        let blocks = &self.stretches[self.blocks..2 * self.blocks];
        let next = blocks.partition_point(|block| block.to <= probe.before);
        blocks.get(next).is_none_or(|block| block.from >= probe.after)
    }

    /// Idle traffic of a port; none if it was not read in any idle stretch.
    fn idle(&self, port: &Port) -> Option<IdleTraffic> {
        let (mut bytes, mut duration) = (0.0, 0.0);
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for stretch in &self.stretches[2 * self.blocks..] {
            // The first and the last gap end where the series does.
            let from =
                if stretch.from == 0 { Some(port.first()) } else { port.probe(stretch.from) };
            let to =
                if stretch.to == u64::MAX { Some(port.last()) } else { port.probe(stretch.to) };
            let (Some(from), Some(to)) = (from, to) else { continue };
            let length = seconds(from.at, to.at);
            if length == 0.0 || !self.idle_around(&from) || !self.idle_around(&to) {
                continue;
            }
            let moved = to.bytes - from.bytes;
            bytes += moved;
            duration += length;
            least = least.min(moved / length);
            most = most.max(moved / length);
        }
        (duration > 0.0).then(|| IdleTraffic { rate: bytes / duration, spread: most - least })
    }
}

/// Idle traffic of a port.
#[derive(Debug, Clone, Copy)]
struct IdleTraffic {
    /// Bytes a second.
    rate: f64,
    /// The largest rate of a gap less the smallest.
    spread: f64,
}

fn dram_counter(bundle: &BundleReader) -> Option<&CounterRecord> {
    let manifest = bundle.manifest();
    let source = manifest.dram_source.as_ref()?;
    manifest.counters.iter().find(|counter| counter.source == *source)
}

/// Blocks with flanks, blocks alone, idle stretches.
fn stretches(timeline: &Timeline, interval: u64) -> Vec<Stretch> {
    let flank = interval.saturating_mul(2);
    let blocks = timeline.blocks();
    let flanked = (0..blocks.len()).map(|index| timeline.expanded(index, interval, flank));
    let stretch =
        |from, to, flanked| Stretch { from, to, flanked_before: flanked, flanked_after: flanked };
    let alone = blocks.iter().map(|block| stretch(block.start, block.end, false));
    let idle = timeline.idle(flank, interval);
    let idle = idle.into_iter().map(|(from, to)| stretch(from, to, true));
    flanked.chain(alone).chain(idle).collect()
}

/// Ports that are missing, or that the manifest does not name.
fn port_fault(counter: &CounterRecord, ports: &BTreeMap<Name, Port>) -> Option<Refusal> {
    let named: HashSet<&str> = counter.ports.iter().map(String::as_str).collect();
    let missing = counter.ports.iter().find(|port| !ports.contains_key(port.as_str()));
    let unnamed = ports.keys().find(|port| !named.contains(port.as_str()));
    let fault = |port: &str, fault| Refusal::Port {
        source_name: counter.source.clone(),
        port: port.to_owned(),
        fault,
    };
    missing
        .map(|port| fault(port, "in the manifest and has no rows"))
        .or_else(|| unnamed.map(|port| fault(port, "in traffic.csv and not in the manifest")))
        .or_else(|| named.is_empty().then(|| fault("(any)", "missing from the manifest")))
}
