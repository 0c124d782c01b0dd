//! The timed part of components alone: idle, a component's images, idle, the next component's.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, anyhow, bail};
use indicatif::ProgressBar;
use wattline_agent::{Recorder, interrupt};
use wattline_board::emulated::{EmulatedBoard, Flight, work};
use wattline_inference::Tensor;
use wattline_inference::coexecution::{Handover, Job};
use wattline_inference::npu::Report;
use wattline_trace::rows::{EventKind, SpanRow};
use wattline_trace::{DitherRecord, Name, TableWriter};

use super::Scene;
use super::clocks::Clocks;
use super::deliveries::{Failure, SpanWatcher};
use super::dither::Dither;
use super::engines::{Engine, engine};
use super::lane::Lane;
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
    /// Held while components run.
    pub(super) clocks: &'a Mutex<Clocks>,
    pub(super) spans: TableWriter<SpanRow>,
    pub(super) network: Name,
    /// Images that each component runs alone.
    pub(super) images: u64,
    pub(super) inputs: Arc<[Tensor]>,
    /// What an emulated NPU answers to each of the inputs.
    pub(super) npu_outputs: Arc<[Tensor]>,
    /// Emulators that did not keep their pace: component, and by how much.
    pub(super) behind: &'a Mutex<Vec<(String, String)>>,
    pub(super) idle_s: f64,
    /// Pauses before images of components alone, and the seed they are drawn from.
    pub(super) dither: Option<DitherRecord>,
    pub(super) seed: u64,
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
    spans: Arc<Mutex<RunSpans>>,
    dither: Option<Dither>,
    joules: Option<f64>,
}

impl Stage<'_> {
    /// Runs every component alone, with idle time around each, after what getting ready takes on a
    /// machine. Answers what those did that ran
    /// any image.
    pub(super) fn play(&self, lanes: &[Lane]) -> Result<Vec<Solo>> {
        let mut solos = Vec::new();
        if let Scene::Emulated(_) = self.scene {
            self.idle();
        }
        for (index, lane) in lanes.iter().enumerate() {
            if self.over() || self.images == 0 {
                break;
            }
            self.bar.set_message(lane.component.name().to_owned());
            let spans = Arc::new(Mutex::new(RunSpans::new(self, lane, None)));
            let dither = self.dither.map(|record| Dither::new(&record, self.seed, index));
            let mut run = Run { stage: self, lane, spans, dither, joules: None };
            let ran = self.at_frequencies(|| match self.scene {
                Scene::Emulated(board) => run.emulated(board, lane.emulated_work()),
                Scene::Machine(_) => run.on_machine(),
            });
            let solo = run.end()?;
            ran?;
            solos.extend(solo);
            self.idle();
        }
        Ok(solos)
    }

    /// Does something with the clocks held, which are put back whatever comes of it.
    pub(super) fn at_frequencies<T>(&self, what: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut clocks = self.clocks.lock().unwrap_or_else(PoisonError::into_inner);
        clocks.hold(&**self.scene.clock())?;
        let done = what();
        clocks.put_back(self.recorder);
        done
    }

    /// How it ended.
    pub(super) fn ended(&self) -> Ended {
        if interrupt::interrupted() { Ended::Interrupted } else { Ended::InOrder }
    }

    /// Whether the user or a failing recorder wants an end.
    pub(super) fn over(&self) -> bool {
        interrupt::interrupted() || self.recorder.failure().is_some()
    }

    /// Tells how an emulator kept its pace: to the user and in events.csv, and if it did not, for
    /// the manifest too.
    pub(super) fn tell_pace(&self, component: &str, report: &Report) {
        eprintln!("wattline: {component}: emulated: {report}");
        self.recorder.note(EventKind::Note, component, &format!("emulated: {report}"));
        let Some(behind) = report.behind() else { return };
        eprintln!("wattline: {component}: {behind}");
        self.recorder.note(EventKind::Note, component, &behind);
        let mut marks = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        marks.push((component.to_owned(), behind));
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
        let mut flights: VecDeque<(u64, Flight)> = VecDeque::new();
        let mut submitted = 0;
        let queued = if self.dither.is_some() { 1 } else { QUEUED };
        loop {
            while submitted < self.stage.images && flights.len() < queued && !self.stage.over() {
                if let Some(dither) = &mut self.dither {
                    dither.pause(&**self.stage.scene.clock());
                }
                flights.push_back((submitted, board.submit(component, submitted, work)));
                submitted += 1;
            }
            let Some((image, flight)) = flights.pop_front() else { break };
            let done = board.wait(flight)?;
            let layer_times = done.layers.iter().map(|layer| (layer.start_ns, layer.end_ns));
            let times = (done.image.start_ns, done.image.end_ns);
            let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
            let all_layers = spans.all_layers();
            spans.image(image, all_layers, times, layer_times)?;
            self.stage.bar.inc(1);
            let joules: f64 = done.image.active_joules.iter().sum();
            *self.joules.get_or_insert(0.0) += joules;
        }
        Ok(board.end_run(component)?)
    }

    /// Runs images on what is really here, one after another, on a thread of their own, which
    /// takes the affinity of the component's CPUs.
    fn on_machine(&mut self) -> Result<()> {
        let failure = Failure::default();
        let watcher = SpanWatcher { spans: Arc::clone(&self.spans), failure: Arc::clone(&failure) };
        let Engine { open, pace } =
            engine(self.stage, self.lane, Box::new(watcher), &Handover::new(1))?;
        let stage = self.stage;
        let mut dither = self.dither.take();
        let stream = move || {
            let mut engine = open().map_err(|error| anyhow!(error))?;
            // What it took to get ready was no idle time.
            stage.idle();
            for image in 0..stage.images {
                if stage.over() {
                    break;
                }
                if let Some(dither) = &mut dither {
                    dither.pause(&**stage.scene.clock());
                }
                engine.run(&Job::whole(image)).map_err(|error| anyhow!(error))?;
                if let Some(reason) = failure.get() {
                    bail!("{reason}");
                }
                stage.bar.inc(1);
            }
            Ok(())
        };
        let ran = std::thread::scope(|scope| match scope.spawn(stream).join() {
            Ok(ran) => ran,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        if let Some(pace) = pace {
            stage.tell_pace(self.lane.component.name(), &pace.report());
        }
        ran
    }

    /// Writes the run's own span. Answers what it came to, if any image ran.
    fn end(self) -> Result<Option<Solo>> {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        spans.note_device(self.stage.recorder);
        let Some(sum) = spans.end()? else { return Ok(None) };
        let per_image = |value: f64| value / sum.images as f64;
        Ok(Some(Solo {
            images: sum.images,
            seconds_per_image: per_image((sum.end_ns - sum.start_ns) as f64 * 1e-9),
            layer_seconds: spans.layer_seconds(),
            joules_per_image: self.joules.map(per_image),
        }))
    }
}
