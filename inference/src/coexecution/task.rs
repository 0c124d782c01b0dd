//! What goes around in a run: tasks that wait, jobs at work, results that leave.

use std::ops::Range;

/// An image that waits, and how far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) image: u64,
    /// The layer that it runs next.
    pub(super) layer: usize,
}

/// What an executor is given to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The image's place in the stream, from 0 without gaps: results leave in this order.
    pub image: u64,
    /// Its number at the source, where dropped frames count.
    pub frame: u64,
    /// The layers to run; all of them but in a pipeline.
    pub layers: Range<usize>,
    /// How many layers the run tells apart: 1 where profiles know whole images only.
    pub of_layers: usize,
}

impl Job {
    /// Whether it is a whole image.
    pub fn is_whole(&self) -> bool {
        self.layers.len() == self.of_layers
    }
}

/// A result, in stream order.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivered<T> {
    /// The image's place in the stream.
    pub image: u64,
    /// Its number at the source, where dropped frames count.
    pub frame: u64,
    /// The result.
    pub output: T,
    /// The component that finished it.
    pub component: usize,
    /// When it came, in ns.
    pub arrived_ns: u64,
    /// When the job began that it is the result of, in ns.
    pub start_ns: u64,
    /// When that job ended, in ns.
    pub end_ns: u64,
    /// When it left, in ns.
    pub left_ns: u64,
    /// Images that had come by then and that nobody ran yet.
    pub queued: usize,
    /// Results that were still held back then.
    pub reordering: usize,
}

/// An answer to a free component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Assignment {
    Run(Job),
    Wait,
    WaitUntil(u64),
}
