//! `roofline.csv`: ceilings and points.

use serde::Serialize;
use wattline_trace::Provenance;

/// A ceiling, or a layer under it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Row {
    /// `ceiling` or `point`.
    pub(super) row: &'static str,
    pub(super) component: String,
    /// Of a point.
    pub(super) network: Option<String>,
    /// The ceiling's name (`peak fp16`, `bandwidth`, `bandwidth copy`), or the layer's.
    pub(super) name: String,
    /// The layer's operator.
    pub(super) operator: Option<String>,
    /// Of a point: FLOPs per theoretical byte. Of a bandwidth: the ridge point, where known.
    pub(super) oi_theoretical: Option<f64>,
    /// FLOPs per DRAM byte, by the cache model.
    pub(super) oi_dram: Option<f64>,
    /// Of a peak, or attained by a layer.
    pub(super) gflop_per_s: Option<f64>,
    /// Of a bandwidth, or moved by a layer while it runs.
    pub(super) gb_per_s: Option<f64>,
    /// What bounds the layer: compute, bandwidth or dispatch.
    pub(super) bound: Option<&'static str>,
    /// What the layer attains, of the roof at its DRAM intensity.
    pub(super) roof_pct: Option<f64>,
    /// How far the median of a measurement's repeats lies below the best, which is the value.
    pub(super) spread_pct: Option<f64>,
    pub(super) provenance: Provenance,
}

impl Row {
    /// A ceiling with no value yet.
    pub(super) fn ceiling(component: &str, name: String, provenance: Provenance) -> Self {
        Row {
            row: "ceiling",
            component: component.to_owned(),
            network: None,
            name,
            operator: None,
            oi_theoretical: None,
            oi_dram: None,
            gflop_per_s: None,
            gb_per_s: None,
            bound: None,
            roof_pct: None,
            spread_pct: None,
            provenance,
        }
    }
}
