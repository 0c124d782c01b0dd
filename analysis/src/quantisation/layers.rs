//! The layers of a quantised network, each beside the same layer of its FP32 twin, with the conversions
//! that only it has.

use serde::Serialize;
use wattline_trace::Provenance;

use super::{TWIN, is_conversion, is_convolution};
use crate::Analysis;
use crate::results::LayerRow;
use crate::roofline::{first_run, place};

/// A layer of a quantised network: a row of `quantisation_layers.csv`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuantisedLayerRow {
    /// The bundle's directory.
    pub bundle: String,
    /// The board.
    pub board: String,
    /// The component, and the frequency it was held at, if it was.
    pub component: String,
    /// The quantised network.
    pub network: String,
    /// The layer.
    pub layer: String,
    /// What it computes.
    pub kind: String,
    /// `convolution`, `conversion` to or from 8 bits, or `other`.
    pub part: &'static str,
    /// Its time in an image.
    pub seconds: f64,
    /// That of the layer of the same name in the FP32 twin; a conversion has none.
    pub fp32_seconds: Option<f64>,
    /// `fp32_seconds ÷ seconds`.
    pub speedup: Option<f64>,
    /// The worst of both times'.
    pub provenance: Provenance,
}

/// The columns of `quantisation_layers.csv`.
pub(crate) const COLUMNS: [&str; 11] = [
    "bundle",
    "board",
    "component",
    "network",
    "layer",
    "kind",
    "part",
    "seconds",
    "fp32_seconds",
    "speedup",
    "provenance",
];

/// All layers of quantised networks that ran alone, in order.
pub(crate) fn rows(analysis: &Analysis) -> Vec<QuantisedLayerRow> {
    let alone = || analysis.summary.iter().filter(|row| row.policy.is_none());
    let mut rows = Vec::new();
    for run in alone() {
        let Some(plain) = run.network.strip_suffix(TWIN) else { continue };
        let twin = alone().find(|other| {
            other.network == *plain
                && (&other.board, &other.component) == (&run.board, &run.component)
                && other.frequency_mhz == run.frequency_mhz
        });
        let twins: Vec<&LayerRow> = twin.map_or_else(Vec::new, |twin| {
            first_run(analysis, &twin.bundle, &twin.network, &twin.component).collect()
        });
        for layer in first_run(analysis, &run.bundle, &run.network, &run.component) {
            let same = twins.iter().find(|other| other.layer == layer.layer);
            let fp32_seconds = same.map(|other| other.seconds_per_image);
            rows.push(QuantisedLayerRow {
                bundle: run.bundle.to_string(),
                board: run.board.to_string(),
                component: place(&run.component, run.frequency_mhz),
                network: run.network.to_string(),
                layer: layer.layer.to_string(),
                kind: layer.kind.clone(),
                part: part(&layer.kind),
                seconds: layer.seconds_per_image,
                fp32_seconds,
                speedup: fp32_seconds.map(|fp32| fp32 / layer.seconds_per_image),
                provenance: same.map_or(layer.provenance, |it| it.provenance.max(layer.provenance)),
            });
        }
    }
    rows
}

fn part(kind: &str) -> &'static str {
    match kind {
        kind if is_convolution(kind) => "convolution",
        kind if is_conversion(kind) => "conversion",
        _ => "other",
    }
}
