//! Results beside those of the study they repeat: "Neural Network Inference on Mobile SoCs" (Wang,
//! Pathania, Mitra; IEEE Design & Test).
//!
//! What the study prints as numbers is in `study/published.csv`, each with the table it stands in:
//! throughput (Table I), co-execution on CPU clusters and GPU (Table II). The co-execution columns
//! of Table III are not published here, so that predictions can be checked against them: they are
//! called held back. Figures 2 and 4 print no numbers; what the text says of them is compared in
//! words ([`Statement`]).

mod markdown;
mod published;
mod statements;

use serde::Serialize;
use wattline_trace::Provenance;
use wattline_trace::rows::ALL_COMPONENTS;

use crate::results::SummaryRow;
use published::{Figure, Published};

pub use statements::Statement;

/// A number of these results, beside the study's: a row of `study.csv`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StudyRow {
    /// The table or figure of the study that shows such numbers.
    pub source: &'static str,
    /// The board.
    pub board: String,
    /// The network.
    pub network: String,
    /// The components at work, in alphabetical order, with `+` between them.
    pub engaged: String,
    /// Whose number it is: one of them, or `all`.
    pub component: String,
    /// What it is: `images_per_s`, `images_per_joule`, `gain_pct` or `frames_pct`.
    pub quantity: &'static str,
    /// As it came out here.
    pub value: Option<f64>,
    /// Half of its 95 % interval, where one is known.
    pub value_ci95: Option<f64>,
    /// As the study prints it.
    pub published: Option<f64>,
    /// (value − published) ÷ published, in percent. Not of quantities that are percentages.
    pub difference_pct: Option<f64>,
    /// value − published, of quantities that are percentages.
    pub difference_points: Option<f64>,
    /// Where the value comes from.
    pub provenance: Provenance,
    /// Why there is nothing to compare with.
    pub note: String,
    /// The bundle's directory.
    pub bundle: String,
}

/// The columns of `study.csv`.
pub(crate) const COLUMNS: [&str; 14] = [
    "source",
    "board",
    "network",
    "engaged",
    "component",
    "quantity",
    "value",
    "value_ci95",
    "published",
    "difference_pct",
    "difference_points",
    "provenance",
    "note",
    "bundle",
];

/// Results beside the study's.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Study {
    /// A row for each number.
    pub rows: Vec<StudyRow>,
    /// What the study says in words, and whether it holds here.
    pub statements: Vec<Statement>,
}

impl Study {
    /// Puts the rows of a summary beside the study's, which is of components at their highest
    /// frequencies: rows below them are left out.
    pub fn new(summary: &[SummaryRow]) -> Self {
        let published = Published::get();
        let mut rows = Vec::new();
        let at_highest = |row: &&SummaryRow| !row.below_highest;
        for (row, engaged) in
            summary.iter().zip(engaged(summary)).filter(|(row, _)| at_highest(row))
        {
            for (quantity, value, value_ci95) in quantities(row) {
                rows.push(beside(published, row, &engaged, quantity, value, value_ci95));
            }
        }
        Study { statements: statements::check(&rows), rows }
    }

    /// The tables of the study as Markdown, its figures in brackets.
    pub fn markdown(&self) -> String {
        markdown::write(self)
    }
}

/// The components at work in each row of a summary. A co-execution's own rows stand before that of
/// the whole.
fn engaged(summary: &[SummaryRow]) -> Vec<String> {
    let mut engaged = vec![String::new(); summary.len()];
    let mut lanes: Vec<usize> = Vec::new();
    for (index, row) in summary.iter().enumerate() {
        if row.policy.is_none() && row.component != ALL_COMPONENTS {
            engaged[index] = row.component.to_string();
            lanes.clear();
            continue;
        }
        if lanes.first().is_some_and(|&first| summary[first].bundle != row.bundle) {
            lanes.clear();
        }
        if row.component != ALL_COMPONENTS {
            lanes.push(index);
            continue;
        }
        let mut names: Vec<&str> =
            lanes.iter().map(|&lane| summary[lane].component.as_str()).collect();
        names.sort_unstable();
        let names = names.join("+");
        for lane in lanes.drain(..).chain([index]) {
            engaged[lane].clone_from(&names);
        }
    }
    engaged
}

/// What the study has tables or figures of, of one row. Of a component in a co-execution it has its
/// share of images alone.
fn quantities(row: &SummaryRow) -> Vec<(&'static str, Option<f64>, Option<f64>)> {
    let together = row.policy.is_some();
    if together && row.component != ALL_COMPONENTS {
        return vec![("frames_pct", row.frames_pct, None)];
    }
    // d(1/x) = dx / x²
    let joules = row.joules_per_image.zip(row.joules_per_image_ci95);
    let interval = joules.map(|(joules, half_width)| half_width / (joules * joules));
    let mut quantities = vec![
        ("images_per_s", row.images_per_s, None),
        ("images_per_joule", row.images_per_joule, interval),
    ];
    if together {
        quantities.insert(1, ("gain_pct", row.gain_pct, None));
    }
    quantities
}

fn beside(
    published: &Published,
    row: &SummaryRow,
    engaged: &str,
    quantity: &'static str,
    value: Option<f64>,
    value_ci95: Option<f64>,
) -> StudyRow {
    let found = published.find(&row.board, engaged, &row.component, &row.network, quantity);
    let is_share = quantity.ends_with("_pct");
    let (published, note) = match found.map(|it| &it.figure) {
        Some(Figure::Number(number)) => (Some(*number), String::new()),
        Some(Figure::Words(words)) => (None, words.clone()),
        None if quantity == "images_per_joule" => (None, "the figure prints no numbers".to_owned()),
        None => (None, "not in the study".to_owned()),
    };
    let pair = value.zip(published);
    StudyRow {
        source: found.map_or_else(|| source(row, engaged, quantity), |it| it.source),
        board: row.board.to_string(),
        network: row.network.to_string(),
        engaged: engaged.to_owned(),
        component: row.component.to_string(),
        quantity,
        value,
        value_ci95,
        published,
        difference_pct: pair
            .filter(|_| !is_share)
            .map(|(value, published)| 100.0 * (value - published) / published),
        difference_points: pair.filter(|_| is_share).map(|(value, published)| value - published),
        provenance: row.provenance,
        note,
        bundle: row.bundle.to_string(),
    }
}

/// Where the study shows such a number, of whatever board and network.
fn source(row: &SummaryRow, engaged: &str, quantity: &str) -> &'static str {
    match (row.policy.is_some(), quantity) {
        (false, "images_per_joule") => "Figure 2",
        (true, "images_per_joule") => "Figure 4",
        (false, _) => "Table I",
        (true, _) if engaged.split('+').any(|component| component == "npu") => "Table III",
        (true, _) => "Table II",
    }
}

#[cfg(test)]
mod tests;
