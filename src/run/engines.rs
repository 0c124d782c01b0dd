//! What runs networks on a real board: a component's engine, and how it kept its pace.

use std::sync::Arc;

use anyhow::Result;
use wattline_inference::Tensor;
use wattline_inference::affinity::bind;
use wattline_inference::coexecution::{ExecutorEngine, Handover, Opener, Watcher};
use wattline_inference::executor;
use wattline_inference::npu::{Emulator, Watch};
use wattline_inference::opencl::OpenCl;

use super::lane::{Lane, Work};
use super::spans::preparation_row;
use super::stream::Stage;

/// An engine that is made on the thread that will run it, so that this thread and those which the
/// engine starts keep to the cluster's CPUs, and that is warm before its first image.
pub(super) struct Engine {
    pub(super) open: Opener<Tensor>,
    /// Of an emulator: whether it is as fast as what it stands in for.
    pub(super) pace: Option<Watch>,
}

/// The engine of a component that is really here, or stood in for. Those of one pipeline share
/// `handover`.
///
/// # Panics
/// If the component is an emulated board's, which runs it itself.
pub(super) fn engine(
    stage: &Stage<'_>,
    lane: &Lane,
    watcher: Box<dyn Watcher>,
    handover: &Arc<Handover>,
) -> Result<Engine> {
    let handover = Arc::clone(handover);
    match &lane.work {
        Work::Emulated(_) => unreachable!("emulated work is planned for emulated boards alone"),
        Work::Cpus { graph, executor, threads } => {
            let (graph, executor, threads) = (graph.clone(), *executor, *threads);
            let (cpus, inputs) = (lane.component.cpus.clone(), Arc::clone(&stage.inputs));
            let open: Opener<Tensor> = Box::new(move || {
                bind(&cpus)?;
                let executor = executor::open(executor, &graph, threads)?;
                let engine = ExecutorEngine::new(executor, inputs)?;
                let mut engine = engine.watched_by(watcher).handing_over(handover);
                engine.warm_up()?;
                Ok(Box::new(engine))
            });
            Ok(Engine { open: told(stage, lane, open), pace: None })
        }
        Work::Gpu { graph, options } => {
            let (graph, options) = (graph.clone(), options.clone());
            let inputs = Arc::clone(&stage.inputs);
            let open: Opener<Tensor> = Box::new(move || {
                let executor = OpenCl::new(&graph, &options)?;
                let engine = ExecutorEngine::new(Box::new(executor), inputs)?;
                let mut engine = engine.watched_by(watcher).handing_over(handover);
                engine.warm_up()?;
                Ok(Box::new(engine))
            });
            Ok(Engine { open: told(stage, lane, open), pace: None })
        }
        Work::Npu { work, driving_cpus, traffic } => {
            let outputs = Arc::clone(&stage.npu_outputs);
            let mut emulator = Emulator::new(work, &lane.component, outputs).watched_by(watcher);
            if let Some(traffic) = traffic {
                emulator = emulator.moving(traffic.clone())?;
            }
            let (pace, cpus) = (Some(emulator.watch()), driving_cpus.clone());
            let open: Opener<Tensor> = Box::new(move || {
                bind(&cpus)?;
                Ok(Box::new(emulator))
            });
            Ok(Engine { open, pace })
        }
    }
}

/// The same, and the time that it takes is told: it is no idle time.
fn told(stage: &Stage<'_>, lane: &Lane, open: Opener<Tensor>) -> Opener<Tensor> {
    let (spans, network) = (stage.spans.clone(), stage.network.clone());
    let component = lane.component.name().into();
    let clock = Arc::clone(stage.scene.clock());
    Box::new(move || {
        let start_ns = clock.now_ns();
        let engine = open()?;
        spans.write(&preparation_row(network, component, (start_ns, clock.now_ns())))?;
        Ok(engine)
    })
}
