//! The timed part of components alone: idle, a component's images, idle, the next component's.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::Result;
use indicatif::ProgressBar;
use wattline_agent::{Recorder, interrupt};
use wattline_board::emulated::{EmulatedBoard, Flight, work};
use wattline_inference::executor::LayerObserver;
use wattline_inference::graph::Graph;
use wattline_inference::{Tensor, monotonic_ns};
use wattline_trace::rows::SpanRow;
use wattline_trace::{Name, TableWriter};

use super::Scene;
use super::lane::{Lane, Work, open_on};
use super::spans::RunSpans;

/// Images queued on an emulated component: one runs while the next waits, so that a late wake-up
/// of this thread leaves no gap.
const QUEUED: usize = 2;

/// How the timed part ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    InOrder,
    Interrupted,
}

/// What all components' runs share.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    pub(super) scene: &'a Scene,
    pub(super) recorder: &'a Recorder,
    pub(super) spans: TableWriter<SpanRow>,
    pub(super) network: Name,
    /// Images that each component runs alone.
    pub(super) images: u64,
    pub(super) inputs: Arc<[Tensor]>,
    pub(super) idle_s: f64,
    pub(super) bar: ProgressBar,
}

/// What a component did alone.
#[derive(Debug, Clone)]
pub(super) struct Solo {
    pub(super) images: u64,
    pub(super) seconds_per_image: f64,
    /// Mean time of each layer.
    pub(super) layer_seconds: Vec<f64>,
    /// Joules above idle, where they are known while it runs: on an emulated board.
    pub(super) joules_per_image: Option<f64>,
}

/// The run of one component alone.
#[derive(Debug)]
struct Run<'a> {
    stage: &'a Stage<'a>,
    lane: &'a Lane,
    spans: RunSpans,
    images: u64,
    joules: Option<f64>,
}

impl Stage<'_> {
    /// Runs every component alone, with idle time around each. Answers what those did that ran
    /// any image.
    pub(super) fn play(&self, lanes: &[Lane]) -> Result<Vec<Solo>> {
        let mut solos = Vec::new();
        self.idle();
        for lane in lanes {
            if self.over() || self.images == 0 {
                break;
            }
            self.bar.set_message(lane.component.name().to_owned());
            let spans = RunSpans::new(self, lane, None);
            let mut run = Run { stage: self, lane, spans, images: 0, joules: None };
            let ran = match (&lane.work, self.scene) {
                (Work::Emulated(work), Scene::Emulated(board)) => run.emulated(board, work),
                (Work::Cpus { graph, executor }, _) => run.on_cpus(graph, executor),
                (Work::Emulated(_), Scene::Machine(_)) => {
                    unreachable!("emulated work is planned for emulated boards alone")
                }
            };
            let solo = run.end()?;
            ran?;
            solos.extend(solo);
            self.idle();
        }
        Ok(solos)
    }

    /// How it ended.
    pub(super) fn ended(&self) -> Ended {
        if interrupt::interrupted() { Ended::Interrupted } else { Ended::InOrder }
    }

    /// Whether the user or a failing recorder wants an end.
    pub(super) fn over(&self) -> bool {
        interrupt::interrupted() || self.recorder.failure().is_some()
    }

    /// Rests, in steps short enough to notice a Ctrl-C.
    pub(super) fn idle(&self) {
        const STEP_NS: u64 = 50_000_000;
        let clock = self.scene.clock();
        let end_ns = clock.now_ns() + (self.idle_s * 1e9) as u64;
        while clock.now_ns() < end_ns && !self.over() {
            clock.sleep_until(end_ns.min(clock.now_ns() + STEP_NS));
        }
    }
}

impl Run<'_> {
    /// Streams images through an emulated component.
    fn emulated(&mut self, board: &EmulatedBoard, work: &Arc<work::Work>) -> Result<()> {
        let component = self.lane.component.name();
        board.begin_run(component, &self.stage.network);
        let mut flights: VecDeque<Flight> = VecDeque::new();
        let mut submitted = 0;
        loop {
            while submitted < self.stage.images && flights.len() < QUEUED && !self.stage.over() {
                flights.push_back(board.submit(component, submitted, work));
                submitted += 1;
            }
            let Some(flight) = flights.pop_front() else { break };
            let done = board.wait(flight)?;
            let layer_times = done.layers.iter().map(|layer| (layer.start_ns, layer.end_ns));
            self.image((done.image.start_ns, done.image.end_ns), layer_times)?;
            let joules: f64 = done.image.active_joules.iter().sum();
            *self.joules.get_or_insert(0.0) += joules;
        }
        Ok(board.end_run(component)?)
    }

    /// Runs images on the component's own CPUs, one after another. A thread of its own takes
    /// the cluster's affinity, which the executor's pool inherits.
    fn on_cpus(&mut self, graph: &Graph, executor: &str) -> Result<()> {
        let cpus = self.lane.component.cpus.clone();
        let work = || {
            let mut engine = open_on(&cpus, graph, executor)?;
            let mut layers = LayerTimes(Vec::with_capacity(graph.layers().len()));
            // The first image packs weights and touches buffers; it is not timed.
            engine.run(&self.stage.inputs[0], &mut ())?;
            for image in 0..self.stage.images {
                if self.stage.over() {
                    break;
                }
                let input = &self.stage.inputs[image as usize % self.stage.inputs.len()];
                layers.0.clear();
                let start_ns = monotonic_ns();
                engine.run(input, &mut layers)?;
                self.image((start_ns, monotonic_ns()), layers.0.iter().copied())?;
            }
            Ok(())
        };
        std::thread::scope(|scope| match scope.spawn(work).join() {
            Ok(ran) => ran,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    fn image(
        &mut self,
        times: (u64, u64),
        layer_times: impl Iterator<Item = (u64, u64)>,
    ) -> Result<()> {
        let all_layers = self.spans.all_layers();
        self.spans.image(self.images, all_layers, times, layer_times)?;
        self.images += 1;
        self.stage.bar.inc(1);
        Ok(())
    }

    /// Writes the run's own span. Answers what it came to, if any image ran.
    fn end(mut self) -> Result<Option<Solo>> {
        let Some(sum) = self.spans.end()? else { return Ok(None) };
        let per_image = |value: f64| value / sum.images as f64;
        Ok(Some(Solo {
            images: sum.images,
            seconds_per_image: per_image((sum.end_ns - sum.start_ns) as f64 * 1e-9),
            layer_seconds: self.spans.layer_seconds(),
            joules_per_image: self.joules.map(per_image),
        }))
    }
}

/// When each layer of an image ran.
#[derive(Debug)]
struct LayerTimes(Vec<(u64, u64)>);

impl LayerObserver for LayerTimes {
    fn layer(&mut self, _: usize, start_ns: u64, end_ns: u64) {
        self.0.push((start_ns, end_ns));
    }
}
