//! What leaves a co-execution, and what goes wrong in it, written down.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use wattline_inference::coexecution::{Consumer, Delivered, Fault, Job, Timing, Watcher};
use wattline_trace::rows::{EventKind, FrameRow};
use wattline_trace::{FaultRecord, Name, TableWriter};

use super::spans::RunSpans;
use super::stream::Stage;

/// The first thing that could not be written: the run ends then.
pub(super) type Failure = Arc<OnceLock<String>>;

/// Writes a component's spans, on the thread that runs it.
#[derive(Debug)]
pub(super) struct SpanWatcher {
    pub(super) spans: Arc<Mutex<RunSpans>>,
    pub(super) failure: Failure,
}

impl Watcher for SpanWatcher {
    fn ran(&mut self, job: &Job, timing: &Timing<'_>) {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        // A job of whole images knows them as one layer.
        let layers = if job.is_whole() { spans.all_layers() } else { job.layers.clone() };
        let times = (timing.start_ns, timing.end_ns);
        spans.off_by_at_most(timing.clock_error_ns);
        spans.transferred_for(timing.transfer_ns);
        if let Err(error) = spans.image(job.frame, layers, times, timing.layers.iter().copied()) {
            let _ = self.failure.set(error.to_string());
        }
    }
}

/// Writes `frames.csv`, tells of faults, and ends the stream when that is wanted.
#[derive(Debug)]
pub(super) struct Deliveries<'a> {
    pub(super) stage: &'a Stage<'a>,
    pub(super) frames: TableWriter<FrameRow>,
    pub(super) components: Vec<Name>,
    /// When the stream is to end.
    pub(super) until_ns: Option<u64>,
    /// Added to the run's instants it is the clock's.
    pub(super) origin_ns: u64,
    pub(super) faults: Vec<FaultRecord>,
    pub(super) failure: Failure,
}

impl Deliveries<'_> {
    /// Tells of the faults that came after the last result.
    pub(super) fn tell_rest(&mut self, faults: &[Fault]) {
        for fault in faults.iter().skip(self.faults.len()) {
            self.tell(fault);
        }
    }

    fn tell(&mut self, fault: &Fault) {
        let (component, what) = (&fault.component, fault.kind.to_string());
        let line = format!("{what} (at image {}); others go on", fault.frame);
        self.stage.bar.suspend(|| eprintln!("wattline: {component} {line}"));
        self.stage.recorder.note(EventKind::ComponentFault, component, &line);
        self.faults.push(FaultRecord {
            t_ns: self.stage.scene.clock().now_ns(),
            component: component.clone(),
            image: fault.frame,
            what,
        });
    }

    fn wants_an_end(&self) -> bool {
        self.stage.over()
            || self.failure.get().is_some()
            || self.until_ns.is_some_and(|until_ns| self.stage.scene.clock().now_ns() >= until_ns)
    }
}

impl<T> Consumer<T> for Deliveries<'_> {
    fn take(&mut self, delivered: Delivered<T>) -> ControlFlow<()> {
        let on_clock = |ns: u64| self.origin_ns + ns;
        let row = FrameRow {
            image: delivered.frame,
            arrival_ns: on_clock(delivered.arrived_ns),
            start_ns: on_clock(delivered.start_ns),
            end_ns: on_clock(delivered.end_ns),
            delivered_ns: on_clock(delivered.left_ns),
            component: self.components[delivered.component].clone(),
            queued: delivered.queued as u64,
            reordering: delivered.reordering as u64,
        };
        if let Err(error) = self.frames.write(&row) {
            let _ = self.failure.set(error.to_string());
        }
        self.stage.bar.inc(1);
        if self.wants_an_end() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn fault(&mut self, fault: &Fault) {
        self.tell(fault);
    }

    fn has_enough(&mut self) -> bool {
        self.wants_an_end()
    }
}
