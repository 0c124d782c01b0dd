//! What a worker runs.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::clock::monotonic_ns;
use crate::coexecution::flight::Ran;
use crate::coexecution::task::Job;
use crate::coexecution::watcher::{Timing, Watcher};
use crate::executor::{Executor, LayerObserver};
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
    watcher: Box<dyn Watcher>,
    layers: LayerTimes,
}

/// When each layer of an image ran.
#[derive(Debug, Default)]
struct LayerTimes(Vec<(u64, u64)>);

impl LayerObserver for LayerTimes {
    fn layer(&mut self, _index: usize, start_ns: u64, end_ns: u64) {
        self.0.push((start_ns, end_ns));
    }
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
        Ok(ExecutorEngine { executor, inputs, watcher, layers })
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
        if !job.is_whole() {
            return Err("executors run whole networks; use a policy other than `pipeline`".into());
        }
        let input = &self.inputs[(job.frame % self.inputs.len() as u64) as usize];
        self.layers.0.clear();
        let start_ns = monotonic_ns();
        let output = self.executor.run(input, &mut self.layers)?;
        let timing = Timing { start_ns, end_ns: monotonic_ns(), layers: &self.layers.0 };
        self.watcher.ran(job, &timing);
        Ok(Ran { output: Some(output), joules: None })
    }
}
