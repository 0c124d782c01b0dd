//! An NPU on the wall clock, beside executors that really compute.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use wattline_board::description::Component;
use wattline_board::emulated::work::Work;

use super::bucket::Segment;
use super::pace::{Pace, Timetable};
use super::report::{Counts, Watch, thread_cpu_ns};
use super::traffic::{Mover, TrafficError, TrafficSettings};
use crate::coexecution::{Engine, EngineError, Job, Ran, Timing, Watcher};
use crate::executor::{LayerObserver, LayerTimes};
use crate::tensor::Tensor;

/// Runs images in the time that the model of the board gives them, with outputs that were
/// computed before ([`super::outputs()`]). Between two images its thread sleeps.
///
/// The time of a layer is that of a component that has the memory to itself. With traffic, a
/// thread of its own moves each layer's bytes through real memory meanwhile, evenly, once its
/// dispatch is over; what the host is too slow for is counted, and lengthens no layer.
pub struct Emulator {
    work: Work,
    timetable: Timetable,
    pace: Pace,
    outputs: Arc<[Tensor]>,
    counts: Arc<Counts>,
    mover: Option<Mover>,
    watcher: Box<dyn Watcher>,
    layers: LayerTimes,
}

impl Emulator {
    /// An emulator of `component`, which runs `work` on images that it takes in turn; `outputs`
    /// are the results of those.
    pub fn new(work: &Work, component: &Component, outputs: Arc<[Tensor]>) -> Self {
        Emulator {
            timetable: Timetable::new(work, component),
            work: work.clone(),
            pace: Pace::default(),
            outputs,
            counts: Arc::default(),
            mover: None,
            watcher: Box::new(()),
            layers: LayerTimes(Vec::with_capacity(work.layers.len())),
        }
    }

    /// The same, with somebody who is told of every job.
    #[must_use]
    pub fn watched_by(self, watcher: Box<dyn Watcher>) -> Self {
        Emulator { watcher, ..self }
    }

    /// The same, moving real bytes through memory.
    ///
    /// # Errors
    /// If the thread that moves them cannot run.
    pub fn moving(mut self, settings: TrafficSettings) -> Result<Self, TrafficError> {
        self.mover = Some(Mover::start(settings, Arc::clone(&self.counts))?);
        Ok(self)
    }

    /// What it counts, to look at also after it is gone.
    pub fn watch(&self) -> Watch {
        Watch { counts: Arc::clone(&self.counts), moves: self.mover.is_some() }
    }

    /// Runs `layers` of an image. `observer` hears of each. Answers start and end by the model,
    /// in ns; the call returns at the end, or as soon after that as the host wakes it up.
    pub fn run_layers(
        &mut self,
        layers: Range<usize>,
        observer: &mut dyn LayerObserver,
    ) -> (u64, u64) {
        let before_ns = thread_cpu_ns();
        let start_ns = self.pace.start_ns();
        let mut end_ns = start_ns;
        let ends_image = layers.end == self.timetable.layers();
        for (layer, (start, end)) in
            layers.clone().zip(self.timetable.times(layers.clone(), start_ns))
        {
            if let Some(mover) = &self.mover {
                let work = &self.work.layers[layer];
                mover.push(Segment {
                    start_ns: (start + (work.dispatch_s * 1e9) as u64).min(end),
                    end_ns: end,
                    read_bytes: work.read_bytes.round() as u64,
                    write_bytes: work.write_bytes.round() as u64,
                });
            }
            observer.layer(layer, start, end);
            end_ns = end;
        }
        let late_ns = self.pace.sleep_until(end_ns);
        let cpu_ns = thread_cpu_ns() - before_ns;
        self.counts.ran(ends_image, end_ns - start_ns, late_ns, cpu_ns);
        (start_ns, end_ns)
    }

    /// Runs frame `frame` whole: start, end, and its result.
    pub fn run_image(
        &mut self,
        frame: u64,
        observer: &mut dyn LayerObserver,
    ) -> ((u64, u64), Option<&Tensor>) {
        let times = self.run_layers(0..self.timetable.layers(), observer);
        (times, self.output(frame))
    }

    fn output(&self, frame: u64) -> Option<&Tensor> {
        self.outputs.get(frame.checked_rem(self.outputs.len() as u64)? as usize)
    }
}

impl Engine for Emulator {
    type Output = Tensor;

    fn run(&mut self, job: &Job) -> Result<Ran<Tensor>, EngineError> {
        let all = self.timetable.layers();
        let layers = if job.is_whole() { 0..all } else { job.layers.clone() };
        if layers.end > all {
            return Err(format!("there are {all} layers; asked for {:?}", job.layers).into());
        }
        let ends_image = layers.end == all;
        let mut times = std::mem::take(&mut self.layers);
        times.0.clear();
        let (start_ns, end_ns) = self.run_layers(layers, &mut times);
        let timing =
            Timing { start_ns, end_ns, layers: &times.0, clock_error_ns: 0, transfer_ns: 0 };
        self.watcher.ran(job, &timing);
        self.layers = times;
        let output = if ends_image { self.output(job.frame).cloned() } else { None };
        if ends_image && output.is_none() {
            return Err("no outputs were computed ahead; give one at least".into());
        }
        // What the NPU itself would have spent is not measured.
        Ok(Ran { output, joules: None })
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Emulator");
        shown.field("network", &self.work.network).field("mover", &self.mover).finish()
    }
}
