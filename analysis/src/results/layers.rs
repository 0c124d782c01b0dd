//! Rows about the layers of a network.

use serde::Serialize;
use wattline_trace::{Name, Provenance};

use super::text;

/// One layer of one network on one component: a row of `layers.csv`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerRow {
    /// The bundle's directory.
    #[serde(serialize_with = "text")]
    pub bundle: Name,
    /// The run's span in `spans.csv`: a component may run a network alone and beside others.
    pub run: Option<u64>,
    /// The network.
    #[serde(serialize_with = "text")]
    pub network: Name,
    /// The component.
    #[serde(serialize_with = "text")]
    pub component: Name,
    /// The layer.
    #[serde(serialize_with = "text")]
    pub layer: Name,
    /// What it computes; `unknown` where the manifest does not say.
    pub kind: String,
    /// Images it was timed in.
    pub images: u64,
    /// Mean time from its start to its end.
    pub seconds_per_image: f64,
    /// That, of the mean time of an image.
    pub share_pct: Option<f64>,
    /// Active joules (above idle) of the component's rails while it ran, of one image.
    pub joules_per_image: Option<f64>,
    /// Half of the 95 % interval of `joules_per_image`, in joules.
    pub joules_per_image_ci95: Option<f64>,
    /// The first and last of the layers that power readings did not tell apart, if there are any:
    /// its joules are then its part of theirs by time, and the interval says how far they may lie
    /// off.
    pub joules_merged: String,
    /// Floating-point operations of one image; empty where nobody knows.
    pub flops: Option<u64>,
    /// Inputs, weights and outputs, each once, of one image.
    pub bytes_theoretical: Option<u64>,
    /// DRAM bytes (above idle traffic) while it ran, of one image.
    pub dram_bytes_per_image: Option<f64>,
    /// Half of the 95 % interval of `dram_bytes_per_image`.
    pub dram_bytes_per_image_ci95: Option<f64>,
    /// As `joules_merged`, of the DRAM counter.
    pub bytes_merged: String,
    /// 10⁹ floating-point operations a second.
    pub gop_per_s: Option<f64>,
    /// Theoretical operational intensity: flops ÷ `bytes_theoretical`.
    pub oi_theoretical: Option<f64>,
    /// Empirical operational intensity: flops ÷ `dram_bytes_per_image`.
    pub oi_empirical: Option<f64>,
    /// What bounds it, by its DRAM bytes; where they are not known, only where computing bounds it
    /// however many of its theoretical bytes caches spare.
    pub bound: Option<Bound>,
    /// Its speed, of the most that the component's roof allows. Above 1 a unit or a ceiling is
    /// wrong.
    pub roof_fraction: Option<f64>,
    /// The frequency that the component was held at while it ran, 10⁶ Hz; empty where nobody held it.
    pub frequency_mhz: Option<f64>,
    /// The worst provenance of all that went in.
    pub provenance: Provenance,
    /// What the emulated board knows, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truth: Option<LayerTruth>,
    /// Why cells are empty.
    pub note: String,
}

/// A layer held against what the emulated board knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct LayerTruth {
    /// True active joules of the same rails, of one image.
    pub truth_joules: Option<f64>,
    /// (measured − true) ÷ true, in percent.
    pub energy_error_pct: Option<f64>,
    /// True DRAM bytes, of one image.
    pub truth_dram_bytes: Option<f64>,
    /// (measured − true) ÷ true, in percent.
    pub traffic_error_pct: Option<f64>,
}

/// What bounds a layer, or a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The component's arithmetic.
    Compute,
    /// The bandwidth of the memory.
    Bandwidth,
}

impl Bound {
    /// The word that stands in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Bound::Compute => "compute",
            Bound::Bandwidth => "bandwidth",
        }
    }
}

/// All layers of one kind of one network on one component: a row of `layer_kinds.csv`.
///
/// The last row of a run is of kind [`LayerKindRow::BETWEEN`], so that shares add up to 100 %.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerKindRow {
    /// The bundle's directory.
    #[serde(serialize_with = "text")]
    pub bundle: Name,
    /// The run's span in `spans.csv`: a component may run a network alone and beside others.
    pub run: Option<u64>,
    /// The network.
    #[serde(serialize_with = "text")]
    pub network: Name,
    /// The component.
    #[serde(serialize_with = "text")]
    pub component: Name,
    /// What the layers compute.
    pub kind: String,
    /// How many layers there are.
    pub layers: u64,
    /// Images they were timed in.
    pub images: u64,
    /// Mean time of all of them together, for one image.
    pub seconds_per_image: f64,
    /// That, of the mean time of an image.
    pub share_pct: Option<f64>,
    /// Active joules of all of them together, for one image. The row of
    /// [`LayerKindRow::BETWEEN`] has what of the image's joules is no layer's.
    pub joules_per_image: Option<f64>,
    /// Half of the 95 % interval of `joules_per_image`, in joules.
    pub joules_per_image_ci95: Option<f64>,
    /// The worst provenance of all that went in.
    pub provenance: Provenance,
}

impl LayerKindRow {
    /// The kind of what of an image's time is no layer's: bringing the image into the executor's
    /// layout, and what lies between layers.
    pub const BETWEEN: &'static str = "between_layers";
}

/// How well readings of one rail, or of the DRAM counter, tell a run's layers apart: a row of
/// `layer_fits.csv`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerFitRow {
    /// The bundle's directory.
    #[serde(serialize_with = "text")]
    pub bundle: Name,
    /// The run's span in `spans.csv`.
    pub run: Option<u64>,
    /// The network.
    #[serde(serialize_with = "text")]
    pub network: Name,
    /// The component.
    #[serde(serialize_with = "text")]
    pub component: Name,
    /// The rail, or the DRAM counter.
    pub source: String,
    /// Readings that look at the run and nothing else.
    pub readings: u64,
    /// How evenly they fall over an image: 100 is even, and of a sampler in step with the images
    /// next to nothing.
    pub phase_coverage_pct: Option<f64>,
    /// Layers of the network.
    pub layers: u64,
    /// Groups of them that are told apart.
    pub groups: Option<u64>,
    /// By how much errors of readings may grow in the layers' numbers.
    pub condition: Option<f64>,
    /// Standard deviation of a reading about the fit, in watts or bytes a second.
    pub residual: Option<f64>,
    /// Why cells are empty.
    pub note: String,
}
