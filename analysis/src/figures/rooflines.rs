//! The study's Fig. 3: layers on one component (a), networks on all components (b), layers of
//! several networks on one component (c); and a quantised network beside its FP32 twin.

use super::roofline::{Point, Roof, RooflineFigure};
use super::{Drawing, Figure, Subject, distinct};
use crate::RooflineRow;
use crate::quantisation::QuantisationRow;
use crate::report::Material;

/// Of this many layers of a plot names are written: those that take longest.
const MOST_NAMED: usize = 12;

/// All rooflines.
pub(super) fn figures(
    rows: &[RooflineRow],
    quantisation: &[QuantisationRow],
    material: &Material,
) -> Vec<Figure> {
    let mut figures = Vec::new();
    let rows: Vec<&RooflineRow> =
        rows.iter().filter(|row| row.oi_theoretical.or(row.oi_empirical).is_some()).collect();
    for board in distinct(&rows, |row| row.board.clone()) {
        let mine: Vec<_> = rows.iter().copied().filter(|row| row.board == board).collect();
        figures.extend(networks(&board, &mine, material));
        for component in distinct(&mine, |row| row.place()) {
            let mine: Vec<_> =
                mine.iter().copied().filter(|row| row.place() == component).collect();
            figures.extend(major_layers(&board, &component, &mine, material));
            figures.extend(twins(&board, &component, &mine, quantisation, material));
        }
    }
    for (bundle, component, network) in
        distinct(&rows, |row| (row.bundle.clone(), row.place(), row.network.clone()))
    {
        let is_it = |row: &&RooflineRow| {
            (&row.bundle, &row.place(), &row.network) == (&bundle, &component, &network)
        };
        let mine: Vec<_> = rows.iter().copied().filter(is_it).collect();
        figures.extend(layers(&network, &component, &mine, material));
    }
    figures
}

/// Fig. 3 (b): networks as a whole, on all components of a board.
fn networks(board: &str, rows: &[&RooflineRow], material: &Material) -> Option<Figure> {
    let rows: Vec<&RooflineRow> = rows.iter().copied().filter(|row| row.layer.is_none()).collect();
    let components = distinct(&rows, |row| row.place());
    let several = components.len() > 1;
    let point = |(at, row): (usize, &&RooflineRow)| {
        let label = match several {
            _ if is_repeat(&rows, at) && !row.above_roof => String::new(),
            true => format!("{} {}", row.place(), row.network),
            false => row.network.clone(),
        };
        let series = components.iter().position(|it| *it == row.place()).unwrap_or(0);
        Point { label, series, is_whole: false, ..plain(row) }
    };
    let figure = RooflineFigure {
        title: format!("Networks under the roofs of {}", material.board(board)),
        provenance: material.provenance(rows.iter().map(|row| row.bundle.as_str())),
        roofs: components.iter().filter_map(|it| roof(it, &rows)).collect(),
        networks: Vec::new(),
        points: rows.iter().enumerate().map(point).collect(),
    };
    draw(&format!("roofline-{board}"), Subject::Rooflines, figure)
}

/// Fig. 3 (a): layers of one network on one component, the network in black.
fn layers(
    network: &str,
    component: &str,
    rows: &[&RooflineRow],
    material: &Material,
) -> Option<Figure> {
    if rows.iter().all(|row| row.layer.is_none()) {
        return None;
    }
    let figure = RooflineFigure {
        title: format!("Layers of {network} on {component}"),
        provenance: material.provenance(rows.iter().map(|row| row.bundle.as_str())),
        roofs: roof(component, rows).into_iter().collect(),
        networks: Vec::new(),
        points: named(rows, |row| row.layer.clone().unwrap_or_else(|| row.network.clone())),
    };
    draw(&format!("roofline-{network}-{component}"), Subject::Layers, figure)
}

/// Fig. 3 (c): convolutions and fully connected layers of all networks on one component.
fn major_layers(
    board: &str,
    component: &str,
    rows: &[&RooflineRow],
    material: &Material,
) -> Option<Figure> {
    let is_major = |row: &&&RooflineRow| {
        let kind = row.kind.as_deref().unwrap_or_default();
        row.layer.is_some() && (kind.ends_with("conv2d") || kind.ends_with("fully_connected"))
    };
    let rows: Vec<&RooflineRow> = rows.iter().filter(is_major).copied().collect();
    let networks = distinct(&rows, |row| row.network.clone());
    if networks.len() < 2 {
        return None;
    }
    let label =
        |row: &RooflineRow| format!("{} {}", row.network, row.layer.as_deref().unwrap_or_default());
    let figure = RooflineFigure {
        title: format!("Convolutions and fully connected layers on {component}"),
        provenance: material.provenance(rows.iter().map(|row| row.bundle.as_str())),
        roofs: roof(component, &rows).into_iter().collect(),
        points: coloured(named(&rows, label), &rows, &networks),
        networks,
    };
    draw(&format!("roofline-{board}-{component}-layers"), Subject::Rooflines, figure)
}

