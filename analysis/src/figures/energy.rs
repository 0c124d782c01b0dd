//! Energy per image with its interval, and images per joule (the study's Figures 2 and 4).

use wattline_trace::rows::ALL_COMPONENTS;

use super::bars::{Bar, BarFigure, Group};
use super::{Drawing, Figure, Subject, distinct};
use crate::Analysis;
use crate::report::Material;
use crate::results::SummaryRow;
use crate::roofline::place;

/// Two figures for each board that any energy is known of.
pub(super) fn figures(analysis: &Analysis, material: &Material) -> Vec<Figure> {
    // Of a co-execution the whole; its components stand in the tables.
    let whole = |row: &&SummaryRow| row.policy.is_none() || row.component == ALL_COMPONENTS;
    let rows: Vec<&SummaryRow> = analysis
        .summary
        .iter()
        .filter(whole)
        .filter(|row| row.joules_per_image.is_some())
        .collect();
    let mut figures = Vec::new();
    for board in distinct(&rows, |row| row.board.clone()) {
        let rows: Vec<&SummaryRow> =
            rows.iter().copied().filter(|row| row.board == board).collect();
        let joules = |row: &SummaryRow| Some((row.joules_per_image?, row.joules_per_image_ci95));
        let efficiency = |row: &SummaryRow| {
            let joules = row.joules_per_image?;
            // d(1/x) = dx / x²
            let half_width = row.joules_per_image_ci95.map(|it| it / (joules * joules));
            Some((row.images_per_joule?, half_width))
        };
        let what = [
            (
                "energy",
                "Energy per image",
                "J/image, above idle, with 95 % intervals",
                joules as Value,
            ),
            ("efficiency", "Images per joule", "images/J, with 95 % intervals", efficiency),
        ];
        for (name, title, quantity, value) in what {
            let figure = BarFigure {
                title: format!("{title} on {}", material.board(&board)),
                provenance: material.provenance(rows.iter().map(|row| row.bundle.as_str())),
                quantity: quantity.to_owned(),
                groups: groups(&rows, value),
            };
            let name = format!("{name}-{board}");
            figures.push(Figure::new(&name, Subject::Energy, Drawing::Bars(figure)));
        }
    }
    figures
}

/// A value and half of its interval.
type Value = fn(&SummaryRow) -> Option<(f64, Option<f64>)>;

/// A group for each network.
fn groups(rows: &[&SummaryRow], value: Value) -> Vec<Group> {
    let bundles = distinct(rows, |row| row.bundle.clone());
    let place = |row: &SummaryRow| place(&row.component, row.frequency_mhz);
    let components = distinct(rows, |row| row.component.clone());
    let bar = |row: &&SummaryRow| {
        let (value, half_width) = value(row)?;
        let name = match &row.policy {
            Some(policy) => format!("{} by {policy}", place(row)),
            None => place(row),
        };
        // Where one is not told from another by its name, its bundle does.
        let twin = |other: &&&SummaryRow| {
            (&other.network, place(other), &other.policy) == (&row.network, place(row), &row.policy)
        };
        let several = rows.iter().filter(twin).count() > 1 && bundles.len() > 1;
        Some(Bar {
            name,
            value,
            half_width,
            note: if several { row.bundle.to_string() } else { String::new() },
            series: components.iter().position(|it| *it == row.component).unwrap_or(0),
        })
    };
    let group = |network| Group {
        name: format!("{network}"),
        bars: rows.iter().filter(|row| row.network == network).filter_map(bar).collect(),
    };
    distinct(rows, |row| row.network.clone()).into_iter().map(group).collect()
}
