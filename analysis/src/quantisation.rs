//! Where the time of a quantised network goes: convolutions, or bringing values into 8-bit steps and
//! back (the study's section IV-E).

pub(crate) mod layers;

use serde::Serialize;
use wattline_trace::Provenance;

use crate::results::{LayerKindRow, SummaryRow};
use crate::roofline::place;

/// A network that has a quantised twin, or is one, on one component: a row of `quantisation.csv`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuantisationRow {
    /// The bundle's directory.
    pub bundle: String,
    /// The board.
    pub board: String,
    /// The component, and the frequency it was held at, if it was.
    pub component: String,
    /// The network.
    pub network: String,
    /// Whether its convolutions are in 8-bit steps.
    pub quantised: bool,
    /// Seconds of an image in convolutions and fully connected layers. Bringing the sums of a
    /// convolution back to 8 bits is part of it and cannot be seen apart.
    pub convolution_s: f64,
    /// Seconds in layers that bring values into 8-bit steps or back.
    pub conversion_s: f64,
    /// Seconds in all other layers, and between layers.
    pub other_s: f64,
    /// Of a quantised network: time of its FP32 twin on the same component ÷ its own.
    pub speedup: Option<f64>,
    /// Where the component's times come from.
    pub provenance: Provenance,
}

/// The columns of `quantisation.csv`.
pub(crate) const COLUMNS: [&str; 10] = [
    "bundle",
    "board",
    "component",
    "network",
    "quantised",
    "convolution_s",
    "conversion_s",
    "other_s",
    "speedup",
    "provenance",
];

/// What follows the name of a network in that of its quantised twin.
pub(crate) const TWIN: &str = "-int8";

impl QuantisationRow {
    /// Seconds of an image.
    pub fn seconds(&self) -> f64 {
        self.convolution_s + self.conversion_s + self.other_s
    }
}

/// Quantised networks, each beside its FP32 twin where that ran on the same component of the same
/// board; nothing if no network is quantised.
pub(crate) fn rows(kinds: &[LayerKindRow], summary: &[SummaryRow]) -> Vec<QuantisationRow> {
    let mut all: Vec<QuantisationRow> = Vec::new();
    for alone in summary.iter().filter(|row| row.policy.is_none()) {
        let mine = kinds.iter().filter(|kind| {
            (&kind.bundle, &kind.network, &kind.component)
                == (&alone.bundle, &alone.network, &alone.component)
        });
        // Of a component that ran alone and beside others, the first run is the one alone.
        let first = mine.clone().next().map(|kind| kind.run);
        let mine: Vec<_> = mine.filter(|kind| Some(kind.run) == first).collect();
        if !mine.is_empty() {
            all.push(row(alone, &mine));
        }
    }
    let twin = |quantised: &QuantisationRow, other: &QuantisationRow| {
        !other.quantised
            && (&other.board, &other.component) == (&quantised.board, &quantised.component)
            && quantised.network.strip_suffix(TWIN) == Some(&other.network)
    };
    let mut rows = Vec::new();
    for quantised in all.iter().filter(|row| row.quantised) {
        let plain = all.iter().find(|other| twin(quantised, other));
        rows.extend(plain.filter(|plain| !rows.contains(*plain)).cloned());
        let speedup = plain.map(|plain| plain.seconds() / quantised.seconds());
        rows.push(QuantisationRow { speedup, ..quantised.clone() });
    }
    rows
}

fn row(alone: &SummaryRow, kinds: &[&LayerKindRow]) -> QuantisationRow {
    let seconds = |is_it: fn(&str) -> bool| {
        let mine = kinds.iter().filter(|kind| is_it(&kind.kind));
        // An empty sum is −0.
        mine.map(|kind| kind.seconds_per_image).sum::<f64>() + 0.0
    };
    QuantisationRow {
        bundle: alone.bundle.to_string(),
        board: alone.board.to_string(),
        component: place(&alone.component, alone.frequency_mhz),
        network: alone.network.to_string(),
        quantised: kinds.iter().any(|kind| kind.kind.starts_with("quantised_")),
        convolution_s: seconds(is_convolution),
        conversion_s: seconds(is_conversion),
        other_s: seconds(|kind| !is_convolution(kind) && !is_conversion(kind)),
        speedup: None,
        provenance: alone.provenance,
    }
}

fn is_convolution(kind: &str) -> bool {
    kind.ends_with("conv2d") || kind.ends_with("fully_connected")
}

fn is_conversion(kind: &str) -> bool {
    matches!(kind, "quantise" | "dequantise")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_convolutions_conversions_or_neither() {
        for kind in ["conv2d", "depthwise_conv2d", "quantised_depthwise_conv2d", "fully_connected"]
        {
            assert!(is_convolution(kind) && !is_conversion(kind), "{kind}");
        }
        for kind in ["quantise", "dequantise"] {
            assert!(is_conversion(kind) && !is_convolution(kind), "{kind}");
        }
        for kind in ["max_pool", "softmax", LayerKindRow::BETWEEN, "unknown"] {
            assert!(!is_conversion(kind) && !is_convolution(kind), "{kind}");
        }
    }
}
