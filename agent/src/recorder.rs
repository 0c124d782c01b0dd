//! A recording: sampler and writer at work on one bundle.

mod cpus;
mod frequencies;
mod hardware;
mod kernel_events;
mod report;
mod settings;
mod writer;

use std::sync::Arc;
use std::thread::JoinHandle;

use wattline_board::clock::{Attendance, Clock};
use wattline_trace::rows::{EventKind, EventRow};
use wattline_trace::{
    BundleWriter, ClockKind, CounterRecord, HardwareCounterRecord, Name, Provenance, RailRecord,
    TableWriter, WriteError,
};

use crate::counter::{ActiveCounter, TrafficCounter};
use crate::inventory::{self, Inventory};
use crate::performance;
use crate::sampler::cpu_channel::CpuChannel;
use crate::sampler::queue::{Queue, WhenFull};
use crate::sampler::{Pace, Sampled, Sampler, Watched};
use crate::sensor::RailSensor;
use crate::sensor::channel::RailChannel;
use writer::{RailLabel, TrafficLabels, Writer, Written};

pub use report::{AgentReport, RailRate};
pub use settings::{Settings, StartError};

/// A recording in progress.
///
/// [`Recorder::stop`] ends it. Dropped instead (on an error path), it ends too and restores the
/// sensors' settings and the counters' registers, but gives no report; on a virtual clock it
/// then does not wait for that, since the thread that drops it may be the one that time waits for.
#[derive(Debug)]
pub struct Recorder {
    clock: Arc<dyn Clock>,
    queue: Arc<Queue>,
    events: TableWriter<EventRow>,
    rails: Vec<RailRecord>,
    counters: Vec<CounterRecord>,
    hardware: Vec<HardwareCounterRecord>,
    started_ns: u64,
    sampler: Option<JoinHandle<Sampled>>,
    writer: Option<JoinHandle<Written>>,
}

impl Recorder {
    /// Sets the sensors' windows, lets the counters count, and starts to sample.
    ///
    /// What is refused on the way (a window, a counter, real-time priority) is noted in
    /// `events.csv` and does not keep the rest from being recorded.
    ///
    /// The calling thread must attend `clock`: sensors are given 20 ms to take their settings.
    /// When this returns the sampler attends the clock too and sleeps until its first deadline.
    ///
    /// # Errors
    /// [`StartError`]: a rate out of range, a table or a thread that cannot be had.
    pub fn start(
        inventory: Inventory,
        clock: &Arc<dyn Clock>,
        bundle: &BundleWriter,
        settings: &Settings,
    ) -> Result<Self, StartError> {
        settings.check()?;
        let events = bundle.table::<EventRow>()?;
        let mut notes = Vec::new();
        let Inventory { rails, counters, performance, roots, kernel, .. } = inventory;
        let cpu_times = kernel.cpu_times.clone();
        let mut rails = settle(rails, settings.update_interval_ms, &**clock, &mut notes);
        let virtual_clock = clock.kind() == ClockKind::Virtual;
        if virtual_clock {
            rails.iter_mut().for_each(|rail| rail.source.map());
        }

        // Where a window is not known, a reading stands for the time until the next.
        let unknown_ns = (1e9 / settings.rate_hz).round() as u64;
        let window_ns = |rail: &RailSensor| rail.window_ns.unwrap_or(unknown_ns);
        let rail_record = |rail| inventory::rail_record(rail, window_ns(rail), None);
        let rail_records: Vec<_> = rails.iter().map(rail_record).collect();
        let rail_labels = rails.iter().map(|rail| RailLabel {
            name: rail.name.clone(),
            path: rail.source.path().display().to_string(),
            window_ns: window_ns(rail),
        });
        let rail_labels = rail_labels.collect();
        let channels = rails
            .into_iter()
            .map(|rail| {
                let window_ns = window_ns(&rail);
                RailChannel::new(rail, window_ns)
            })
            .collect();
        let rate_hz = settings.counter_rate_hz();
        let counting = start_counters(counters, rate_hz, clock.now_ns(), &mut notes);

        let performance_rate_hz = settings.counter_rate_hz().min(performance::FASTEST_HZ);
        let hardware =
            hardware::start(performance, performance_rate_hz, clock.now_ns(), &mut notes);

        let when_full = if virtual_clock { WhenFull::Wait } else { WhenFull::Drop };
        let queue = Arc::new(Queue::new(settings.queue_capacity, when_full));
        let writer = Writer::new(
            Arc::clone(&queue),
            rail_labels,
            counting.labels,
            hardware.labels,
            bundle,
            &roots,
            kernel,
        )?;
        let pace = Pace {
            rate_hz: settings.rate_hz,
            counter_rate_hz: settings.counter_rate_hz(),
            performance_rate_hz,
            // Nothing is late on a virtual clock, and a real-time thread that waits for the
            // writer could keep it from running.
            priority: settings.priority.filter(|_| !virtual_clock),
            lock_memory: settings.lock_memory && !virtual_clock,
        };
        let shared = (Arc::clone(clock), Arc::clone(&queue));
        let watched = Watched {
            rails: channels,
            traffic: counting.active,
            performance: hardware.active,
            cpus: cpu_times.map(CpuChannel::new),
        };
        let sampler = Sampler::new(shared.0, shared.1, watched, pace);

        let mut recorder = Recorder {
            clock: Arc::clone(clock),
            queue,
            events,
            rails: rail_records,
            counters: counting.records,
            hardware: hardware.records,
            started_ns: clock.now_ns(),
            sampler: None,
            writer: None,
        };
        let thread = |name| move |source| StartError::Thread { name, source };
        // The writer first: should the sampler fail to start, it is told to end when `recorder`
        // is dropped.
        recorder.writer = Some(writer.spawn().map_err(thread("recorder"))?);
        let (sampler, refused) = sampler.spawn(pace).map_err(thread("sampler"))?;
        recorder.sampler = Some(sampler);
        notes.extend(refused.into_iter().map(|detail| (Name::new("sampler"), detail)));
        for (source, detail) in notes {
            recorder.note(EventKind::Note, &source, &detail);
        }
        // On a virtual clock this lets the sampler come to its first sleep, so that from here on
        // the order of events does not depend on how threads are scheduled.
        clock.sleep_until(clock.now_ns());
        Ok(recorder)
    }

