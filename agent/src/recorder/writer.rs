//! The thread that turns what was sampled into rows.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use wattline_board::Roots;
use wattline_trace::rows::{
    AgentRow, CounterRow, CpuRow, EventKind, EventRow, PowerRow, TrafficRow,
};
use wattline_trace::{BundleWriter, Name, TableWriter, WriteError};

use super::cpus::{CpuAccount, Cpus};
use super::frequencies::Frequencies;
use super::kernel_events::KernelEvents;
use crate::counter::Moved;
use crate::fault::{Fault, MOST_FAILURES, ReadFault, Verdict};
use crate::kernel::{BpfCost, Kernel, Meter};
use crate::perf_event::GroupFault;
use crate::sampler::cpu_channel::CpuReading;
use crate::sampler::queue::{Notice, Queue, Reading, Tally};
use crate::sampler::thread_cpu_ns;

/// How long readings wait in the queue at most. Each wake-up costs about as much as writing ten
/// rows, and a queue of the default size holds seconds.
const DRAIN_PERIOD: Duration = Duration::from_millis(100);

/// What a rail's rows have in common.
#[derive(Debug)]
pub(super) struct RailLabel {
    pub(super) name: Name,
    pub(super) path: String,
    pub(super) window_ns: u64,
}

/// What is written of traffic counters besides numbers.
#[derive(Debug, Default)]
pub(super) struct TrafficLabels {
    /// (counter, port) of each port.
    pub(super) ports: Vec<(Name, Name)>,
    /// (counter, PMU, CPU) of each group of events.
    pub(super) groups: Vec<(Name, Name, u32)>,
    /// Each counter.
    pub(super) counters: Vec<Name>,
}

/// What is written of hardware counters besides numbers: (component, event) of each counter, and
/// (component, CPU) of each group.
#[derive(Debug, Default)]
pub(super) struct HardwareLabels {
    pub(super) counters: Vec<(Name, Name)>,
    pub(super) groups: Vec<(Name, u32)>,
}

/// The writer: the queue's far end and the tables.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Arc<Queue>,
    rails: Vec<RailLabel>,
    labels: TrafficLabels,
    hardware: HardwareLabels,
    power: TableWriter<PowerRow>,
    traffic: TableWriter<TrafficRow>,
    counters: TableWriter<CounterRow>,
    events: TableWriter<EventRow>,
    agent: TableWriter<AgentRow>,
    cpu: TableWriter<CpuRow>,
    /// `/proc/stat`; `None` of an emulated board.
    cpus: Option<Cpus>,
    /// Whether BPF programs account the CPUs: then `cpus` says only which there are.
    accounted: bool,
    frequencies: Frequencies,
    kernel_events: KernelEvents,
    meter: Option<Meter>,
    /// The last account that was written.
    last: Tally,
}

/// What the writer knows at its end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Written {
    pub(super) cpu_ns: u64,
    pub(super) resident_bytes: u64,
    pub(super) bpf: Option<BpfCost>,
    pub(super) bpf_drops: Option<u64>,
}

impl Writer {
    pub(super) fn new(
        queue: Arc<Queue>,
        rails: Vec<RailLabel>,
        labels: TrafficLabels,
        hardware: HardwareLabels,
        bundle: &BundleWriter,
        roots: &Roots,
        kernel: Kernel,
    ) -> Result<Self, WriteError> {
        let Kernel { cpu_times, frequency, meter } = kernel;
        let mut cpus = Cpus::open(roots);
        let mut frequencies = Frequencies::new(roots.sysfs.clone());
        for account in cpus.as_mut().map(Cpus::read).unwrap_or_default() {
            // As ever: what holds at the first account is known before it is read.
            frequencies.sample(0, account.cpu);
        }
        Ok(Writer {
            queue,
            rails,
            labels,
            hardware,
            power: bundle.table()?,
            traffic: bundle.table()?,
            counters: bundle.table()?,
            events: bundle.table()?,
            agent: bundle.table()?,
            cpu: bundle.table()?,
            cpus,
            accounted: cpu_times.is_some(),
            frequencies,
            kernel_events: KernelEvents::new(frequency, bundle.table()?),
            meter,
            last: Tally::default(),
        })
    }

    pub(super) fn spawn(self) -> io::Result<JoinHandle<Written>> {
        std::thread::Builder::new().name("recorder".into()).spawn(move || self.run())
    }

    fn run(mut self) -> Written {
        self.queue.i_am_the_writer();
        loop {
            // Looked at first: what was put in before it was set is then drained below.
            let all = self.queue.has_sampled_all();
            self.drain();
            if all {
                break;
            }
            std::thread::park_timeout(DRAIN_PERIOD);
        }
        Written {
            cpu_ns: thread_cpu_ns(),
            resident_bytes: resident_bytes(),
            bpf: self.meter.as_mut().and_then(Meter::cost),
            bpf_drops: self.bpf_drops(),
        }
    }

