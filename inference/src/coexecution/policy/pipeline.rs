//! Consecutive layers on different components.

use std::ops::Range;

use super::{Candidate, Decision, Policy, PolicyKind, View};
use crate::coexecution::oracle::MOST_COMPONENTS;

/// Each component runs a stage, consecutive layers of every image, and hands the image over.
///
/// From Pipe-it (Wang et al., "High-Throughput CNN Inference on Embedded ARM big.LITTLE
/// Multi-Core Processors", TCAD 2019; the study's reference 11), which splits by a design-space
/// search; here the split with the least bottleneck is found exactly, by [`best_split`]. It is
/// found again when a component is taken out or comes back. An image that has been through some
/// layers by then goes on from there, on whichever component now has its next layer.
#[derive(Debug)]
pub struct Pipeline {
    transfer_s: Vec<f64>,
    split: Option<Split>,
}

/// One component's part of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The component.
    pub component: usize,
    /// Its layers.
    pub layers: Range<usize>,
}

/// A network, split over components.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// The stages, in the order of their layers. Every layer is in one; no component is in two.
    pub stages: Vec<Stage>,
    /// Seconds of the slowest stage, the transfer of its input included: an image leaves the
    /// pipeline that often.
    pub bottleneck_s: f64,
}

impl Pipeline {
    /// A pipeline. `transfer_s[layer]` is what it costs, in seconds, to hand an image to another
    /// component before that layer: charged to the stage that starts there. Layers without an
    /// entry, and the first, cost nothing.
    pub fn new(transfer_s: Vec<f64>) -> Self {
        Pipeline { transfer_s, split: None }
    }

    /// The split in force, once the policy has been asked.
    pub fn split(&self) -> Option<&Split> {
        self.split.as_ref()
    }
}

impl Policy for Pipeline {
    fn kind(&self) -> PolicyKind {
        PolicyKind::Pipeline
    }

    fn decide(&mut self, component: usize, view: &View<'_>) -> Decision {
        if self.split.is_none() {
            self.changed(view);
        }
        let stages = self.split.iter().flat_map(|split| &split.stages);
        match stages.into_iter().find(|stage| stage.component == component) {
            Some(stage) if view.waiting_for(&stage.layers) > 0 => {
                Decision::Take(stage.layers.clone())
            }
            _ => Decision::Wait,
        }
    }

    fn changed(&mut self, view: &View<'_>) {
        self.split = best_split(view.components, view.waiting.len(), &self.transfer_s);
    }
}

/// The split of `layers` layers over components that has the least bottleneck, among equals one
/// of the fewest stages; `None` if no split can run every layer.
///
/// Dynamic programming over (components used, layers done): the least bottleneck of the first
/// layers on just these components is the least, over the last of them and where its stage
/// begins, of the greater of that stage's time and the least bottleneck before it. The order of
/// the components along the network is free. Takes `2^n * n * layers^2` steps for n components.
pub fn best_split(components: &[Candidate], layers: usize, transfer_s: &[f64]) -> Option<Split> {
    let able: Vec<usize> =
        (0..components.len()).filter(|&index| components[index].is_working()).collect();
    let able = &able[..able.len().min(MOST_COMPONENTS)];
    let boundaries = layers + 1;
    let unreached = Reached { bottleneck_s: f64::INFINITY, last: 0, from: 0 };
    let mut reached = vec![unreached; (1 << able.len()) * boundaries];
    reached[0].bottleneck_s = 0.0;
    for used in 1usize..1 << able.len() {
        for (last, &component) in able.iter().enumerate().filter(|(last, _)| used >> last & 1 == 1)
        {
            let before = (used & !(1 << last)) * boundaries;
            for to in 1..=layers {
                for from in 0..to {
                    let earlier = reached[before + from].bottleneck_s;
                    let stage_s = stage_s(&components[component], &(from..to), transfer_s);
                    let here = &mut reached[used * boundaries + to];
                    if earlier.max(stage_s) < here.bottleneck_s {
                        *here = Reached { bottleneck_s: earlier.max(stage_s), last, from };
                    }
                }
            }
        }
    }
    let bottleneck_s = |used: &usize| reached[used * boundaries + layers].bottleneck_s;
    let mut used = (1usize..1 << able.len()).filter(|used| bottleneck_s(used).is_finite()).min_by(
        |a, b| {
            bottleneck_s(a).total_cmp(&bottleneck_s(b)).then(a.count_ones().cmp(&b.count_ones()))
        },
    )?;
    let bottleneck_s = bottleneck_s(&used);
    let (mut stages, mut to) = (Vec::new(), layers);
    while to > 0 {
        let Reached { last, from, .. } = reached[used * boundaries + to];
        stages.push(Stage { component: able[last], layers: from..to });
        (used, to) = (used & !(1 << last), from);
    }
    stages.reverse();
    Some(Split { stages, bottleneck_s })
}

/// The best way found to run the first layers on given components.
#[derive(Debug, Clone, Copy)]
struct Reached {
    bottleneck_s: f64,
    /// The component of the last stage, and the stage's first layer.
    last: usize,
    from: usize,
}

fn stage_s(component: &Candidate, layers: &Range<usize>, transfer_s: &[f64]) -> f64 {
    let transfer_s = match layers.start {
        0 => 0.0,
        start => transfer_s.get(start).copied().unwrap_or(0.0),
    };
    component.layers_seconds(layers) + transfer_s
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;
