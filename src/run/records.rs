//! What the manifest says of a run.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use wattline_board::clock::Clock;
use wattline_inference::Model;
use wattline_inference::cost::{ElementType, graph_cost};
use wattline_trace::{
    BoardRecord, ClockRecord, ComponentRecord, Manifest, ModelRecord, Provenance, SCHEMA_VERSION,
};

use super::args::Args;
use super::lane::{Lane, Work};
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
    let board = &target.description;
    let kernel = nix::sys::utsname::uname()
        .map(|name| name.release().to_string_lossy().into_owned())
        .unwrap_or_default();
    Manifest {
        schema: SCHEMA_VERSION,
        wattline: env!("CARGO_PKG_VERSION").to_owned(),
        board: BoardRecord {
            name: board.name.clone(),
            model: target.model(),
            emulated: target.emulated,
        },
        kernel,
        command: std::env::args().collect(),
        clock: ClockRecord { kind: clock.kind(), utc_offset_ns: utc_offset_ns(clock) },
        seed: args.seed,
        rails: Vec::new(),
        counters: Vec::new(),
        dram_source: board.memory.counter.as_ref().map(|name| name.get_ref().clone()),
        components: lanes.iter().map(|lane| component(target, lane)).collect(),
        models: vec![model],
        coexecution: None,
        complete: false,
        interrupted: false,
        failure: None,
    }
}

/// On a machine whose description knows no rails, a single sensor is taken to be the supply's:
/// then its active energy is the component's. Of several nobody knows which contains which, and a
/// board description of one's own has to say it.
pub(super) fn adopt_only_rail(manifest: &mut Manifest, target: &Target) {
    if let ([only], true) = (&manifest.rails[..], target.description.rails.is_empty()) {
        let name = only.name.clone();
        manifest.components.iter_mut().for_each(|it| it.rails = vec![name.clone()]);
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

fn utc_offset_ns(clock: &Arc<dyn Clock>) -> i64 {
    let utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    utc.as_nanos() as i64 - clock.now_ns() as i64
}