    /// Writes all that waits. After a failure it only empties the queues, so that a sampler
    /// waiting for room can end.
    fn drain(&mut self) {
        if self.queue.failure().is_none() {
            let written = self.kernel_events.drain(&mut self.frequencies);
            self.keep(written);
        }
        while let Some(reading) = self.queue.take_reading() {
            if self.queue.failure().is_none() {
                let written = self.write_reading(reading);
                self.keep(written);
            }
        }
        while let Some(notice) = self.queue.take_notice() {
            if self.queue.failure().is_none() {
                let written = self.write_notice(notice);
                self.keep(written);
            }
        }
    }

    fn keep(&self, written: Result<(), WriteError>) {
        if let Err(error) = written {
            self.queue.fail(error);
        }
    }

    fn write_reading(&mut self, reading: Reading) -> Result<(), WriteError> {
        match reading {
            Reading::Rail(rail, reading) => {
                let label = &self.rails[usize::from(rail)];
                self.power.write(&PowerRow {
                    t_ns: reading.t_ns,
                    rail: label.name.clone(),
                    volts: reading.volts,
                    amps: reading.amps,
                    watts: reading.watts,
                    window_ns: label.window_ns,
                })
            }
            Reading::Port { t_ns, port, moved, scaled } => {
                let (source, port) = self.labels.ports[usize::from(port)].clone();
                let (total_bytes, read_bytes, write_bytes) = match moved {
                    Moved::Apart { read_bytes, write_bytes } => {
                        let total = read_bytes.saturating_add(write_bytes);
                        (total, Some(read_bytes), Some(write_bytes))
                    }
                    Moved::Together { bytes } => (bytes, None, None),
                };
                self.traffic.write(&TrafficRow {
                    t_ns,
                    source,
                    port,
                    total_bytes,
                    read_bytes,
                    write_bytes,
                    scaled,
                })
            }
            Reading::Cpu(CpuReading { t_ns, cpu, target_ns, busy_ns }) => {
                let cpu = u32::from(cpu);
                let freq_khz = self.frequencies.at(t_ns, cpu);
                let target_busy_ns = Some(target_ns);
                self.cpu.write(&CpuRow { t_ns, cpu, target_busy_ns, busy_ns, freq_khz })
            }
            Reading::Hardware { t_ns, counter, count, scaled } => {
                let (component, event) = self.hardware.counters[usize::from(counter)].clone();
                let t_ns = Some(t_ns);
                self.counters.write(&CounterRow {
                    t_ns,
                    span: None,
                    component,
                    event,
                    value: count,
                    scaled,
                })
            }
        }
    }

    fn write_notice(&mut self, notice: Notice) -> Result<(), WriteError> {
        match notice {
            Notice::Failed { t_ns, rail, fault, verdict } => {
                self.write_failure(t_ns, &self.rails[usize::from(rail)], fault, verdict)
            }
            Notice::Group { t_ns, group, fault } => self.write_group_fault(t_ns, group, fault),
            Notice::Traffic { t_ns, group, fault } => self.write_traffic_fault(t_ns, group, fault),
            Notice::Scaled { t_ns, counter } => {
                let detail = "its events take turns on the PMU's counters, among themselves or \
                              with another profiler's: from here on its bytes are scaled";
                let counter = &self.labels.counters[usize::from(counter)];
                self.event(t_ns, EventKind::Note, counter, detail, 1)
            }
            Notice::AllGone { t_ns } => {
                let detail = "no sensor is left; recording goes on for the spans' sake";
                self.event(t_ns, EventKind::Note, "sampler", detail, 1)
            }
            Notice::Tally(tally) => self.write_tally(tally),
        }
    }

    fn write_failure(
        &self,
        t_ns: u64,
        rail: &RailLabel,
        fault: ReadFault,
        verdict: Verdict,
    ) -> Result<(), WriteError> {
        let path = &rail.path;
        let (kind, detail, count) = match (verdict, fault.fault()) {
            (Verdict::Silent, _) => return Ok(()),
            (Verdict::Report(count), _) => {
                (EventKind::SensorError, format!("{path}: {fault}; tried again"), count)
            }
            (Verdict::Gone, Fault::Fatal) => {
                let detail = format!("{path}: {fault}; not read any more; run as root");
                (EventKind::ChannelGone, detail, 1)
            }
            (Verdict::Gone, Fault::Gone) => {
                (EventKind::ChannelGone, format!("{path}: {fault}; not read any more"), 1)
            }
            (Verdict::Gone, Fault::Retry) => {
                let detail = format!(
                    "{path}: {fault}; not read any more after {MOST_FAILURES} failures in a row"
                );
                (EventKind::ChannelGone, detail, 1)
            }
        };
        self.event(t_ns, kind, &rail.name, &detail, count)
    }

