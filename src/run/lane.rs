//! A component made ready to run a network: its work, and what a span of each layer says.

use std::sync::Arc;

use anyhow::{Result, bail};
use wattline_board::Roots;
use wattline_board::description::{Component, ComponentKind, Precision};
use wattline_board::detect;
use wattline_board::emulated::work;
use wattline_inference::cost::{ElementType, layer_costs};
use wattline_inference::graph::Graph;
use wattline_inference::{Model, executor, layer_shapes};
use wattline_trace::Name;

use crate::target::Target;

/// A component and what it will run.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) component: Component,
    /// What runs networks on it, in words, for the manifest.
    pub(super) executor: String,
    pub(super) layers: Vec<Layer>,
    pub(super) work: Work,
}

/// How a component runs a network.
#[derive(Debug)]
pub(super) enum Work {
    /// The emulated board takes as long as its model says.
    Emulated(Arc<work::Work>),
    /// An executor on the component's own CPUs.
    Cpus { graph: Graph, executor: &'static str },
}

/// What a layer's span says.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) name: Name,
    pub(super) flops: u64,
    pub(super) bytes_theoretical: u64,
}

impl Lane {
    /// FLOPs and theoretical bytes of one image.
    pub(super) fn image_cost(&self) -> (u64, u64) {
        self.layers.iter().fold((0, 0), |(flops, bytes), layer| {
            (flops + layer.flops, bytes + layer.bytes_theoretical)
        })
    }
}

/// Makes every component ready, or says why one cannot run the network.
pub(super) fn prepare(
    target: &Target,
    components: &[&Component],
    model: &Model,
    executor: &'static str,
) -> Result<Vec<Lane>> {
    components
        .iter()
        .map(|&component| {
            let work = match target.emulated {
                true => {
                    let shapes = layer_shapes(&model.graph, component.precision);
                    Work::Emulated(Arc::new(work::Work::plan(&model.name, &shapes, component)?))
                }
                false if component.kind == ComponentKind::Cpu => {
                    check_cpus(component)?;
                    Work::Cpus { graph: model.graph.clone(), executor }
                }
                false => bail!(
                    "no executor runs on the {} of a real board yet; choose a CPU cluster, or emulated:{}",
                    component.kind.as_str(),
                    target.description.name
                ),
            };
            let described = executor::description(executor);
            let executor = match work {
                Work::Emulated(_) => format!("emulated (outputs by {described})"),
                Work::Cpus { .. } => described,
            };
            let layers = layers(&model.graph, component.precision);
            Ok(Lane { component: component.clone(), executor, layers, work })
        })
        .collect()
}

/// A cluster some of whose CPUs are not there would be measured as if they were.
fn check_cpus(component: &Component) -> Result<()> {
    let online = detect::online_cpus(&Roots::machine());
    let missing: Vec<_> = component.cpus.iter().filter(|cpu| !online.contains(cpu)).collect();
    if !missing.is_empty() {
        bail!(
            "{} is CPUs {:?}, but {missing:?} of them are not online here; is this the right board? \
             See `wattline probe`, and /sys/devices/system/cpu/cpuN/online",
            component.name(),
            component.cpus
        );
    }
    Ok(())
}

fn layers(graph: &Graph, precision: Precision) -> Vec<Layer> {
    graph
        .layers()
        .iter()
        .zip(layer_costs(graph, ElementType::from(precision)))
        .map(|(layer, cost)| Layer {
            name: layer.name.as_str().into(),
            flops: cost.flops,
            bytes_theoretical: cost.bytes_theoretical(),
        })
        .collect()
}