/// A quantised network and its FP32 twin, with their layers, on one component.
fn twins(
    board: &str,
    component: &str,
    rows: &[&RooflineRow],
    quantisation: &[QuantisationRow],
    material: &Material,
) -> Vec<Figure> {
    let here = |row: &&QuantisationRow| row.board == board && row.component == component;
    let networks: Vec<String> =
        quantisation.iter().filter(here).map(|row| row.network.clone()).collect();
    let rows: Vec<&RooflineRow> =
        rows.iter().copied().filter(|row| networks.contains(&row.network)).collect();
    let networks = distinct(&rows, |row| row.network.clone());
    if networks.len() < 2 {
        return Vec::new();
    }
    let label = |row: &RooflineRow| match &row.layer {
        Some(layer) => layer.clone(),
        None => row.network.clone(),
    };
    let mut points = coloured(named(&rows, label), &rows, &networks);
    points.iter_mut().for_each(|point| point.is_whole = false);
    let figure = RooflineFigure {
        title: format!("{} on {component}", networks.join(" beside ")),
        provenance: material.provenance(rows.iter().map(|row| row.bundle.as_str())),
        roofs: roof(component, &rows).into_iter().collect(),
        points,
        networks,
    };
    let name = format!("quantisation-roofline-{board}-{component}");
    draw(&name, Subject::Quantisation, figure).into_iter().collect()
}

fn draw(name: &str, subject: Subject, figure: RooflineFigure) -> Option<Figure> {
    (!figure.points.is_empty()).then(|| Figure::new(name, subject, Drawing::Roofline(figure)))
}

/// The roof of a component, as the first row that knows it says.
fn roof(component: &str, rows: &[&RooflineRow]) -> Option<Roof> {
    rows.iter().filter(|row| row.place() == component).find_map(|row| {
        Some(Roof {
            name: component.to_owned(),
            peak_gop_per_s: row.peak_gop_per_s?,
            bandwidth_gb_per_s: row.bandwidth_gb_per_s?,
        })
    })
}

fn plain(row: &RooflineRow) -> Point {
    Point {
        label: String::new(),
        series: 0,
        gop_per_s: row.gop_per_s,
        oi_theoretical: row.oi_theoretical,
        oi_empirical: row.oi_empirical,
        is_whole: row.layer.is_none(),
        above_roof: row.above_roof,
    }
}

/// Points of which those that take longest, and all that is wrong, bear a name.
fn named(rows: &[&RooflineRow], label: impl Fn(&RooflineRow) -> String) -> Vec<Point> {
    let mut longest: Vec<usize> =
        (0..rows.len()).filter(|&at| rows[at].layer.is_some() && !is_repeat(rows, at)).collect();
    longest.sort_by(|&a, &b| {
        let seconds = |at: usize| rows[at].seconds_per_image.unwrap_or(0.0);
        seconds(b).total_cmp(&seconds(a))
    });
    longest.truncate(MOST_NAMED);
    let point = |(at, row): (usize, &&RooflineRow)| {
        let is_whole = row.layer.is_none() && !is_repeat(rows, at);
        let is_named = is_whole || row.above_roof || longest.contains(&at);
        Point { label: if is_named { label(row) } else { String::new() }, ..plain(row) }
    };
    rows.iter().enumerate().map(point).collect()
}

/// Whether another bundle before measured the same: it then has a mark of its own, and no name, for at
/// two places one name would look like two things.
fn is_repeat(rows: &[&RooflineRow], at: usize) -> bool {
    let row = rows[at];
    let is_same = |other: &&RooflineRow| {
        (&other.component, &other.network, &other.layer)
            == (&row.component, &row.network, &row.layer)
            && other.frequency_mhz == row.frequency_mhz
            && other.bundle != row.bundle
    };
    rows[..at].iter().any(is_same)
}

/// The same points, each in the colour of its network.
fn coloured(points: Vec<Point>, rows: &[&RooflineRow], networks: &[String]) -> Vec<Point> {
    let series = |row: &RooflineRow| networks.iter().position(|it| *it == row.network);
    let colour =
        |(point, row): (Point, &&RooflineRow)| Point { series: series(row).unwrap_or(0), ..point };
    points.into_iter().zip(rows).map(colour).collect()
}
