//! The books of a run: what waits, what runs where, what is done, and who is out.
//!
//! Everything that a run decides is decided here, from what the drivers tell: which instant it is,
//! who is free, who is done or failed. The drivers add time to it, simulated or real, and carry
//! tasks around. So that tasks can wait in whatever queue suits a driver, the ledger only counts
//! them and gives them out through a function of the driver's.

use std::ops::Range;

use super::RunError;
use super::flight::{Ended, Flight, Lane, Ran};
use super::gauge::{DepthGauge, Histogram};
use super::oracle::MOST_COMPONENTS;
use super::policy::{Candidate, Decision, Policy, View};
use super::profile::Profile;
use super::reorder::ReorderBuffer;
use super::report::{Fault, FaultKind, Report};
use super::settings::Settings;
use super::source::{Arrival, Source, Stream};
use super::task::{Assignment, Delivered, Job, Task};

/// An image in the window.
#[derive(Debug, Clone, Copy, Default)]
struct Image {
    arrival: Arrival,
    /// The layer that it waits for, unless it is at work or done.
    waits_for: Option<usize>,
}

/// A result that waits for those before it.
#[derive(Debug)]
struct Held<T> {
    output: T,
    component: usize,
    start_ns: u64,
    end_ns: u64,
}

/// The books. `T` is a result.
#[derive(Debug)]
pub(super) struct Ledger<T> {
    policy: Box<dyn Policy>,
    settings: Settings,
    stream: Stream,
    candidates: Vec<Candidate>,
    lanes: Vec<Lane>,
    /// Images that wait for each layer.
    waiting: Vec<usize>,
    admitted: u64,
    /// What is known of each image in the window; image `i` is at `i` modulo the window.
    images: Box<[Image]>,
    /// Neither this image nor any after it was begun.
    unbegun: u64,
    reorder: ReorderBuffer<Held<T>>,
    /// Components that were asked since anything last changed, one bit each.
    asked: u32,
    /// Those of them that want nothing until something changes.
    declined: u32,
    start_ns: u64,
    last_ns: u64,
    queue_depth: DepthGauge,
    reorder_depth: DepthGauge,
    latencies: Histogram,
    discarded: u64,
    faults: Vec<Fault>,
}

impl<T> Ledger<T> {
    pub(super) fn new(
        policy: Box<dyn Policy>,
        profiles: &[Profile],
        source: Source,
        settings: Settings,
    ) -> Result<Self, RunError> {
        settings.check(profiles, source)?;
        let layers = profiles.first().map_or(1, Profile::layers);
        debug_assert!(profiles.len() <= MOST_COMPONENTS);
        Ok(Ledger {
            policy,
            stream: Stream::new(source),
            candidates: profiles.iter().cloned().map(Candidate::new).collect(),
            lanes: profiles.iter().map(|_| Lane::default()).collect(),
            waiting: vec![0; layers],
            admitted: 0,
            images: vec![Image::default(); settings.window].into(),
            unbegun: 0,
            reorder: ReorderBuffer::new(settings.window),
            asked: 0,
            declined: 0,
            start_ns: 0,
            last_ns: 0,
            queue_depth: DepthGauge::default(),
            reorder_depth: DepthGauge::default(),
            latencies: Histogram::new(),
            discarded: 0,
            faults: Vec::new(),
            settings,
        })
    }

    /// The run begins.
    pub(super) fn start(&mut self, now_ns: u64) {
        (self.start_ns, self.last_ns) = (now_ns, now_ns);
        self.queue_depth = DepthGauge::starting_at(now_ns);
        self.reorder_depth = DepthGauge::starting_at(now_ns);
        self.stream.start(now_ns);
    }

    /// Lets in the next image that has come, if there is room for its result: the caller queues
    /// it, as the newest.
    pub(super) fn admit(&mut self, now_ns: u64) -> Option<Task> {
        let waiting = self.waiting.iter().sum();
        let room = self.admitted < self.reorder.limit();
        let arrival = self.stream.admit(now_ns, waiting, room)?;
        let image = self.admitted;
        self.admitted += 1;
        let slot = self.slot(image);
        self.images[slot] = Image { arrival, waits_for: None };
        let task = Task { image, layer: 0 };
        self.waits(task, now_ns);
        Some(task)
    }

    /// When to call [`Ledger::admit`] again, unless results leave before.
    pub(super) fn next_arrival_ns(&self) -> Option<u64> {
        let room = self.admitted < self.reorder.limit();
        if room || self.stream.drops() { self.stream.next_arrival_ns() } else { None }
    }

