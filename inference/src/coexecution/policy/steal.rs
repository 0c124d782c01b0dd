//! The study's policy: whoever is free takes the next image.

use super::{Decision, Policy, PolicyKind, View};

/// "Multiple components process images from a single unified stream in parallel using a
/// work-stealing mechanism" (the study, section V-A): greedy list scheduling.
///
/// Its makespan is at most one image of the slowest component above the least, and that is what
/// it loses at the end of a short stream: see [`StealTailGuard`](super::StealTailGuard).
#[derive(Debug, Clone, Copy, Default)]
pub struct Steal;

impl Policy for Steal {
    fn kind(&self) -> PolicyKind {
        PolicyKind::Steal
    }

    fn decide(&mut self, component: usize, view: &View<'_>) -> Decision {
        view.take_any(component)
    }
}
