//! What the manifest says of a run.

use std::sync::Arc;

use wattline_board::clock::Clock;
use wattline_inference::Model;
use wattline_inference::cost::{ElementType, graph_cost};
use wattline_inference::graph::{Graph, Layer, Shape};
use wattline_trace::{
    ComponentRecord, InputRecord, LayerRecord, Manifest, ModelRecord, Provenance, StandInRecord,
};

use super::args::Args;
use super::clocks;
use super::lane::{Lane, Work};
use crate::recording;
use crate::target::Target;

/// The network's record.
pub(super) fn model(model: &Model, wish: &str, seed: u64) -> ModelRecord {
    let cost = graph_cost(&model.graph, ElementType::F32);
    let origin = match wish.ends_with(".onnx") {
        true => wish.to_owned(),
        false => format!("built in, weights drawn from seed {seed}"),
    };
    ModelRecord {
        name: model.name.clone(),
        origin,
        parameters: model.graph.parameters(),
        flops: cost.flops,
        bytes_theoretical: cost.bytes_theoretical(),
        layers: layers(&model.graph),
    }
}

fn layers(graph: &Graph) -> Vec<LayerRecord> {
    let dims = |shape: Shape| shape.dims().map(|side| side as u64);
    let record = |layer: &Layer| LayerRecord {
        name: layer.name.clone(),
        kind: layer.operator.kind().to_owned(),
        inputs: graph.input_shapes(layer).into_iter().map(dims).collect(),
        output: dims(graph.shape(layer.output)),
    };
    graph.layers().iter().map(record).collect()
}

/// The manifest, but for rails and counters, which the recorder knows.
pub(super) fn manifest(
    args: &Args,
    target: &Target,
    clock: &Arc<dyn Clock>,
    lanes: &[Lane],
    model: ModelRecord,
    inputs: InputRecord,
) -> Manifest {
    Manifest {
        components: lanes.iter().map(|lane| component(target, lane)).collect(),
        models: vec![model],
        inputs: Some(inputs),
        ..recording::manifest(target, clock, args.seed)
    }
}

fn component(target: &Target, lane: &Lane) -> ComponentRecord {
    let component = &lane.component;
    let stand_in = match &lane.work {
        Work::Npu { traffic, .. } => {
            Some(StandInRecord { moves_bytes: traffic.is_some(), behind: None })
        }
        Work::Emulated(_) | Work::Cpus { .. } | Work::Gpu { .. } => None,
    };
    // What a rail reads while an emulator stands in for a component is of the emulator.
    let rails = match &stand_in {
        Some(_) => Vec::new(),
        None => target.description.rails_of(component),
    };
    // A peak is so many operations a cycle.
    let speed = lane.frequency.as_ref().map_or(1.0, clocks::speed);
    ComponentRecord {
        name: component.name().to_owned(),
        kind: component.kind.as_str().to_owned(),
        executor: lane.executor.clone(),
        rails: rails.into_iter().map(str::to_owned).collect(),
        cpus: component.cpus.clone(),
        threads: match lane.work {
            Work::Emulated(_) | Work::Gpu { .. } | Work::Npu { .. } => None,
            Work::Cpus { threads, .. } => u32::try_from(threads).ok(),
        },
        peak_flops_per_s: component.peak_rate().map(|peak| speed * peak.flops_per_s()),
        bandwidth_bytes_per_s: component.bandwidth.map(|known| known.bytes_per_s()),
        provenance: match lane.work {
            Work::Emulated(_) | Work::Npu { .. } => Provenance::Emulated,
            Work::Cpus { .. } | Work::Gpu { .. } => Provenance::Measured,
        },
        frequency: lane.frequency.clone(),
        stand_in,
    }
}

/// Marks a component whose emulator did not keep its pace.
pub(super) fn mark_behind(manifest: &mut Manifest, component: &str, behind: &str) {
    let records = manifest.components.iter_mut().filter(|it| it.name == component);
    for stand_in in records.filter_map(|it| it.stand_in.as_mut()) {
        stand_in.behind = Some(behind.to_owned());
    }
}
