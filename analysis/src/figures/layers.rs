//! The time of layers, the longest first.

use super::bars::{Bar, BarFigure, Group};
use super::{Drawing, Figure, Subject, written};
use crate::Analysis;
use crate::report::Material;
use crate::results::LayerRow;
use crate::roofline::{first_run, place};

/// Of more layers than this the rest stands in words: a bar of it would dwarf the others.
const MOST_BARS: usize = 24;

/// A value, and half of its 95 % interval where it has one.
type Value = (f64, Option<f64>);

/// What a figure shows of layers.
#[derive(Clone, Copy)]
struct Shown {
    /// Its name, as titles begin and files are called.
    title: &'static str,
    file: &'static str,
    unit: &'static str,
    /// A layer's in that unit, if it is known.
    of: fn(&LayerRow) -> Option<Value>,
}

const TIME: Shown = Shown {
    title: "Time",
    file: "layers",
    unit: "ms/image",
    of: |layer| Some((1e3 * layer.seconds_per_image, None)),
};

const ENERGY: Shown = Shown {
    title: "Energy",
    file: "layer-joules",
    unit: "mJ/image",
    of: |layer| {
        let half_width = layer.joules_per_image_ci95.map(|joules| 1e3 * joules);
        Some((1e3 * layer.joules_per_image?, half_width))
    },
};

/// Figures for each network on each component that ran alone: of its time, and where all layers'
/// joules are known, of its energy.
pub(super) fn figures(analysis: &Analysis, material: &Material) -> Vec<Figure> {
    let alone = analysis.summary.iter().filter(|row| row.policy.is_none());
    let figure = |row: &crate::SummaryRow, shown: Shown| {
        let place = place(&row.component, row.frequency_mhz);
        let layers = first_run(analysis, &row.bundle, &row.network, &row.component);
        let valued = layers.map(|layer| Some((layer, (shown.of)(layer)?)));
        let (bars, rest) = bars(valued.collect::<Option<_>>()?);
        if bars.is_empty() {
            return None;
        }
        let figure = BarFigure {
            title: format!("{} of the layers of {} on {place}", shown.title, row.network),
            provenance: material.provenance([row.bundle.as_str()].into_iter()),
            quantity: format!("{}{rest}", shown.unit),
            groups: vec![Group { name: String::new(), bars }],
        };
        let name = format!("{}-{}-{place}", shown.file, row.network);
        Some(Figure::new(&name, Subject::Layers, Drawing::Bars(figure)))
    };
    alone.flat_map(|row| [TIME, ENERGY].map(|shown| figure(row, shown))).flatten().collect()
}

/// Bars of the largest layers, and in words what the others come to.
fn bars(mut layers: Vec<(&LayerRow, Value)>) -> (Vec<Bar>, String) {
    let sum = |layers: &[(&LayerRow, Value)]| layers.iter().map(|(_, (value, _))| value).sum();
    let all: f64 = sum(&layers);
    layers.sort_by(|(_, (a, _)), (_, (b, _))| b.total_cmp(a));
    let rest = layers.split_off(layers.len().min(MOST_BARS));
    let bar = |&(layer, (value, half_width)): &(&LayerRow, Value)| Bar {
        name: layer.layer.to_string(),
        value,
        half_width,
        note: format!("{:.1} %", 100.0 * value / all),
        series: 0,
    };
    let others: f64 = sum(&rest);
    let words = match rest.len() {
        0 => String::new(),
        more => format!("; {more} others take {} ({:.1} %)", written(others), 100.0 * others / all),
    };
    (layers.iter().map(bar).collect(), words)
}
