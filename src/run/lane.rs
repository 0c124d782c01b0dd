//! A component made ready to run a network: its work, and what a span of each layer says.

use std::sync::Arc;

use anyhow::{Result, bail};
use wattline_board::Roots;
use wattline_board::description::{Component, ComponentKind, Precision};
use wattline_board::detect;
use wattline_board::emulated::work;
use wattline_inference::cost::{ElementType, layer_costs};
use wattline_inference::graph::Graph;
use wattline_inference::{Model, layer_shapes};
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
    Cpus { graph: Graph, executor: &'static str, threads: usize },
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
    threads: Option<usize>,
) -> Result<Vec<Lane>> {
    if threads.is_some() && target.emulated {
        bail!("--threads: an emulated cluster runs as its board was calibrated, on all its cores");
    }
    components
        .iter()
        .map(|&component| {
            let work = match target.emulated {
                true => {
                    refuse_quantised(&model.name, &model.graph)?;
                    let shapes = layer_shapes(&model.graph, component.precision);
                    Work::Emulated(Arc::new(work::Work::plan(&model.name, &shapes, component)?))
                }
                false if component.kind == ComponentKind::Cpu => {
                    check_cpus(component)?;
                    let threads = threads_of(component, executor, threads);
                    Work::Cpus { graph: model.graph.clone(), executor, threads }
                }
                false => bail!(
                    "no executor runs on the {} of a real board yet; choose a CPU cluster, or emulated:{}",
                    component.kind.as_str(),
                    target.description.name
                ),
            };
            let executor = match work {
                Work::Emulated(_) => format!("emulated (outputs by {executor})"),
                Work::Cpus { .. } => executor.to_owned(),
            };
            let layers = layers(&model.graph, component.precision);
            Ok(Lane { component: component.clone(), executor, layers, work })
        })
        .collect()
}

/// Refuses a network of 8-bit steps on an emulated board, whose rates are known in FP32 or FP16: how
/// fast its chip multiplies bytes nobody has measured, and a guess would look like a number.
pub(crate) fn refuse_quantised(network: &str, graph: &Graph) -> Result<()> {
    let Some(layer) = graph.first_quantised() else { return Ok(()) };
    bail!(
        "{network}: layer {} works on 8-bit steps, and emulated boards are calibrated in floating point \
         alone; run it on a real board's CPUs, or on --board host",
        layer.name
    )
}

/// Threads that a cluster's executor runs on: as many as are wished for, or one on each CPU. The
/// reference knows no threads.
fn threads_of(component: &Component, executor: &str, wish: Option<usize>) -> usize {
    let cpus = component.cpus.len().max(1);
    let threads = wish.unwrap_or(cpus);
    if threads > cpus {
        let name = component.name();
        eprintln!(
            "wattline: {threads} threads share the {cpus} CPUs of {name}, and wait for each other"
        );
    }
    if executor == "reference" { 1 } else { threads }
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