    /// `component` is free. `take` takes the oldest task that waits for one of the given layers
    /// out of the driver's queue.
    pub(super) fn assign(
        &mut self,
        component: usize,
        now_ns: u64,
        mut take: impl FnMut(&Range<usize>) -> Option<Task>,
    ) -> Assignment {
        if !self.candidates[component].working {
            return Assignment::Wait;
        }
        self.asked |= 1 << component;
        self.declined &= !(1 << component);
        loop {
            let view = view(&self.candidates, &self.waiting, &self.stream, now_ns);
            let layers = match self.policy.decide(component, &view) {
                Decision::Take(layers) => layers,
                Decision::Wait => break,
                Decision::WaitUntil(at_ns) => return Assignment::WaitUntil(at_ns),
            };
            let Some(task) = take(&layers) else { break };
            // A task whose image a stalled component has done after all is just forgotten. (One
            // that was withdrawn waits for no layer, so that no policy asks for it.)
            if !self.reorder.is_done(task.image) {
                self.no_longer_waits(task.image, now_ns);
                return Assignment::Run(self.begin(component, task, layers.end, now_ns));
            }
        }
        self.declined |= 1 << component;
        Assignment::Wait
    }

    fn begin(&mut self, component: usize, task: Task, end: usize, now_ns: u64) -> Job {
        self.something_changed();
        self.unbegun = self.unbegun.max(task.image + 1);
        let layers = task.layer..end;
        let candidate = &mut self.candidates[component];
        let expected_s = candidate.layers_seconds(&layers);
        candidate.busy_until_ns = Some(now_ns + (expected_s * 1e9) as u64);
        let patience_ns = self.settings.patience_ns(expected_s);
        self.lanes[component].flight =
            Some(Flight { task, end, start_ns: now_ns, patience_ns, disowned: false });
        let frame = self.images[self.slot(task.image)].arrival.frame;
        Job { image: task.image, frame, layers, of_layers: self.waiting.len() }
    }

    /// `component` is done. Answers how its job ended: a task to queue if layers are left.
    pub(super) fn finish(&mut self, component: usize, now_ns: u64, ran: Ran<T>) -> Ended {
        let Some(flight) = self.lanes[component].flight else { return Ended::Discarded };
        if flight.end == self.waiting.len() && ran.output.is_none() {
            let task = self.fail(component, now_ns, "the executor gave no result".to_owned());
            return task.map_or(Ended::Discarded, Ended::Returned);
        }
        self.something_changed();
        self.lanes[component].flight = None;
        let share = self.account(component, &flight, now_ns, ran.joules);
        if flight.disowned {
            self.come_back(component, now_ns, flight.task.image);
        }
        let ended = self.settle(component, &flight, now_ns, ran.output);
        if ended == Ended::Discarded {
            self.discarded += 1;
        } else {
            self.lanes[component].images += 1;
            self.lanes[component].share += share;
        }
        ended
    }

    /// Does what the end of a job brings: its image has its result, or waits for further layers.
    fn settle(
        &mut self,
        component: usize,
        flight: &Flight,
        now_ns: u64,
        output: Option<T>,
    ) -> Ended {
        let image = flight.task.image;
        if flight.end == self.waiting.len() {
            let (start_ns, end_ns) = (flight.start_ns, now_ns);
            let result = output.map(|output| Held { output, component, start_ns, end_ns });
            if result.is_none_or(|it| self.reorder.insert(image, it).is_err()) {
                return Ended::Discarded;
            }
            self.no_longer_waits(image, now_ns);
            self.reorder_depth.set(now_ns, self.reorder.depth());
            return Ended::Done;
        }
        // Others began a disowned image again, from where this component did.
        if flight.disowned || self.reorder.is_done(image) {
            return Ended::Discarded;
        }
        let task = Task { image, layer: flight.end };
        self.waits(task, now_ns);
        Ended::HandedOver(task)
    }

    /// Counts what a job took, and learns from it. Answers the share of an image that it was.
    fn account(
        &mut self,
        component: usize,
        flight: &Flight,
        now_ns: u64,
        joules: Option<f64>,
    ) -> f64 {
        let candidate = &mut self.candidates[component];
        let layers = flight.task.layer..flight.end;
        let seconds = now_ns.saturating_sub(flight.start_ns) as f64 * 1e-9;
        let share = candidate.profile.share(&layers);
        let used = joules.unwrap_or(candidate.joules * share);
        if !flight.disowned && share > 0.0 {
            let solo_s = candidate.profile.layers_seconds(&layers);
            let refine = self.settings.refine;
            candidate.slowdown += refine * (seconds / solo_s - candidate.slowdown);
            candidate.joules += refine * (used / share - candidate.joules);
        }
        candidate.busy_until_ns = None;
        let lane = &mut self.lanes[component];
        lane.busy_s += seconds;
        lane.joules += used;
        let view = view(&self.candidates, &self.waiting, &self.stream, now_ns);
        self.policy.completed(component, &view);
        share
    }