    /// The rails that are sampled, with the windows their sensors took. `provenance` as in
    /// [`Inventory::rail_records`].
    pub fn rail_records(&self, provenance: Option<Provenance>) -> Vec<RailRecord> {
        let label = |record: &RailRecord| RailRecord {
            provenance: provenance.unwrap_or(record.provenance),
            ..record.clone()
        };
        self.rails.iter().map(label).collect()
    }

    /// The counters that count. `provenance` as in [`Inventory::counter_records`].
    pub fn counter_records(&self, provenance: Option<Provenance>) -> Vec<CounterRecord> {
        let label = |record: &CounterRecord| CounterRecord {
            provenance: provenance.unwrap_or(record.provenance),
            ..record.clone()
        };
        self.counters.iter().map(label).collect()
    }

    /// The hardware counters that count, of a machine that really is there.
    pub fn hardware_counter_records(&self) -> Vec<HardwareCounterRecord> {
        self.hardware.clone()
    }

    /// Writes down something that happened, now.
    pub fn note(&self, kind: EventKind, source: &str, detail: &str) {
        let t_ns = self.clock.now_ns();
        let (source, detail) = (Name::new(source), Name::new(detail));
        let written = self.events.write(&EventRow { t_ns, kind, source, detail, count: 1 });
        if let Err(error) = written {
            self.queue.fail(error);
        }
    }

    /// Counts marks that were lost, which someone else drains, as lost by BPF programs.
    pub fn count_lost_marks(&self, lost: u64) {
        self.queue.count_lost_marks(lost);
    }

    /// Why no more is written, if so (a full disk). Sampling has stopped then, and whoever runs
    /// the work should stop it too; what was written before is whole.
    pub fn failure(&self) -> Option<&WriteError> {
        self.queue.failure()
    }

