//! Who takes the results of a run, and is told how it goes.

use std::ops::ControlFlow;

use super::report::Fault;
use super::task::Delivered;

/// Takes the results of a run.
pub trait Consumer<T> {
    /// Takes a result, in stream order. To break ends the stream: images that were begun are still
    /// finished, and those that only waited are withdrawn.
    fn take(&mut self, delivered: Delivered<T>) -> ControlFlow<()>;

    /// A component was taken out of the run, or came back.
    fn fault(&mut self, _fault: &Fault) {}

    /// Whether the stream is to end now, whatever leaves: asked several times a second.
    fn has_enough(&mut self) -> bool {
        false
    }
}

/// A consumer that is a function.
#[derive(Debug)]
pub(super) struct Deliver<F>(pub(super) F);

impl<T, F: FnMut(Delivered<T>) -> ControlFlow<()>> Consumer<T> for Deliver<F> {
    fn take(&mut self, delivered: Delivered<T>) -> ControlFlow<()> {
        self.0(delivered)
    }
}
