//! The emulated board on its virtual clock as a time model: a run that is recorded as it happens.

use std::fmt;
use std::sync::Arc;

use wattline_board::emulated::work::Work;
use wattline_board::emulated::{EmulatedBoard, Flight};

use super::{Finished, TimeModel};
use crate::coexecution::parts::{Parts, tell};
use crate::coexecution::task::Job;
use crate::coexecution::watcher::Watcher;

/// A [`TimeModel`] that is an [`EmulatedBoard`] on the virtual clock.
///
/// The run's time goes by as the board's does: whoever else attends the clock, such as a sampler
/// of the board's sensors, has its turns at its own instants. The thread that drives the run must
/// attend the clock.
pub struct LiveBoard {
    board: Arc<EmulatedBoard>,
    origin_ns: u64,
    lanes: Vec<LiveLane>,
    layers: Vec<(u64, u64)>,
}

struct LiveLane {
    component: String,
    parts: Parts,
    watcher: Box<dyn Watcher>,
    running: Option<(Job, Flight)>,
}

impl LiveBoard {
    /// A run that begins now.
    pub fn new(board: Arc<EmulatedBoard>) -> Self {
        let origin_ns = board.clock().now_ns();
        LiveBoard { board, origin_ns, lanes: Vec::new(), layers: Vec::new() }
    }

    /// The same with one more component, the next of the run's: its name on the board, the work of
    /// an image, and who is told of its jobs.
    #[must_use]
    pub fn with(
        mut self,
        component: impl Into<String>,
        work: Arc<Work>,
        watcher: Box<dyn Watcher>,
    ) -> Self {
        let (component, parts) = (component.into(), Parts::new(work));
        self.lanes.push(LiveLane { component, parts, watcher, running: None });
        self
    }

    /// When the run began, on the board's clock: what its own times count from.
    pub fn origin_ns(&self) -> u64 {
        self.origin_ns
    }
}

impl fmt::Debug for LiveBoard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let components: Vec<_> = self.lanes.iter().map(|lane| &lane.component).collect();
        let mut shown = formatter.debug_struct("LiveBoard");
        shown.field("origin_ns", &self.origin_ns).field("components", &components).finish()
    }
}

impl TimeModel for LiveBoard {
    fn start(&mut self, component: usize, job: &Job, _now_ns: u64) {
        let lane = &mut self.lanes[component];
        let work = lane.parts.of(job);
        let flight = self.board.submit(&lane.component, job.frame, &work);
        lane.running = Some((job.clone(), flight));
    }

    fn next_event_ns(&self) -> Option<u64> {
        self.board.next_event_ns().map(|at_ns| at_ns.saturating_sub(self.origin_ns))
    }

    fn advance_to(&mut self, now_ns: u64, ended: &mut dyn FnMut(Finished)) {
        self.board.clock().sleep_until(self.origin_ns + now_ns);
        for (component, lane) in self.lanes.iter_mut().enumerate() {
            let Some((job, flight)) = &lane.running else { continue };
            let outcome = match self.board.take(flight) {
                Ok(None) => continue,
                Ok(Some(completion)) => {
                    tell(&mut *lane.watcher, job, &completion, &mut self.layers);
                    Ok(Some(completion.image.active_joules.iter().sum()))
                }
                Err(error) => Err(error.to_string()),
            };
            lane.running = None;
            ended(Finished { component, outcome });
        }
    }
}
