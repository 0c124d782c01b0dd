//! Work stealing that ends without stragglers.

use super::{Decision, Policy, PolicyKind, View};
use crate::coexecution::oracle::{MOST_COMPONENTS, Server, least_makespan};

/// [`Steal`](super::Steal), but a component leaves an image alone that the others finish sooner.
///
/// The rule: let `T` be the least instant by which all components, each from when it is free, can
/// finish all images that are left ([`least_makespan`]). A component takes an image if it is
/// itself done with it by `T`. As the images are identical, some best schedule then gives it one,
/// and taking it leaves `T` where it is: with exact times the stream ends at the oracle's
/// makespan. An endless stream has no tail, and this is `steal`.
#[derive(Debug, Clone, Copy, Default)]
pub struct StealTailGuard;

/// Estimates are rounded to ns and averaged: this share of an image is no reason to decline.
const TOLERANCE: f64 = 1e-4;

impl Policy for StealTailGuard {
    fn kind(&self) -> PolicyKind {
        PolicyKind::StealTailGuard
    }

    fn decide(&mut self, component: usize, view: &View<'_>) -> Decision {
        match view.take_any(component) {
            Decision::Take(_) if !done_by_least_makespan(component, view, |_| true) => {
                Decision::Wait
            }
            decision => decision,
        }
    }
}

/// Whether `component`, were it to take an image now, would be done with it by the least instant
/// by which those components that `share` in the rest of the stream can finish it.
pub(super) fn done_by_least_makespan(
    component: usize,
    view: &View<'_>,
    share: impl Fn(usize) -> bool,
) -> bool {
    let Some(to_come) = view.to_come else { return true };
    let left = view.waiting_for(&view.all_layers()) as u64 + to_come;
    let own_s = view.components[component].seconds();
    // Images that have yet to arrive keep the stream open, whoever runs them.
    let last_arrival_s = view.fps.map_or(0.0, |fps| to_come as f64 / fps);
    if own_s <= last_arrival_s {
        return true;
    }
    let mut servers = [Server { free_s: 0.0, image_s: f64::INFINITY }; MOST_COMPONENTS];
    for (index, (server, candidate)) in servers.iter_mut().zip(view.components).enumerate() {
        if candidate.runs_images() && share(index) {
            server.free_s = candidate.free_in_s(view.now_ns);
            server.image_s = candidate.seconds();
        }
    }
    let end_s = least_makespan(&servers[..view.components.len()], left);
    own_s * (1.0 - TOLERANCE) <= end_s
}
