//! Where the time of a quantised network goes, as a whole and layer by layer beside its FP32 twin (the
//! study's section IV-E).

use super::bars::{Bar, BarFigure, Group};
use super::{Drawing, Figure, Subject, distinct};
use crate::quantisation::QuantisationRow;
use crate::quantisation::layers::QuantisedLayerRow;
use crate::report::Material;

/// Of so many convolutions a figure shows the longest, and all conversions.
const MOST_CONVOLUTIONS: usize = 12;

/// All figures of quantised networks.
pub(super) fn figures(
    rows: &[QuantisationRow],
    layers: &[QuantisedLayerRow],
    material: &Material,
) -> Vec<Figure> {
    let mut figures = parts(rows, material);
    let runs =
        distinct(layers, |row| (row.bundle.clone(), row.component.clone(), row.network.clone()));
    for run in runs {
        let is_it = |row: &&QuantisedLayerRow| {
            (&row.bundle, &row.component, &row.network) == (&run.0, &run.1, &run.2)
        };
        let mine: Vec<&QuantisedLayerRow> = layers.iter().filter(is_it).collect();
        figures.extend(by_layer(&mine, material));
    }
    figures
}

/// The longest convolutions with those of the twin, and all conversions, in the network's order.
fn by_layer(rows: &[&QuantisedLayerRow], material: &Material) -> Option<Figure> {
    let first = rows.first()?;
    let longest = |row: &QuantisedLayerRow| row.seconds.max(row.fp32_seconds.unwrap_or(0.0));
    let mut convolutions: Vec<&&QuantisedLayerRow> =
        rows.iter().filter(|row| row.part == "convolution").collect();
    convolutions.sort_by(|a, b| longest(b).total_cmp(&longest(a)));
    let left_out = convolutions.len().saturating_sub(MOST_CONVOLUTIONS);
    convolutions.truncate(MOST_CONVOLUTIONS);
    let is_shown =
        |row: &&&QuantisedLayerRow| row.part == "conversion" || convolutions.contains(row);
    let group = |row: &&QuantisedLayerRow| {
        let bar = |name: &str, seconds: f64, series, note: String| Bar {
            name: name.to_owned(),
            value: 1e3 * seconds,
            half_width: None,
            note,
            series,
        };
        let mut bars = Vec::new();
        bars.extend(row.fp32_seconds.map(|seconds| bar("FP32", seconds, 0, String::new())));
        let note = row.speedup.map_or_else(String::new, |times| format!("{times:.2}×"));
        match row.part {
            "conversion" => bars.push(bar("conversion", row.seconds, 1, note)),
            _ => bars.push(bar("8 bits", row.seconds, 2, note)),
        }
        Group { name: row.layer.clone(), bars }
    };
    let rest = match left_out {
        0 => String::new(),
        more => format!("; {more} shorter convolutions are left out"),
    };
    let figure = BarFigure {
        title: format!("Layers of {} beside FP32 on {}", first.network, first.component),
        provenance: material.provenance([first.bundle.as_str()].into_iter()),
        quantity: format!("ms/image{rest}"),
        groups: rows.iter().filter(is_shown).map(group).collect(),
    };
    let name = format!("quantisation-layers-{}-{}", first.network, first.component);
    Some(Figure::new(&name, Subject::Quantisation, Drawing::Bars(figure)))
}

/// For each board that a quantised network ran on, where its time goes.
fn parts(rows: &[QuantisationRow], material: &Material) -> Vec<Figure> {
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
