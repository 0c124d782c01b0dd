//! Where tasks wait: one deque for each thread that queues any, from which all may steal.

use std::iter::repeat_with;
use std::ops::Range;

use crossbeam_deque::{Steal, Stealer, Worker};

use crate::coexecution::task::Task;

/// A thread's own deque, first in, first out.
#[derive(Debug)]
pub(super) struct Deque(Worker<Task>);

impl Deque {
    pub(super) fn push(&self, task: Task) {
        self.0.push(task);
    }
}

/// The other end of all deques.
#[derive(Debug)]
pub(super) struct Deques {
    /// The last first: the stream's deque is the first, and its images are the newest.
    stealers: Vec<Stealer<Task>>,
}

impl Deques {
    /// `count` deques, each with room for `tasks` tasks.
    pub(super) fn new(count: usize, tasks: usize) -> (Vec<Deque>, Deques) {
        let own: Vec<_> = repeat_with(|| Deque(Worker::new_fifo())).take(count).collect();
        let stealers: Vec<_> = own.iter().map(|deque| deque.0.stealer()).collect();
        for deque in &own {
            // A ring grows when it is full and only shrinks when its owner pops; stealing what
            // was pushed leaves it large.
            let nothing = Task { image: 0, layer: 0 };
            (0..tasks).for_each(|_| deque.push(nothing));
            while !deque.0.is_empty() {
                let _ = deque.0.stealer().steal();
            }
        }
        (own, Deques { stealers })
    }

    /// Takes a task that waits for one of `layers`, the oldest of the deque that it is in.
    /// Tasks in front of it for other layers, as a pipeline that was split anew leaves them, move
    /// to `own`.
    pub(super) fn take(&self, layers: &Range<usize>, own: &Deque) -> Option<Task> {
        for stealer in self.stealers.iter().rev() {
            for _ in 0..stealer.len() {
                match steal(stealer) {
                    Some(task) if layers.contains(&task.layer) => return Some(task),
                    Some(task) => own.push(task),
                    None => break,
                }
            }
        }
        None
    }
}

fn steal(stealer: &Stealer<Task>) -> Option<Task> {
    loop {
        match stealer.steal() {
            Steal::Success(task) => return Some(task),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}
