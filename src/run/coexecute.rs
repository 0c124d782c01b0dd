//! One stream of images over all components: on executors, or on an emulated board on either
//! clock.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use wattline_board::emulated::EmulatedBoard;
use wattline_board::emulated::fluid::Completion;
use wattline_inference::coexecution::{
    BoardEngine, Handover, LiveBoard, Opener, Plan, Report, Watcher, simulate_to, threaded_to,
};
use wattline_trace::rows::FrameRow;
use wattline_trace::{ClockKind, Manifest, Name, TableWriter};

use super::Scene;
use super::deliveries::{Deliveries, Failure, SpanWatcher};
use super::engines::{Engine, engine};
use super::lane::Lane;
use super::profiles::Known;
use super::spans::{RunSpans, Sum, coexecution_row, next_span};
use super::stream::{Solo, Stage};
use super::wish::Wish;

/// Runs the stream, and writes it down: spans, frames, and its part of the manifest. Answers what
/// it came to, if any result left.
pub(super) fn coexecute(
    stage: &Stage<'_>,
    lanes: &[Lane],
    wish: &mut Wish,
    solos: &[Solo],
    frames: TableWriter<FrameRow>,
    manifest: &mut Manifest,
) -> Result<Option<Report>> {
    let known = wish.known(lanes, solos);
    if let Some(record) = &mut manifest.coexecution {
        record.profiles = known.iter().map(Known::record).collect();
    }
    let plan = wish.plan(&known)?;
    stage.bar.set_message("all");
    let id = next_span();
    let failure = Failure::default();
    let spans: Vec<_> = lanes
        .iter()
        .map(|lane| Arc::new(Mutex::new(RunSpans::new(stage, lane, Some(id)))))
        .collect();
    let watchers = spans.iter().map(|spans| -> Box<dyn Watcher> {
        Box::new(SpanWatcher { spans: Arc::clone(spans), failure: Arc::clone(&failure) })
    });
    let now_ns = stage.scene.clock().now_ns();
    let mut deliveries = Deliveries {
        stage,
        frames,
        components: lanes.iter().map(|lane| lane.component.name().into()).collect(),
        until_ns: wish.duration_ns.map(|duration_ns| now_ns + duration_ns),
        origin_ns: 0,
        faults: Vec::new(),
        failure: Arc::clone(&failure),
    };
    let ran = run(stage, lanes, plan, watchers.collect(), &mut deliveries);
    end(stage, &spans, id)?;
    if let Ok(report) = &ran {
        deliveries.tell_rest(&report.faults);
    }
    if let Some(record) = &mut manifest.coexecution {
        record.faults = deliveries.faults;
        record.dropped = ran.as_ref().map_or(0, |report| report.dropped);
    }
    if let Some(reason) = failure.get() {
        bail!("{reason}");
    }
    let report = ran?;
    if !report.faults.is_empty() {
        eprintln!(
            "wattline: not every component was sound; {} images were finished",
            report.images
        );
    }
    Ok((report.images > 0).then_some(report))
}

/// Runs the stream on whatever the scene is.
fn run(
    stage: &Stage<'_>,
    lanes: &[Lane],
    plan: Plan,
    watchers: Vec<Box<dyn Watcher>>,
    deliveries: &mut Deliveries<'_>,
) -> Result<Report> {
    let with_watchers = lanes.iter().zip(watchers);
    match stage.scene {
        Scene::Machine(_) => {
            let (mut openers, mut paces) = (Vec::new(), Vec::new());
            let handover = Handover::new(plan.settings.window);
            for (lane, watcher) in with_watchers {
                let Engine { open, pace } = engine(stage, lane, watcher, &handover)?;
                openers.push(open);
                paces.extend(pace.map(|pace| (lane.component.name(), pace)));
            }
            let report = threaded_to(plan, openers, deliveries);
            paces.iter().for_each(|(component, pace)| stage.tell_pace(component, &pace.report()));
            Ok(report?)
        }
        Scene::Emulated(board) => {
            for lane in lanes {
                board.begin_run(lane.component.name(), &stage.network);
            }
            match board.clock().kind() {
                ClockKind::Wall => {
                    let opener = |(lane, watcher)| emulated(board, lane, watcher);
                    Ok(threaded_to(plan, with_watchers.map(opener).collect(), deliveries)?)
                }
                ClockKind::Virtual => {
                    let live = LiveBoard::new(Arc::clone(board));
                    let mut live = with_watchers.fold(live, |live, (lane, watcher)| {
                        live.with(lane.component.name(), Arc::clone(lane.emulated_work()), watcher)
                    });
                    deliveries.origin_ns = live.origin_ns();
                    Ok(simulate_to(plan, &mut live, deliveries)?)
                }
            }
        }
    }
}

/// An emulated component's engine.
fn emulated(
    board: &Arc<EmulatedBoard>,
    lane: &Lane,
    watcher: Box<dyn Watcher>,
) -> Opener<Completion> {
    let (board, work) = (Arc::clone(board), Arc::clone(lane.emulated_work()));
    let component = lane.component.name().to_owned();
    Box::new(move || Ok(Box::new(BoardEngine::new(board, component, work).watched_by(watcher))))
}

/// Ends every component's run, and then the one they lie in.
fn end(stage: &Stage<'_>, spans: &[Arc<Mutex<RunSpans>>], id: u64) -> Result<()> {
    let mut all: Option<Sum> = None;
    for spans in spans {
        let mut spans = spans.lock().unwrap_or_else(PoisonError::into_inner);
        spans.note_device(stage.recorder);
        let sum = spans.end()?;
        if let Scene::Emulated(board) = stage.scene {
            board.end_run(spans.component())?;
        }
        all = all.into_iter().chain(sum).reduce(Sum::and);
    }
    if let Some(sum) = all {
        let network: Name = stage.network.clone();
        stage
            .spans
            .write(&coexecution_row(id, network, sum))
            .context("the run of all components")?;
    }
    Ok(())
}
