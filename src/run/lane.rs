//! A component made ready to run a network: its work, and what a span of each layer says.

use std::sync::Arc;

use anyhow::{Result, bail};
use wattline_board::Roots;
use wattline_board::description::{Component, ComponentKind, Precision};
use wattline_board::detect;
use wattline_board::emulated::work;
use wattline_inference::cost::{ElementType, layer_costs};
use wattline_inference::graph::Graph;
use wattline_inference::opencl::{self, Device, DeviceChoice, DeviceKind};
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
    Cpus { graph: Graph, executor: &'static str },
    /// The OpenCL executor, on the device that the component is.
    Gpu { graph: Graph, options: opencl::Options },
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
                    if executor == opencl::NAME {
                        check_opencl_on_cpus(component)?;
                    }
                    Work::Cpus { graph: model.graph.clone(), executor }
                }
                false if component.kind == ComponentKind::Gpu => Work::Gpu {
                    graph: model.graph.clone(),
                    options: opencl::Options {
                        device: DeviceChoice::Best,
                        storage: component.precision.into(),
                    },
                },
                false => bail!(
                    "no executor runs on the {} of a real board yet; choose another component, or emulated:{}",
                    component.kind.as_str(),
                    target.description.name
                ),
            };
            let executor = match &work {
                Work::Emulated(_) => format!("emulated (outputs by {executor})"),
                Work::Cpus { .. } => executor.to_owned(),
                Work::Gpu { options, .. } => {
                    format!("{} on {}", opencl::NAME, gpu(target, component, options)?)
                }
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

/// PoCL runs on all CPUs, whatever cluster asks for it, and a GPU is no cluster at all.
fn check_opencl_on_cpus(component: &Component) -> Result<()> {
    let device = opencl::choose(&DeviceChoice::Best)?;
    if device.kind != DeviceKind::Cpu {
        bail!("--executor opencl would run on {device}, not on {}; use --on gpu", component.name());
    }
    let online = detect::online_cpus(&Roots::machine());
    if !online.iter().all(|cpu| component.cpus.contains(cpu)) {
        bail!("--executor opencl runs on all CPUs, not on those of {} alone", component.name());
    }
    Ok(())
}

/// The device that a GPU component is, in words. Only on a machine that nobody has described may a
/// CPU take its place: a board's GPU has a rail of its own, whose joules are not the CPU's.
fn gpu(target: &Target, component: &Component, options: &opencl::Options) -> Result<Device> {
    let device = opencl::choose(&options.device)?;
    if device.kind == DeviceKind::Cpu && !target.is_host() {
        bail!(
            "{} of {} is a GPU, and OpenCL has only {device} here; install the GPU's OpenCL driver",
            component.name(),
            target.description.name
        );
    }
    if options.storage == ElementType::F16 && !device.fp16 {
        bail!("{} computes in FP16, which {device} cannot (cl_khr_fp16)", component.name());
    }
    Ok(device)
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
