//! What a worker runs.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::clock::monotonic_ns;
use crate::coexecution::flight::Ran;
use crate::coexecution::handover::Handover;
use crate::coexecution::task::Job;
use crate::coexecution::watcher::{Timing, Watcher};
use crate::executor::{Executor, LayerTimes};
use crate::tensor::Tensor;

/// Why an engine could not be made or could not run a job.
pub type EngineError = Box<dyn Error + Send + Sync>;

/// Makes a component's engine, on the thread that will run it: the place to bind that thread to a
/// cluster's CPUs, which threads that the engine starts inherit, and to run a first image untimed.
pub type Opener<T> = Box<dyn FnOnce() -> Result<Box<dyn Engine<Output = T>>, EngineError> + Send>;

/// Runs jobs on one component, one at a time.
pub trait Engine {
    /// A network's result.
    type Output;

    /// Runs a job to its end. In a pipeline, what passes between layers is the engines' affair:
    /// a job that begins in mid-network follows one that ended there, for the same image.
    ///
    /// # Errors
    /// When the component is of no more use: it is taken out of the run.
    fn run(&mut self, job: &Job) -> Result<Ran<Self::Output>, EngineError>;
}

/// An [`Executor`] and the images that it goes through in turn.
pub struct ExecutorEngine {
    executor: Box<dyn Executor>,
    inputs: Arc<[Tensor]>,
    handover: Arc<Handover>,
    watcher: Box<dyn Watcher>,
    layers: LayerTimes,
}

impl ExecutorEngine {
    /// An engine that runs frame `n` on the image `n` modulo their number.
    ///
    /// # Errors
    /// If there are no images.
    pub fn new(executor: Box<dyn Executor>, inputs: Arc<[Tensor]>) -> Result<Self, EngineError> {
        if inputs.is_empty() {
            return Err("there are no images to run; give one at least".into());
        }
        let (watcher, layers) = (Box::new(()), LayerTimes::default());
        let handover = Handover::new(1);
        Ok(ExecutorEngine { executor, inputs, handover, watcher, layers })
    }

    /// The same, in a pipeline with engines of the same `handover`.
    #[must_use]
    pub fn handing_over(self, handover: Arc<Handover>) -> Self {
        ExecutorEngine { handover, ..self }
    }

    /// The same, with somebody who is told of every job.
    #[must_use]
    pub fn watched_by(self, watcher: Box<dyn Watcher>) -> Self {
        ExecutorEngine { watcher, ..self }
    }

    /// Runs an image that counts for nothing: executors pack weights and touch buffers at their
    /// first, and the room for layer times is made.
    ///
    /// # Errors
    /// If the executor fails.
    pub fn warm_up(&mut self) -> Result<(), EngineError> {
        self.layers.0.clear();
        self.executor.run(&self.inputs[0], &mut self.layers)?;
        Ok(())
    }
}

impl fmt::Debug for ExecutorEngine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("ExecutorEngine");
        shown.field("executor", &self.executor.name()).field("inputs", &self.inputs.len()).finish()
    }
}

impl Engine for ExecutorEngine {
    type Output = Tensor;

    fn run(&mut self, job: &Job) -> Result<Ran<Tensor>, EngineError> {
        let all = self.executor.graph().layers().len();
        // A job of whole images may know them as one layer.
        let layers = if job.is_whole() { 0..all } else { job.layers.clone() };
        let waiting;
        let live = if layers.start == 0 {
            let input = (job.frame % self.inputs.len() as u64) as usize;
            &self.inputs[input..=input]
        } else {
            waiting = self.handover.get(job.image, layers.start).ok_or_else(|| {
                format!("image {} has not come as far as layer {}", job.image, layers.start)
            })?;
            &*waiting
        };
        self.layers.0.clear();
        self.executor.between_images()?;
        let start_ns = monotonic_ns();
        let mut next = self.executor.run_layers(layers.clone(), live, &mut self.layers)?;
        let timing = Timing {
            start_ns,
            end_ns: monotonic_ns(),
            layers: &self.layers.0,
            clock_error_ns: self.executor.clock_error_ns(),
            transfer_ns: self.executor.transfer_ns(),
        };
        self.watcher.ran(job, &timing);
        let output = if layers.end == all {
            next.pop()
        } else {
            self.handover.put(job.image, layers.end, next);
            None
        };
        Ok(Ran { output, joules: None })
    }
}
