//! A component made ready to run a network: its work, and what a span of each layer says.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
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
    pub(super) layers: Arc<[Layer]>,
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

impl Lane {
    /// What it runs on an emulated board.
    pub(super) fn emulated_work(&self) -> &Arc<work::Work> {
        match &self.work {
            Work::Emulated(work) => work,
            Work::Cpus { .. } => unreachable!("work is planned for the board it is to run on"),
        }
    }
}

/// What a layer's span says.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) name: Name,
    pub(super) flops: u64,
    pub(super) bytes_theoretical: u64,
}

/// Makes the executor of a CPU cluster, and keeps the calling thread and those that the executor
/// starts on the cluster's CPUs.
pub(super) fn open_on(
    cpus: &[u32],
    graph: &Graph,
    executor: &str,
) -> Result<Box<dyn executor::Executor>> {
    let mut set = CpuSet::new();
    for &cpu in cpus {
        set.set(cpu as usize).with_context(|| format!("CPU {cpu} is beyond what Linux counts"))?;
    }
    sched_setaffinity(Pid::from_raw(0), &set)
        .with_context(|| format!("cannot run on CPUs {cpus:?}; are they online?"))?;
    Ok(executor::open(executor, graph, cpus.len().max(1))?)
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
            let executor = match work {
                Work::Emulated(_) => format!("emulated (outputs by {executor})"),
                Work::Cpus { .. } => executor.to_owned(),
            };
            let layers = layers(&model.graph, component.precision).into();
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