    fn write_group_fault(
        &self,
        t_ns: u64,
        group: u16,
        fault: GroupFault,
    ) -> Result<(), WriteError> {
        let (component, cpu) = &self.hardware.groups[usize::from(group)];
        let detail = match fault {
            GroupFault::Gone => format!(
                "CPU {cpu} was switched off: what it counts from now on is missing in counters.csv"
            ),
            GroupFault::NeverScheduled => format!(
                "CPU {cpu} never had counters free for a group of events: they have no number in \
                 counters.csv; end other profilers, or the NMI watchdog (sysctl \
                 kernel.nmi_watchdog=0)"
            ),
        };
        self.event(t_ns, EventKind::ChannelGone, component, &detail, 1)
    }

    fn write_traffic_fault(
        &self,
        t_ns: u64,
        group: u16,
        fault: GroupFault,
    ) -> Result<(), WriteError> {
        let (counter, pmu, cpu) = &self.labels.groups[usize::from(group)];
        let detail = match fault {
            GroupFault::Gone => format!(
                "PMU {pmu} on CPU {cpu} answers no more: its ports have no more rows in traffic.csv"
            ),
            GroupFault::NeverScheduled => format!(
                "PMU {pmu} on CPU {cpu} never had counters free: its ports have no rows in \
                 traffic.csv; end other profilers"
            ),
        };
        self.event(t_ns, EventKind::ChannelGone, counter, &detail, 1)
    }

    fn write_tally(&mut self, tally: Tally) -> Result<(), WriteError> {
        let t_ns = tally.t_ns;
        let missed = tally.overruns - self.last.overruns;
        let lost = tally.drops - self.last.drops;
        self.last = tally;
        if missed > 0 {
            let detail = "deadlines missed: the machine or its sensors were too slow";
            self.event(t_ns, EventKind::Overrun, "sampler", detail, missed)?;
        }
        if lost > 0 {
            let detail = "readings lost: the writer did not keep up";
            self.event(t_ns, EventKind::Drop, "sampler", detail, lost)?;
        }
        let bpf = self.meter.as_mut().and_then(Meter::cost);
        self.agent.write(&AgentRow {
            t_ns,
            cpu_ns: tally.cpu_ns + thread_cpu_ns(),
            resident_bytes: resident_bytes(),
            ticks: tally.ticks,
            samples: tally.samples,
            repeats: tally.repeats,
            drops: tally.drops,
            overruns: tally.overruns,
            lateness_p50_ns: tally.lateness_p50_ns,
            lateness_p99_ns: tally.lateness_p99_ns,
            bpf_ns: bpf.map(|cost| cost.run_ns),
            bpf_runs: bpf.map(|cost| cost.runs),
            bpf_drops: self.bpf_drops(),
        })?;
        self.kernel_events.tell_lost(t_ns)?;
        self.look_at_cpus(t_ns)
    }

    /// Looks how fast CPUs run, and, where nothing better accounts it, how busy they were.
    fn look_at_cpus(&mut self, t_ns: u64) -> Result<(), WriteError> {
        let accounts = self.cpus.as_mut().map(Cpus::read).unwrap_or_default();
        for account in accounts {
            let CpuAccount { cpu, busy_ns } = account;
            if let Some(change) = self.frequencies.sample(t_ns, cpu) {
                self.kernel_events.write_sampled(change)?;
            }
            if !self.accounted {
                let freq_khz = self.frequencies.at(t_ns, cpu);
                self.cpu.write(&CpuRow { t_ns, cpu, target_busy_ns: None, busy_ns, freq_khz })?;
            }
        }
        Ok(())
    }

    fn bpf_drops(&self) -> Option<u64> {
        Some(self.kernel_events.lost()? + self.queue.lost_marks())
    }

    fn event(
        &self,
        t_ns: u64,
        kind: EventKind,
        source: &str,
        detail: &str,
        count: u64,
    ) -> Result<(), WriteError> {
        let (source, detail) = (Name::new(source), Name::new(detail));
        self.events.write(&EventRow { t_ns, kind, source, detail, count })
    }
}

/// Resident memory of this process; 0 if its own procfs cannot be read.
fn resident_bytes() -> u64 {
    procfs::process::Process::myself()
        .and_then(|myself| myself.statm())
        .map_or(0, |statm| statm.resident * procfs::page_size())
}
