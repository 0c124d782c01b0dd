//! The time of layers, the longest first, and where that of a quantised network goes.

use super::bars::{Bar, BarFigure, Group};
use super::{Drawing, Figure, Subject, distinct, written};
use crate::Analysis;
use crate::quantisation::QuantisationRow;
use crate::report::Material;
use crate::results::LayerRow;
use crate::roofline::first_run;

/// Of more layers than this the rest stands in words: a bar of it would dwarf the others.
const MOST_BARS: usize = 24;

/// A figure for each network on each component that ran alone.
pub(super) fn figures(analysis: &Analysis, material: &Material) -> Vec<Figure> {
    let alone = analysis.summary.iter().filter(|row| row.policy.is_none());
    let figure = |row: &crate::SummaryRow| {
        let layers: Vec<&LayerRow> =
            first_run(analysis, &row.bundle, &row.network, &row.component).collect();
        if layers.is_empty() {
            return None;
        }
        let (bars, rest) = bars(layers);
        let figure = BarFigure {
            title: format!("Time of the layers of {} on {}", row.network, row.component),
            provenance: material.provenance([row.bundle.as_str()].into_iter()),
            quantity: format!("ms/image{rest}"),
            groups: vec![Group { name: String::new(), bars }],
        };
        let name = format!("layers-{}-{}", row.network, row.component);
        Some(Figure::new(&name, Subject::Layers, Drawing::Bars(figure)))
    };
    alone.filter_map(figure).collect()
}

/// Bars of the longest layers, and in words what the others take.
fn bars(mut layers: Vec<&LayerRow>) -> (Vec<Bar>, String) {
    layers.sort_by(|a, b| b.seconds_per_image.total_cmp(&a.seconds_per_image));
    let rest = layers.split_off(layers.len().min(MOST_BARS));
    let bar = |name: String, seconds: f64, share: f64| Bar {
        name,
        value: 1e3 * seconds,
        half_width: None,
        note: format!("{share:.1} %"),
        series: 0,
    };
    let share = |layer: &LayerRow| layer.share_pct.unwrap_or(0.0);
    let bars = layers
        .iter()
        .map(|layer| bar(layer.layer.to_string(), layer.seconds_per_image, share(layer)))
        .collect();
    let milliseconds: f64 = rest.iter().map(|layer| 1e3 * layer.seconds_per_image).sum();
    let shares: f64 = rest.iter().map(|layer| share(layer)).sum();
    let words = match rest.len() {
        0 => String::new(),
        more => format!("; {more} others take {} ({shares:.1} %)", written(milliseconds)),
    };
    (bars, words)
}

/// A figure for each board that a quantised network ran on.
pub(super) fn quantisation(rows: &[QuantisationRow], material: &Material) -> Vec<Figure> {
    let figure = |board: String| {
        let rows: Vec<&QuantisationRow> = rows.iter().filter(|row| row.board == board).collect();
        let group = |row: &&QuantisationRow| {
            let parts = [
                ("convolution", row.convolution_s),
                ("to and from 8 bits", row.conversion_s),
                ("other", row.other_s),
            ];
            let bar = |(series, (name, seconds)): (usize, (&str, f64))| Bar {
                name: name.to_owned(),
                value: 1e3 * seconds,
                half_width: None,
                note: format!("{:.1} %", 100.0 * seconds / row.seconds()),
                series,
            };
            Group {
                name: format!("{} on {}", row.network, row.component),
                bars: parts.into_iter().enumerate().map(bar).collect(),
            }
        };
        let figure = BarFigure {
            title: format!(
                "Where the time of a quantised network goes on {}",
                material.board(&board)
            ),
            provenance: material.provenance(rows.iter().map(|row| row.bundle.as_str())),
            quantity: "ms/image".to_owned(),
            groups: rows.iter().map(group).collect(),
        };
        Figure::new(&format!("quantisation-{board}"), Subject::Quantisation, Drawing::Bars(figure))
    };
    distinct(rows, |row| row.board.clone()).into_iter().map(figure).collect()
}