    /// A component that had stalled is done after all.
    fn come_back(&mut self, component: usize, now_ns: u64, image: u64) {
        let let_in = self.lanes[component].stalls < self.settings.most_stalls;
        self.candidates[component].working = let_in;
        let kind = if let_in { FaultKind::CameBack } else { FaultKind::GivenUp };
        self.fault(component, image, kind, now_ns);
    }

    /// `component` failed: it is out for good. Answers the task to queue again, if there is.
    pub(super) fn fail(&mut self, component: usize, now_ns: u64, error: String) -> Option<Task> {
        let flight = self.lanes[component].flight.take()?;
        self.candidates[component].working = false;
        self.candidates[component].busy_until_ns = None;
        self.fault(component, flight.task.image, FaultKind::Failed(error), now_ns);
        self.run_elsewhere(flight, now_ns)
    }

    /// Takes out the components that have run longer than patience lasts, up to the first whose
    /// task is to be queued again: answers that.
    pub(super) fn expire(&mut self, now_ns: u64) -> Option<Task> {
        loop {
            let overdue = |it: &usize| self.deadline_ns(*it).is_some_and(|at_ns| at_ns <= now_ns);
            let component = (0..self.lanes.len()).find(overdue)?;
            let lane = &mut self.lanes[component];
            let flight = lane.flight?;
            lane.flight = Some(Flight { disowned: true, ..flight });
            lane.stalls += 1;
            self.candidates[component].working = false;
            let after_s = now_ns.saturating_sub(flight.start_ns) as f64 * 1e-9;
            self.fault(component, flight.task.image, FaultKind::Stalled(after_s), now_ns);
            if let Some(task) = self.run_elsewhere(flight, now_ns) {
                return Some(task);
            }
        }
    }

    /// The task of a job that came to nothing, unless it was given to others before, or its image
    /// was done meanwhile.
    fn run_elsewhere(&mut self, flight: Flight, now_ns: u64) -> Option<Task> {
        if flight.disowned || self.reorder.is_done(flight.task.image) {
            return None;
        }
        self.waits(flight.task, now_ns);
        Some(flight.task)
    }

    /// When the next component will have stalled.
    pub(super) fn next_deadline_ns(&self) -> Option<u64> {
        (0..self.lanes.len()).filter_map(|component| self.deadline_ns(component)).min()
    }

    fn deadline_ns(&self, component: usize) -> Option<u64> {
        let flight = self.lanes[component].flight.filter(|flight| !flight.disowned)?;
        let working = self.candidates.iter().filter(|it| it.working).count();
        // Without the last one the run is over: it is given longer.
        let patience = if working == 1 { self.settings.patience_with_last } else { 1 };
        Some(flight.start_ns + flight.patience_ns.saturating_mul(patience))
    }

    /// The next result in stream order, if it is there: it leaves.
    pub(super) fn deliver(&mut self, now_ns: u64) -> Option<Delivered<T>> {
        let (image, held) = self.reorder.pop()?;
        self.reorder_depth.set(now_ns, self.reorder.depth());
        let arrival = self.images[self.slot(image)].arrival;
        self.latencies.record(now_ns.saturating_sub(arrival.at_ns) as f64 * 1e-9);
        self.last_ns = now_ns;
        Some(Delivered {
            image,
            frame: arrival.frame,
            output: held.output,
            component: held.component,
            arrived_ns: arrival.at_ns,
            start_ns: held.start_ns,
            end_ns: held.end_ns,
            left_ns: now_ns,
            queued: self.waiting.iter().sum(),
            reordering: self.reorder.depth(),
        })
    }

    /// Whether [`Ledger::deliver`] has something.
    pub(super) fn can_deliver(&self) -> bool {
        self.reorder.is_ready()
    }

    /// No more images from here on. Those that were begun are finished; those that only waited
    /// are withdrawn, as if they had not come.
    pub(super) fn stop(&mut self, now_ns: u64) {
        self.stream.stop();
        for image in self.unbegun..self.admitted {
            self.no_longer_waits(image, now_ns);
        }
        self.admitted = self.admitted.min(self.unbegun);
        self.something_changed();
    }

