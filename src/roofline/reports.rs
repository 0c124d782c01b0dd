//! Per-layer reports after those of SCALE-Sim, for tools and eyes that know them.
//!
//! SCALE-Sim v2 (Samajdar et al., *A systematic methodology for characterizing scalability of DNN
//! accelerators using SCALE-Sim*, ISPASS 2020; `scalesim/simulator.py`) simulates a systolic array
//! cycle by cycle. The emulated NPU knows a layer's dispatch, arithmetic and DRAM bytes alone, so
//! its reports have fewer columns, and these correspond:
//!
//! | here | SCALE-Sim | what differs |
//! |---|---|---|
//! | `layer_id`, `layer` | `LayerID` | the graph's layers, pooling and the like too, from 0; their names |
//! | `total_cycles` | `Total Cycles` | time of the model on the component's highest clock |
//! | `compute_cycles` | total less stall | arithmetic at the calibrated share of the peak rate |
//! | `stall_cycles` | `Stall Cycles` | dispatch, and waiting for DRAM; dispatch has no counterpart there |
//! | `stall_pct` | – | `stall_cycles` of `total_cycles` |
//! | `overall_utilisation_pct` | `Overall Util %` | FLOPs of the peak rate over all cycles |
//! | `mapping_efficiency_pct` | `Mapping Efficiency %` | FLOPs of the peak rate over compute cycles: there it follows from the array's shape, here it is calibrated |
//! | `input_bytes`, `weight_bytes`, `output_bytes` | `DRAM IFMAP`, `FILTER` and `OFMAP` accesses | theoretical: each once, in bytes rather than words |
//! | `dram_read_bytes`, `dram_write_bytes` | their sums | of the cache model: activations that stay in the cache are not among them |
//! | `average_bandwidth_gb_per_s` | `Avg … DRAM BW` | DRAM bytes over the layer's time, in 10⁹ B/s rather than words a cycle, of all operands together |

use serde::Serialize;
use wattline_trace::Provenance;

use super::modelled::Roof;

/// A row of `compute_report.csv`.
#[derive(Debug, Serialize)]
pub(super) struct ComputeRow {
    component: String,
    layer_id: usize,
    layer: String,
    /// This and the next two are empty where the description lists no clock.
    total_cycles: Option<u64>,
    compute_cycles: Option<u64>,
    stall_cycles: Option<u64>,
    stall_pct: Option<f64>,
    overall_utilisation_pct: Option<f64>,
    mapping_efficiency_pct: Option<f64>,
    provenance: Provenance,
}

/// A row of `bandwidth_report.csv`.
#[derive(Debug, Serialize)]
pub(super) struct BandwidthRow {
    component: String,
    layer_id: usize,
    layer: String,
    input_bytes: u64,
    weight_bytes: u64,
    output_bytes: u64,
    dram_read_bytes: f64,
    dram_write_bytes: f64,
    average_bandwidth_gb_per_s: Option<f64>,
    provenance: Provenance,
}

/// `compute_report.csv`.
pub(super) fn compute(roofs: &[Roof]) -> Vec<ComputeRow> {
    let rows = roofs.iter().flat_map(|roof| {
        roof.points().iter().enumerate().map(move |(layer_id, point)| {
            let cycles = roof.cycles(point);
            let stalled = cycles.filter(|it| it.total > 0);
            ComputeRow {
                component: roof.component.clone(),
                layer_id,
                layer: point.layer.clone(),
                total_cycles: cycles.map(|it| it.total),
                compute_cycles: cycles.map(|it| it.compute),
                stall_cycles: cycles.map(|it| it.stall),
                stall_pct: stalled.map(|it| 100.0 * it.stall as f64 / it.total as f64),
                overall_utilisation_pct: roof.utilisation_pct(point.cost.flops, point.seconds),
                mapping_efficiency_pct: roof.utilisation_pct(point.cost.flops, point.compute_s),
                provenance: Provenance::Emulated,
            }
        })
    });
    rows.collect()
}

/// `bandwidth_report.csv`.
pub(super) fn bandwidth(roofs: &[Roof]) -> Vec<BandwidthRow> {
    let rows = roofs.iter().flat_map(|roof| {
        roof.points().iter().enumerate().map(move |(layer_id, point)| BandwidthRow {
            component: roof.component.clone(),
            layer_id,
            layer: point.layer.clone(),
            input_bytes: point.cost.input_bytes,
            weight_bytes: point.cost.weight_bytes,
            output_bytes: point.cost.output_bytes,
            dram_read_bytes: point.dram_read_bytes,
            dram_write_bytes: point.dram_write_bytes,
            average_bandwidth_gb_per_s: (point.seconds > 0.0)
                .then(|| 1e-9 * point.dram_bytes() / point.seconds),
            provenance: Provenance::Emulated,
        })
    });
    rows.collect()
}
