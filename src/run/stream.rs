//! The timed part: idle, a component's images, idle, the next component's.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use wattline_agent::{Recorder, interrupt};
use wattline_board::emulated::{EmulatedBoard, Flight, work};
use wattline_inference::executor::{self, LayerObserver};
use wattline_inference::graph::Graph;
use wattline_inference::{Tensor, monotonic_ns};
use wattline_trace::rows::{SpanKind, SpanRow};
use wattline_trace::{Name, TableWriter, WriteError};

use super::Scene;
use super::lane::{Lane, Work};

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
    pub(super) images: u64,
    pub(super) inputs: &'a [Tensor],
    pub(super) idle_s: f64,
    pub(super) bar: ProgressBar,
}

/// The run of one component: the parent of its images' spans.
#[derive(Debug)]
struct Run<'a> {
    stage: &'a Stage<'a>,
    lane: &'a Lane,
    component: Name,
    id: u64,
    first_ns: Option<u64>,
    last_ns: u64,
    images: u64,
}

static NEXT_SPAN: AtomicU64 = AtomicU64::new(1);

fn next_span() -> u64 {
    NEXT_SPAN.fetch_add(1, Ordering::Relaxed)
}

impl Stage<'_> {
    /// Runs every component, with idle time around each.
    pub(super) fn play(&self, lanes: Vec<Lane>) -> Result<Ended> {
        self.idle();
        for lane in &lanes {
            if self.over() {
                break;
            }
            self.bar.set_message(lane.component.name().to_owned());
            let mut run = Run::new(self, lane);
            let ran = match (&lane.work, self.scene) {
                (Work::Emulated(work), Scene::Emulated(board)) => run.emulated(board, work),
                (Work::Cpus { graph, executor }, _) => run.on_cpus(graph, executor),
                (Work::Emulated(_), Scene::Machine(_)) => {
                    unreachable!("emulated work is planned for emulated boards alone")
                }
            };
            run.end()?;
            ran?;
            self.idle();
        }
        Ok(if interrupt::interrupted() { Ended::Interrupted } else { Ended::InOrder })
    }

    /// Whether the user or a failing recorder wants an end.
    fn over(&self) -> bool {
        interrupt::interrupted() || self.recorder.failure().is_some()
    }

    /// Rests, in steps short enough to notice a Ctrl-C.
    fn idle(&self) {
        const STEP_NS: u64 = 50_000_000;
        let clock = self.scene.clock();
        let end_ns = clock.now_ns() + (self.idle_s * 1e9) as u64;
        while clock.now_ns() < end_ns && !self.over() {
            clock.sleep_until(end_ns.min(clock.now_ns() + STEP_NS));
        }
    }
}

impl<'a> Run<'a> {
    fn new(stage: &'a Stage<'a>, lane: &'a Lane) -> Self {
        let component = lane.component.name().into();
        Run { stage, lane, component, id: next_span(), first_ns: None, last_ns: 0, images: 0 }
    }

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
            let times = done.layers.iter().map(|layer| (layer.start_ns, layer.end_ns));
            self.image(done.image.start_ns, done.image.end_ns, times)?;
        }
        Ok(board.end_run()?)
    }

    /// Runs images on the component's own CPUs, one after another. A thread of its own takes
    /// the cluster's affinity, which the executor's pool inherits.
    fn on_cpus(&mut self, graph: &Graph, executor: &str) -> Result<()> {
        let cpus = self.lane.component.cpus.clone();
        let work = || {
            bind(&cpus)?;
            let mut engine = executor::open(executor, graph, cpus.len().max(1))?;
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
                self.image(start_ns, monotonic_ns(), layers.0.iter().copied())?;
            }
            Ok(())
        };
        std::thread::scope(|scope| match scope.spawn(work).join() {
            Ok(ran) => ran,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    /// Writes the spans of an image and its layers.
    fn image(
        &mut self,
        start_ns: u64,
        end_ns: u64,
        layer_times: impl Iterator<Item = (u64, u64)>,
    ) -> Result<(), WriteError> {
        let id = next_span();
        let image = Some(self.images);
        let row = |id, parent, kind, name: &Name, (start_ns, end_ns), (flops, bytes)| SpanRow {
            id,
            parent: Some(parent),
            kind,
            name: name.clone(),
            component: self.component.clone(),
            image,
            start_ns,
            end_ns,
            flops: Some(flops),
            bytes_theoretical: Some(bytes),
        };
        for (layer, times) in self.lane.layers.iter().zip(layer_times) {
            let cost = (layer.flops, layer.bytes_theoretical);
            let span = row(next_span(), id, SpanKind::Layer, &layer.name, times, cost);
            self.stage.spans.write(&span)?;
        }
        let (network, cost) = (&self.stage.network, self.lane.image_cost());
        let span = row(id, self.id, SpanKind::Image, network, (start_ns, end_ns), cost);
        self.stage.spans.write(&span)?;
        self.first_ns.get_or_insert(start_ns);
        self.last_ns = end_ns;
        self.images += 1;
        self.stage.bar.inc(1);
        Ok(())
    }

    /// Writes the run's own span, if any image ran.
    fn end(&self) -> Result<(), WriteError> {
        let Some(start_ns) = self.first_ns else { return Ok(()) };
        let (flops, bytes_theoretical) = self.lane.image_cost();
        self.stage.spans.write(&SpanRow {
            id: self.id,
            parent: None,
            kind: SpanKind::Run,
            name: self.stage.network.clone(),
            component: self.component.clone(),
            image: None,
            start_ns,
            end_ns: self.last_ns,
            flops: Some(flops * self.images),
            bytes_theoretical: Some(bytes_theoretical * self.images),
        })
    }
}

/// Keeps the calling thread, and those it starts, on these CPUs.
fn bind(cpus: &[u32]) -> Result<()> {
    let mut set = CpuSet::new();
    for &cpu in cpus {
        set.set(cpu as usize).with_context(|| format!("CPU {cpu} is beyond what Linux counts"))?;
    }
    sched_setaffinity(Pid::from_raw(0), &set)
        .with_context(|| format!("cannot run on CPUs {cpus:?}; are they online?"))
}

/// When each layer of an image ran.
#[derive(Debug)]
struct LayerTimes(Vec<(u64, u64)>);

impl LayerObserver for LayerTimes {
    fn layer(&mut self, _: usize, start_ns: u64, end_ns: u64) {
        self.0.push((start_ns, end_ns));
    }
}
