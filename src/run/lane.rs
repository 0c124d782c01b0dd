//! A component made ready to run a network: its work, and what a span of each layer says.

use std::sync::Arc;

use anyhow::{Result, bail};
use wattline_board::Roots;
use wattline_board::description::{Component, ComponentKind, Precision};
use wattline_board::detect;
use wattline_board::emulated::work;
use wattline_inference::cost::{ElementType, layer_costs};
use wattline_inference::graph::Graph;
use wattline_inference::npu::{self, TrafficSettings};
use wattline_inference::opencl::{self, Device, DeviceChoice, DeviceKind};
use wattline_inference::{Model, executor, layer_shapes};
use wattline_trace::{FrequencyRecord, Name};

use super::args::Args;
use super::clocks;
use super::layer_plan::LayerPlan;
use crate::target::{Target, check_online};

/// A component and what it will run.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) component: Component,
    /// What runs networks on it, in words, for the manifest.
    pub(super) executor: String,
    pub(super) layers: Arc<[Layer]>,
    pub(super) work: Work,
    /// How its clock is held while it runs.
    pub(super) frequency: Option<FrequencyRecord>,
}

/// How a component runs a network.
#[derive(Debug)]
pub(super) enum Work {
    /// The emulated board takes as long as its model says.
    Emulated(Arc<work::Work>),
    /// An executor on the component's own CPUs.
    Cpus { graph: Graph, executor: &'static str, threads: usize },
    /// The OpenCL executor, on the device that the component is.
    Gpu { graph: Graph, options: opencl::Options },
    /// The NPU emulator, in the time that the model gives it, beside what really runs.
    Npu { work: work::Work, driving_cpus: Vec<u32>, traffic: Option<TrafficSettings> },
}

impl Lane {
    /// What it runs on an emulated board.
    pub(super) fn emulated_work(&self) -> &Arc<work::Work> {
        match &self.work {
            Work::Emulated(work) => work,
            Work::Cpus { .. } | Work::Gpu { .. } | Work::Npu { .. } => {
                unreachable!("work is planned for the board it is to run on")
            }
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

/// Makes every component ready, or says why one cannot run the network.
pub(super) fn prepare(
    target: &Target,
    components: &[&Component],
    model: &Model,
    executor: &'static str,
    args: &Args,
) -> Result<Vec<Lane>> {
    let threads = args.threads.map(usize::from);
    if threads.is_some() && target.emulated {
        bail!("--threads: an emulated cluster runs as its board was calibrated, on all its cores");
    }
    let plan = args.plan.as_deref().map(LayerPlan::read).transpose()?;
    if plan.is_some() && !(target.emulated && components.len() == 1) {
        bail!(
            "--plan changes frequencies between the layers of one component of an emulated board; a \
             real one is held at one frequency with --frequency"
        );
    }
    components
        .iter()
        .map(|&component| {
            let mut frequency = clocks::record(&args.frequency, component, target.emulated);
            let work = match target.emulated {
                true => {
                    refuse_quantised(&model.name, &model.graph)?;
                    let shapes = layer_shapes(&model.graph, component.precision);
                    let mut work = work::Work::plan(&model.name, &shapes, component)?;
                    if let Some(plan) = &plan {
                        frequency = Some(plan.apply(&mut work, component)?);
                    }
                    Work::Emulated(Arc::new(work))
                }
                false if component.kind == ComponentKind::Cpu => {
                    check_online(component)?;
                    if executor == opencl::NAME {
                        check_opencl_on_cpus(component)?;
                    }
                    let threads = threads_of(component, executor, threads);
                    Work::Cpus { graph: model.graph.clone(), executor, threads }
                }
                false if component.kind == ComponentKind::Npu => {
                    let shapes = layer_shapes(&model.graph, component.precision);
                    let work = work::Work::plan(&model.name, &shapes, component)?;
                    npu(target, component, work, args.npu_traffic)?
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
            let described = executor::description(executor);
            let executor = match &work {
                Work::Emulated(_) => format!("emulated (outputs by {described})"),
                Work::Cpus { .. } => described,
                Work::Gpu { options, .. } => {
                    format!("{} on {}", opencl::NAME, gpu(target, component, options)?)
                }
                Work::Npu { traffic: None, .. } => format!("emulated (outputs by {})", npu::NAME),
                Work::Npu { .. } => {
                    format!("emulated (outputs by {}, moving real bytes)", npu::NAME)
                }
            };
            let layers = layers(&model.graph, component.precision).into();
            Ok(Lane { component: component.clone(), executor, layers, work, frequency })
        })
        .collect()
}

/// An NPU that a real board lacks, or keeps for others: emulated from the cluster that drives it.
fn npu(target: &Target, component: &Component, work: work::Work, traffic: bool) -> Result<Work> {
    let name = component.name();
    let Some(bandwidth) = component.bandwidth.filter(|_| component.peak_rate().is_some()) else {
        bail!("{name} cannot be emulated: its description lacks peak or bandwidth");
    };
    let driving_cpus = target.driving_cpus(component).to_vec();
    let traffic = traffic.then(|| TrafficSettings {
        working_set_bytes: target.beyond_caches(&driving_cpus),
        cpus: driving_cpus.clone(),
        bandwidth_bytes_per_s: bandwidth.bytes_per_s(),
    });
    Ok(Work::Npu { work, driving_cpus, traffic })
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
