//! The thread that samples: wakes at absolute deadlines, reads what is due, hands it on, and
//! allocates nothing.

mod cadence;
pub(crate) mod cpu_channel;
mod lateness;
mod placement;
pub(crate) mod queue;
mod realtime;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender};
use std::thread::JoinHandle;

use nix::time::{ClockId, clock_gettime};
use wattline_board::clock::{Clock, attend};

use crate::counter::{ActiveCounter, PortReading, TrafficFault};
use crate::fault::Verdict;
use crate::performance::ActiveCounters;
use crate::sensor::channel::{Look, RailChannel};
use cadence::Cadence;
use cpu_channel::CpuChannel;
use lateness::Lateness;
use placement::Placement;
use queue::{Notice, Queue, Reading, Tally};

/// The sampler gives an account of itself this often.
const TALLY_HZ: f64 = 1.0;

/// The longest it sleeps before it looks whether it should stop.
const LONGEST_SLEEP_NS: u64 = 100_000_000;

/// Deep enough for a sample, with room for the kernel's signal frames.
const STACK: usize = 256 << 10;

/// How the sampler's thread runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Readings of each rail, and of the CPUs' accounts, a second.
    pub(crate) rate_hz: f64,
    /// Readings of each counter a second.
    pub(crate) counter_rate_hz: f64,
    /// Readings of each group of hardware counters a second.
    pub(crate) performance_rate_hz: f64,
    /// SCHED_FIFO priority, if wished.
    pub(crate) priority: Option<u8>,
    /// Whether to lock memory.
    pub(crate) lock_memory: bool,
}

/// What the sampler is to read.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) rails: Vec<RailChannel>,
    pub(crate) traffic: Vec<ActiveCounter>,
    pub(crate) performance: Vec<ActiveCounters>,
    pub(crate) cpus: Option<CpuChannel>,
}

/// What the sampler reads, and its account so far.
#[derive(Debug)]
pub(crate) struct Sampler {
    clock: Arc<dyn Clock>,
    queue: Arc<Queue>,
    rails: Vec<RailChannel>,
    traffic: Vec<ActiveCounter>,
    cpus: Option<CpuChannel>,
    /// Where it wakes, if it decides that itself.
    placement: Option<Placement>,
    performance: Vec<ActiveCounters>,
    /// Fresh readings of each rail.
    fresh: Vec<u64>,
    rails_due: Cadence,
    traffic_due: Cadence,
    cpus_due: Cadence,
    performance_due: Cadence,
    tally_due: Cadence,
    lateness: Lateness,
    tally: Tally,
}

/// What the sampler knows at its end.
#[derive(Debug, Default)]
pub(crate) struct Sampled {
    pub(crate) tally: Tally,
    /// Fresh readings of each rail.
    pub(crate) fresh: Vec<u64>,
    /// Whether each traffic counter was ever scaled.
    pub(crate) scaled: Vec<bool>,
}

/// Tells the writer, when dropped, that no more will come.
#[derive(Debug)]
struct SampledAll(Arc<Queue>);

impl Drop for SampledAll {
    fn drop(&mut self) {
        self.0.sampled_all();
    }
}