    /// What went wrong so far.
    pub(super) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Whether every image has left.
    pub(super) fn is_over(&self) -> bool {
        self.stream.to_come() == Some(0) && self.reorder.next() == self.admitted
    }

    /// Whether a free component was not asked since something changed.
    pub(super) fn has_more_to_ask(&self) -> bool {
        (0..self.lanes.len()).any(|component| {
            let free = self.candidates[component].working && !self.in_flight(component);
            free && self.asked >> component & 1 == 0
        })
    }

    /// Whether a component is at work, wanted or not.
    pub(super) fn in_flight(&self, component: usize) -> bool {
        self.lanes[component].flight.is_some()
    }

    /// Why the run cannot go on, if it cannot.
    pub(super) fn dead_end(&self) -> Option<RunError> {
        let delivered = self.reorder.next();
        let working = |index: &usize| self.candidates[*index].working;
        let mut all = 0..self.candidates.len();
        if !all.clone().any(|index| working(&index)) {
            let last = self.faults.iter().rev().find_map(|fault| match &fault.kind {
                FaultKind::Failed(error) => Some(format!("{}: {error}", fault.component)),
                FaultKind::Stalled(s) => Some(format!("{} stalled for {s:.3} s", fault.component)),
                FaultKind::CameBack | FaultKind::GivenUp => None,
            });
            let last = last.unwrap_or_else(|| "none was ever in".to_owned());
            return Some(RunError::NoComponentLeft { delivered, last });
        }
        let all_declined = all.all(|it| !working(&it) || self.declined >> it & 1 == 1);
        let waiting = self.waiting.iter().sum();
        (all_declined && waiting > 0 && self.next_deadline_ns().is_none())
            .then(|| RunError::Starved { policy: self.policy.kind(), delivered, waiting })
    }

    /// Sums the run up, as of its last result.
    pub(super) fn report(&self) -> Report {
        let lanes = self.candidates.iter().zip(&self.lanes);
        let mut report = Report {
            policy: self.policy.kind(),
            images: self.reorder.next(),
            makespan_s: (self.last_ns - self.start_ns) as f64 * 1e-9,
            throughput: 0.0,
            components: lanes.map(|(candidate, lane)| lane.report(candidate)).collect(),
            best_single: String::new(),
            best_single_rate: 0.0,
            gain_pct: 0.0,
            efficiency_solo: 0.0,
            efficiency_oracle: 0.0,
            latency_p50_s: self.latencies.quantile(0.5),
            latency_p99_s: self.latencies.quantile(0.99),
            queue: self.queue_depth.depth(),
            reorder: self.reorder_depth.depth(),
            dropped: self.stream.dropped(),
            discarded: self.discarded,
            faults: self.faults.clone(),
        };
        report.derive();
        report
    }

    fn waits(&mut self, task: Task, now_ns: u64) {
        let slot = self.slot(task.image);
        self.images[slot].waits_for = Some(task.layer);
        self.waiting[task.layer] += 1;
        self.something_changed();
        self.measure_queue(now_ns);
    }

    fn no_longer_waits(&mut self, image: u64, now_ns: u64) {
        let slot = self.slot(image);
        if let Some(layer) = self.images[slot].waits_for.take() {
            self.waiting[layer] -= 1;
            self.measure_queue(now_ns);
        }
    }

    fn something_changed(&mut self) {
        (self.asked, self.declined) = (0, 0);
    }

    fn measure_queue(&mut self, now_ns: u64) {
        self.queue_depth.set(now_ns, self.waiting.iter().sum());
    }

    fn fault(&mut self, component: usize, image: u64, kind: FaultKind, now_ns: u64) {
        self.something_changed();
        self.faults.push(Fault {
            at_s: now_ns.saturating_sub(self.start_ns) as f64 * 1e-9,
            component: self.candidates[component].profile.name().to_owned(),
            image,
            frame: self.images[self.slot(image)].arrival.frame,
            kind,
        });
        let view = view(&self.candidates, &self.waiting, &self.stream, now_ns);
        self.policy.changed(&view);
    }

    fn slot(&self, image: u64) -> usize {
        (image % self.images.len() as u64) as usize
    }
}

fn view<'a>(
    components: &'a [Candidate],
    waiting: &'a [usize],
    stream: &Stream,
    now_ns: u64,
) -> View<'a> {
    View { now_ns, components, waiting, to_come: stream.to_come(), fps: stream.fps() }
}
