//! The baseline: one component does everything.

use super::{Decision, Policy, PolicyKind, View};

/// All images on the component that is fastest alone: what the study's gains are measured
/// against (Tables II and III). When it is taken out, the next best takes over.
#[derive(Debug, Clone, Copy, Default)]
pub struct BestSingle;

impl Policy for BestSingle {
    fn kind(&self) -> PolicyKind {
        PolicyKind::BestSingle
    }

    fn decide(&mut self, component: usize, view: &View<'_>) -> Decision {
        // By solo profile, not by estimate: a run that wandered would have no single component.
        let solo = |index: &usize| view.components[*index].profile().seconds();
        let best = (0..view.components.len())
            .filter(|&index| view.components[index].runs_images())
            .min_by(|a, b| solo(a).total_cmp(&solo(b)));
        if best == Some(component) { view.take_any(component) } else { Decision::Wait }
    }
}
