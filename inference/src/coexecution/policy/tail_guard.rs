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
        let take = view.take_any(component);
        let (Decision::Take(all), Some(to_come)) = (&take, view.to_come) else { return take };
        let left = view.waiting_for(all) as u64 + to_come;
        let own_s = view.components[component].seconds();
        // Images that have yet to arrive keep the stream open, whoever runs them.
        let last_arrival_s = view.fps.map_or(0.0, |fps| to_come as f64 / fps);
        if own_s <= last_arrival_s {
            return take;
        }
        let mut servers = [Server { free_s: 0.0, image_s: f64::INFINITY }; MOST_COMPONENTS];
        for (server, candidate) in servers.iter_mut().zip(view.components) {
            if candidate.runs_images() {
                server.free_s = candidate.free_in_s(view.now_ns);
                server.image_s = candidate.seconds();
            }
        }
        let end_s = least_makespan(&servers[..view.components.len()], left);
        if own_s * (1.0 - TOLERANCE) <= end_s { take } else { Decision::Wait }
    }
}