    /// Takes a last sample, writes what was sampled, restores sensors and counters.
    ///
    /// It takes the calling thread's attendance of the clock, because this thread waits for the
    /// sampler, which on a virtual clock wakes only when every attending thread sleeps. The
    /// sampler is asked to stop before the attendance ends: otherwise time would run on, with
    /// nobody else to wait for, until it was. On the wall clock this takes up to 0.1 s.
    pub fn stop(mut self, attendance: Attendance) -> AgentReport {
        self.queue.ask_to_stop();
        drop(attendance);
        self.end().unwrap_or_else(|| self.report(Sampled::default(), Written::default()))
    }

    fn end(&mut self) -> Option<AgentReport> {
        self.queue.ask_to_stop();
        let sampled = self.sampler.take().map(|thread| thread.join().unwrap_or_default());
        // In case there never was a sampler to say so.
        self.queue.sampled_all();
        let written = self.writer.take().map(|thread| thread.join().unwrap_or_default());
        Some(self.report(sampled?, written?))
    }

    fn report(&self, sampled: Sampled, written: Written) -> AgentReport {
        let tally = sampled.tally;
        let seconds = tally.t_ns.saturating_sub(self.started_ns) as f64 / 1e9;
        let rates = self.rails.iter().zip(&sampled.fresh).map(|(rail, &fresh)| RailRate {
            rail: rail.name.clone(),
            fresh_hz: if seconds > 0.0 { fresh as f64 / seconds } else { 0.0 },
        });
        let scaled = self.counters.iter().zip(&sampled.scaled).filter(|(_, scaled)| **scaled);
        AgentReport {
            seconds,
            cpu_ns: tally.cpu_ns + written.cpu_ns,
            resident_bytes: written.resident_bytes,
            ticks: tally.ticks,
            samples: tally.samples,
            repeats: tally.repeats,
            drops: tally.drops,
            overruns: tally.overruns,
            lateness_p50_ns: tally.lateness_p50_ns,
            lateness_p99_ns: tally.lateness_p99_ns,
            bpf_ns: written.bpf.map(|cost| cost.run_ns),
            bpf_runs: written.bpf.map(|cost| cost.runs),
            bpf_drops: written.bpf_drops,
            rails: rates.collect(),
            scaled: scaled.map(|(counter, _)| counter.source.clone()).collect(),
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.queue.ask_to_stop();
        if self.clock.kind() == ClockKind::Wall || self.sampler.is_none() {
            self.end();
        }
    }
}

/// Sets the sensors' windows, gives them time to take them, and looks what they took.
fn settle(
    mut rails: Vec<RailSensor>,
    update_interval_ms: Option<u32>,
    clock: &dyn Clock,
    notes: &mut Vec<(Name, String)>,
) -> Vec<RailSensor> {
    let mut settling_ns = 0;
    for rail in &mut rails {
        match rail.prepare(update_interval_ms) {
            Ok(ns) => settling_ns = settling_ns.max(ns),
            Err(error) => notes.push((rail.name.clone(), error.to_string())),
        }
    }
    if settling_ns > 0 {
        clock.sleep_until(clock.now_ns().saturating_add(settling_ns));
    }
    rails.iter_mut().for_each(RailSensor::settle);
    rails
}

/// Traffic counters that count.
#[derive(Debug, Default)]
struct Counting {
    active: Vec<ActiveCounter>,
    labels: TrafficLabels,
    records: Vec<CounterRecord>,
}

fn start_counters(
    counters: Vec<TrafficCounter>,
    rate_hz: f64,
    now_ns: u64,
    notes: &mut Vec<(Name, String)>,
) -> Counting {
    let mut counting = Counting::default();
    for counter in counters {
        let source = counter.name().clone();
        let record = inventory::counter_record(&counter, rate_hz, None);
        let (ports, groups) = (counter.ports().to_vec(), counter.groups());
        match counter.start(now_ns) {
            Ok(active) => {
                counting.active.push(active);
                let of_port = |port| (source.clone(), port);
                counting.labels.ports.extend(ports.into_iter().map(of_port));
                let of_group = |(pmu, cpu)| (source.clone(), pmu, cpu);
                counting.labels.groups.extend(groups.into_iter().map(of_group));
                counting.labels.counters.push(source);
                counting.records.push(record);
            }
            Err(error) => notes.push((source, error.to_string())),
        }
    }
    counting
}
