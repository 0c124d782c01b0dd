//! The emulated board's fluid model, without its sensors and its clock.

use std::sync::Arc;

use wattline_board::clock::JobId;
use wattline_board::emulated::fluid::Fluid;
use wattline_board::emulated::work::Work;

use super::{Finished, TimeModel};
use crate::coexecution::parts::Parts;
use crate::coexecution::task::Job;

/// A [`TimeModel`] whose components share DRAM bandwidth and the clusters that drive them.
#[derive(Debug)]
pub struct FluidBoard {
    fluid: Fluid,
    lanes: Vec<BoardLane>,
    next_job: u64,
}

/// A component of the run, and of the board.
#[derive(Debug)]
struct BoardLane {
    index: usize,
    parts: Parts,
    running: Option<JobId>,
}

impl FluidBoard {
    /// A run's components on a board that is at rest at 0 ns: for each the index of the board's
    /// component and the work of an image.
    pub fn new(fluid: Fluid, components: impl IntoIterator<Item = (usize, Arc<Work>)>) -> Self {
        let lane = |(index, work)| BoardLane { index, parts: Parts::new(work), running: None };
        FluidBoard { fluid, lanes: components.into_iter().map(lane).collect(), next_job: 0 }
    }

    /// The board: what its rails and its memory spent.
    pub fn fluid(&self) -> &Fluid {
        &self.fluid
    }
}

impl TimeModel for FluidBoard {
    fn start(&mut self, component: usize, job: &Job, _now_ns: u64) {
        let id = JobId(self.next_job);
        self.next_job += 1;
        let lane = &mut self.lanes[component];
        lane.running = Some(id);
        let work = lane.parts.of(job);
        self.fluid.submit(lane.index, id, work);
    }

    fn next_event_ns(&self) -> Option<u64> {
        self.fluid.next_event_ns()
    }

    fn advance_to(&mut self, now_ns: u64, ended: &mut dyn FnMut(Finished)) {
        self.fluid.advance_to(now_ns);
        for (component, lane) in self.lanes.iter_mut().enumerate() {
            let Some(completion) = lane.running.and_then(|id| self.fluid.take(id)) else {
                continue;
            };
            lane.running = None;
            let joules = completion.image.active_joules.iter().sum();
            ended(Finished { component, outcome: Ok(Some(joules)) });
        }
    }
}