impl Sampler {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        queue: Arc<Queue>,
        watched: Watched,
        pace: Pace,
    ) -> Self {
        let now_ns = clock.now_ns();
        Sampler {
            clock,
            queue,
            fresh: vec![0; watched.rails.len()],
            rails: watched.rails,
            traffic: watched.traffic,
            performance: watched.performance,
            cpus: watched.cpus,
            placement: None,
            rails_due: Cadence::new(now_ns, pace.rate_hz),
            traffic_due: Cadence::new(now_ns, pace.counter_rate_hz),
            performance_due: Cadence::new(now_ns, pace.performance_rate_hz),
            cpus_due: Cadence::new(now_ns, pace.rate_hz),
            tally_due: Cadence::new(now_ns, TALLY_HZ),
            lateness: Lateness::new(),
            tally: Tally { t_ns: now_ns, ..Tally::default() },
        }
    }

    /// Starts the thread; it attends the clock by the time this returns. Answers what the kernel
    /// refused it.
    pub(crate) fn spawn(self, pace: Pace) -> io::Result<(JoinHandle<Sampled>, Vec<String>)> {
        let (ready, entered) = mpsc::sync_channel(1);
        let builder = std::thread::Builder::new().name("sampler".into()).stack_size(STACK);
        let thread = builder.spawn(move || self.run(pace, ready))?;
        let refused = entered.recv().unwrap_or_default();
        Ok((thread, refused))
    }

    fn run(mut self, pace: Pace, ready: SyncSender<Vec<String>>) -> Sampled {
        // Both also where a sample panics: the writer must not wait for more, nor time for us.
        let _ended = SampledAll(Arc::clone(&self.queue));
        let _attendance = attend(&self.clock);
        let entered = realtime::enter(pace.priority, pace.lock_memory);
        // Any other thread is woken where there is room for it.
        if let (true, Some(cpus)) = (entered.is_realtime, &self.cpus) {
            self.placement = Placement::of_this_thread(cpus.cpus());
        }
        let _ = ready.send(entered.refused);
        drop(ready);
        // However short the recording, there are two accounts to take the difference of.
        self.give_account();
        loop {
            self.sleep();
            // Asked to stop, it reads everything once more, so that the last of the traffic is in.
            let last = self.queue.is_asked_to_stop();
            self.tick(last);
            if last {
                break;
            }
        }
        // On the virtual clock the last tick may have given account at this very instant.
        if self.clock.now_ns() != self.tally.t_ns {
            self.give_account();
        }
        let scaled = self.traffic.iter().map(ActiveCounter::is_scaled).collect();
        Sampled { tally: self.tally, fresh: self.fresh, scaled }
    }

    fn has_live_rails(&self) -> bool {
        self.rails.iter().any(|rail| !rail.is_gone())
    }

    /// The next instant at which anything is read.
    fn next_reading_ns(&self) -> Option<u64> {
        let rails = self.has_live_rails().then(|| self.rails_due.deadline_ns());
        let traffic = (!self.traffic.is_empty()).then(|| self.traffic_due.deadline_ns());
        let cpus = self.cpus.as_ref().map(|_| self.cpus_due.deadline_ns());
        let performance =
            (!self.performance.is_empty()).then(|| self.performance_due.deadline_ns());
        rails.into_iter().chain(traffic).chain(performance).chain(cpus).min()
    }

    /// Sleeps until something is due, or it is time to stop.
    fn sleep(&mut self) {
        let reading_ns = self.next_reading_ns();
        let deadline_ns = self.tally_due.deadline_ns().min(reading_ns.unwrap_or(u64::MAX));
        while !self.queue.is_asked_to_stop() {
            let step_ns = self.clock.now_ns().saturating_add(LONGEST_SLEEP_NS);
            self.clock.sleep_until(deadline_ns.min(step_ns));
            if let Some(late_ns) = self.clock.now_ns().checked_sub(deadline_ns) {
                if reading_ns == Some(deadline_ns) {
                    self.lateness.record(late_ns);
                }
                return;
            }
        }
    }

    /// Reads what is due, or everything.
    fn tick(&mut self, everything: bool) {
        let now_ns = self.clock.now_ns();
        let rails = self.rails_due.take(now_ns).or(everything.then_some(0));
        let traffic = self.traffic_due.take(now_ns).or(everything.then_some(0));
        let cpus = self.cpus_due.take(now_ns).or(everything.then_some(0));
        let performance = self.performance_due.take(now_ns).or(everything.then_some(0));
        let rails = rails.filter(|_| self.has_live_rails());
        let traffic = traffic.filter(|_| !self.traffic.is_empty());
        if rails.is_some() {
            self.read_rails();
        }
        if traffic.is_some() {
            self.read_traffic(everything);
        }
        let cpus = cpus.filter(|_| self.cpus.is_some());
        if cpus.is_some() {
            self.read_cpus();
        }
        let performance = performance.filter(|_| !self.performance.is_empty());
        if performance.is_some() {
            self.read_performance(everything);
        }
        let taken = [rails, traffic, performance, cpus];
        self.tally.ticks += u64::from(taken.iter().any(Option::is_some));
        // Of one rate, they miss the same deadlines.
        self.tally.overruns += taken.into_iter().flatten().max().unwrap_or(0);
        if self.tally_due.take(now_ns).is_some() {
            self.give_account();
        }
    }

    fn read_rails(&mut self) {
        for (index, rail) in self.rails.iter_mut().enumerate() {
            let number = index as u16;
            match rail.look(&*self.clock) {
                Look::Fresh(reading) => {
                    self.fresh[index] += 1;
                    self.tally.samples += 1;
                    self.queue.reading(Reading::Rail(number, reading));
                }
                Look::Repeat => self.tally.repeats += 1,
                Look::Failed(_, Verdict::Silent) | Look::Gone => {}
                Look::Failed(fault, verdict) => {
                    let t_ns = self.clock.now_ns();
                    self.queue.notice(Notice::Failed { t_ns, rail: number, fault, verdict });
                }
            }
        }
        if !self.has_live_rails() && self.traffic.is_empty() {
            self.queue.notice(Notice::AllGone { t_ns: self.clock.now_ns() });
        }
    }

    fn read_traffic(&mut self, last: bool) {
        let (mut first_port, mut first_group) = (0, 0);
        for (index, counter) in self.traffic.iter_mut().enumerate() {
            let t_ns = self.clock.now_ns();
            let (ports, groups) = counter.size();
            let mut readings = 0;
            let each = |PortReading { port, moved, scaled }: PortReading| {
                let port = (first_port + port) as u16;
                readings += 1;
                self.queue.reading(Reading::Port { t_ns, port, moved, scaled });
            };
            let tell = |fault| {
                self.queue.notice(match fault {
                    TrafficFault::Group(group, fault) => {
                        Notice::Traffic { t_ns, group: (first_group + group) as u16, fault }
                    }
                    TrafficFault::Scaled => Notice::Scaled { t_ns, counter: index as u16 },
                });
            };
            counter.read(t_ns, last, each, tell);
            self.tally.samples += readings;
            first_port += ports;
            first_group += groups;
        }
    }

    fn read_cpus(&mut self) {
        let Some(cpus) = &mut self.cpus else { return };
        let read_ns = cpus.read(|reading| self.queue.reading(Reading::Cpu(reading)));
        if let (Some(t_ns), Some(placement)) = (read_ns, &mut self.placement) {
            placement.settle(t_ns, |cpu| cpus.target_ns(cpu));
        }
    }

    fn read_performance(&mut self, last: bool) {
        let (mut first_counter, mut first_group) = (0, 0);
        for component in &mut self.performance {
            let t_ns = self.clock.now_ns();
            let (counters, groups) = component.size();
            component.observe(t_ns, last, |index, fault| {
                let group = (first_group + index) as u16;
                self.queue.notice(Notice::Group { t_ns, group, fault });
            });
            for (index, count, scaled) in component.counts() {
                let counter = (first_counter + index) as u16;
                self.queue.reading(Reading::Hardware { t_ns, counter, count, scaled });
                self.tally.samples += 1;
            }
            first_counter += counters;
            first_group += groups;
        }
    }

    fn give_account(&mut self) {
        self.tally = Tally {
            t_ns: self.clock.now_ns(),
            cpu_ns: thread_cpu_ns(),
            drops: self.queue.drops(),
            lateness_p50_ns: self.lateness.percentile_ns(0.5),
            lateness_p99_ns: self.lateness.percentile_ns(0.99),
            ..self.tally
        };
        self.queue.notice(Notice::Tally(self.tally));
    }
}

/// CPU time of the calling thread.
pub(crate) fn thread_cpu_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map_or(0, |time| std::time::Duration::from(time).as_nanos() as u64)
}
