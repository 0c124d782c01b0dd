//! A component of the emulated board, on the wall clock.

use std::sync::Arc;

use wattline_board::emulated::EmulatedBoard;
use wattline_board::emulated::fluid::Completion;
use wattline_board::emulated::work::Work;

use super::engine::{Engine, EngineError};
use crate::coexecution::flight::Ran;
use crate::coexecution::task::Job;

/// Runs images on a component of an [`EmulatedBoard`]. The result is what each image spent.
#[derive(Debug)]
pub struct BoardEngine {
    board: Arc<EmulatedBoard>,
    component: String,
    work: Arc<Work>,
}

impl BoardEngine {
    /// An engine on the board's component of that name.
    pub fn new(board: Arc<EmulatedBoard>, component: impl Into<String>, work: Arc<Work>) -> Self {
        BoardEngine { board, component: component.into(), work }
    }
}

impl Engine for BoardEngine {
    type Output = Completion;

    fn run(&mut self, job: &Job) -> Result<Ran<Completion>, EngineError> {
        let work = if job.is_whole() {
            Arc::clone(&self.work)
        } else {
            let layers = self.work.layers[job.layers.clone()].to_vec();
            Arc::new(Work { network: self.work.network.clone(), layers })
        };
        let flight = self.board.submit(&self.component, job.image, &work);
        let completion = self.board.wait(flight)?;
        let joules = completion.image.active_joules.iter().sum();
        Ok(Ran { output: Some(completion), joules: Some(joules) })
    }
}
