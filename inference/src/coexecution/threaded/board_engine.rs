//! A component of the emulated board, on the wall clock.

use std::fmt;
use std::sync::Arc;

use wattline_board::emulated::EmulatedBoard;
use wattline_board::emulated::fluid::Completion;
use wattline_board::emulated::work::Work;

use super::engine::{Engine, EngineError};
use crate::coexecution::flight::Ran;
use crate::coexecution::parts::{Parts, tell};
use crate::coexecution::task::Job;
use crate::coexecution::watcher::Watcher;

/// Runs images on a component of an [`EmulatedBoard`]. The result is what each image spent.
pub struct BoardEngine {
    board: Arc<EmulatedBoard>,
    component: String,
    parts: Parts,
    watcher: Box<dyn Watcher>,
    layers: Vec<(u64, u64)>,
}

impl BoardEngine {
    /// An engine on the board's component of that name.
    pub fn new(board: Arc<EmulatedBoard>, component: impl Into<String>, work: Arc<Work>) -> Self {
        let layers = Vec::with_capacity(work.layers.len());
        let (component, parts) = (component.into(), Parts::new(work));
        BoardEngine { board, component, parts, watcher: Box::new(()), layers }
    }

    /// The same, with somebody who is told of every job.
    #[must_use]
    pub fn watched_by(self, watcher: Box<dyn Watcher>) -> Self {
        BoardEngine { watcher, ..self }
    }
}

impl fmt::Debug for BoardEngine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BoardEngine").field("component", &self.component).finish()
    }
}

impl Engine for BoardEngine {
    type Output = Completion;

    fn run(&mut self, job: &Job) -> Result<Ran<Completion>, EngineError> {
        let work = self.parts.of(job);
        let flight = self.board.submit(&self.component, job.frame, &work);
        let completion = self.board.wait(flight)?;
        tell(&mut *self.watcher, job, &completion, &mut self.layers);
        let joules = completion.image.active_joules.iter().sum();
        Ok(Ran { output: Some(completion), joules: Some(joules) })
    }
}
