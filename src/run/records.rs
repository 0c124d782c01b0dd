//! What the manifest says of a run.

use std::sync::Arc;

use wattline_board::clock::Clock;
use wattline_inference::Model;
use wattline_inference::cost::{ElementType, graph_cost};
use wattline_trace::{ComponentRecord, Manifest, ModelRecord, Provenance};

use super::Args;
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
    }
}

/// The manifest, but for rails and counters, which the recorder knows.
pub(super) fn manifest(
    args: &Args,
    target: &Target,
    clock: &Arc<dyn Clock>,
    lanes: &[Lane],
    model: ModelRecord,
) -> Manifest {
    Manifest {
        components: lanes.iter().map(|lane| component(target, lane)).collect(),
        models: vec![model],
        ..recording::manifest(target, clock, args.seed)
    }
}

fn component(target: &Target, lane: &Lane) -> ComponentRecord {
    let component = &lane.component;
    let rails = target.description.rails_of(component);
    ComponentRecord {
        name: component.name().to_owned(),
        kind: component.kind.as_str().to_owned(),
        executor: lane.executor.clone(),
        rails: rails.into_iter().map(str::to_owned).collect(),
        peak_flops_per_s: component.peak_rate().map(|peak| peak.flops_per_s()),
        bandwidth_bytes_per_s: component.bandwidth.map(|known| known.bytes_per_s()),
        provenance: match lane.work {
            Work::Emulated(_) => Provenance::Emulated,
            Work::Cpus { .. } => Provenance::Measured,
        },
    }
}
