//! Two runs, or two sets of runs, held against each other: by how much they differ, how sure that is,
//! and whether it is a difference at all.
//!
//! Rows of one network on one component are paired; what only one side has is named. The difference is
//! that of B over A, in percent, with a 95 % interval: of the ratio `r = b/a`, with independent errors
//! of both sides,
//!
//! ```text
//! Var(ln r) = Var(a)/a² + Var(b)/b² + Σ over sensors of (b_s/b − a_s/a)² τ_s²/3 + (β_s/b − α_s/a)²
//! interval  = r · exp(± t √Var(ln r)) − 1
//! ```
//!
//! * A sensor's gain is common to all that it read: what it read of `a` and of `b`, as shares, cancels.
//!   Boards are one and the same where their bundles say so (`board.unit` of the manifest), or the user
//!   does; sensors of different boards err each for itself. The same holds of what its steps do (`α_s`,
//!   `β_s`) where it read the same voltage and current both times, to a quarter of a step; else they
//!   add in squares.
//! * What an image takes is one draw of what images take: the spread of images' times, by means of up
//!   to 20 batches of images in a row, is a part of `Var(a)` for images a second and, as power times
//!   time, for joules.
//! * Of a set of runs the mean counts. Where runs differ by more than their own intervals explain (at
//!   5 %, one-way random effects), that spread counts too. A single run knows nothing of it: that two
//!   single runs differ says that these two do.
//! * A bound by a rule, as of a component's share in a co-execution, is added and not squared.
//!
//! Of many rows, one in twenty shows a difference by chance.

mod conditions;
mod difference;
mod pairing;
mod quantities;
mod words;

use std::path::PathBuf;

use serde::{Serialize, Serializer};
use wattline_trace::{Name, Provenance};

use crate::batch::Batch;
use crate::{AnalysisError, Options, analyze};
use difference::{Compared, difference};
use pairing::{Key, Side};
pub(crate) use quantities::{LayerQuantities, RowQuantities, layer_seconds, of_run};

/// Whether both sides were recorded on one and the same board, so that errors of its sensors cancel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SameBoard {
    /// If their bundles say so.
    #[default]
    AsRecorded,
    /// The user says yes.
    Yes,
    /// The user says no.
    No,
}

/// How to compare.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CompareOptions {
    /// As of an analysis.
    pub analysis: Options,
    /// Compare layers too.
    pub layers: bool,
    /// Whether there is one board or two.
    pub same_board: SameBoard,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Compare {
    /// Joules above idle of an image.
    JoulesPerImage,
    /// Images a second.
    ImagesPerS,
    /// DRAM bytes of an image.
    DramBytesPerImage,
    /// Operational intensity at the DRAM, flops a byte.
    OiEmpirical,
    /// Seconds of a layer in an image.
    SecondsPerImage,
}

/// Whether two numbers differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Differs {
    /// B's is larger.
    More,
    /// B's is smaller.
    Less,
    /// The readings show no difference.
    No,
    /// It cannot be told.
    Unknown,
}

/// One number of both sides: a row of `compare.csv`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CompareRow {
    /// The network.
    #[serde(serialize_with = "text")]
    pub network: Name,
    /// The component, or `all`.
    #[serde(serialize_with = "text")]
    pub component: Name,
    /// `alone`, or the policy of the co-execution on either side.
    pub policy: String,
    /// The layer; empty of a network.
    pub layer: String,
    /// What is compared.
    pub quantity: Compare,
    /// A's, and half of its 95 % interval where it has one.
    pub a: Option<f64>,
    /// See `a`.
    pub a_ci95: Option<f64>,
    /// B's, and half of its 95 % interval where it has one.
    pub b: Option<f64>,
    /// See `b`.
    pub b_ci95: Option<f64>,
    /// B over A, in percent.
    pub difference_pct: Option<f64>,
    /// Where its 95 % interval begins.
    pub from_pct: Option<f64>,
    /// Where it ends.
    pub to_pct: Option<f64>,
    /// Whether it is a difference.
    pub differs: Differs,
    /// The same in words.
    pub says: String,
    /// The worst provenance of A's runs.
    pub provenance_a: Provenance,
    /// The worst provenance of B's runs.
    pub provenance_b: Provenance,
    /// Images of A's runs.
    pub images_a: u64,
    /// Images of B's runs.
    pub images_b: u64,
    /// Runs of A.
    pub runs_a: u64,
    /// Runs of B.
    pub runs_b: u64,
}

pub(crate) const COLUMNS: [&str; 20] = [
    "network",
    "component",
    "policy",
    "layer",
    "quantity",
    "a",
    "a_ci95",
    "b",
    "b_ci95",
    "difference_pct",
    "from_pct",
    "to_pct",
    "differs",
    "says",
    "provenance_a",
    "provenance_b",
    "images_a",
    "images_b",
    "runs_a",
    "runs_b",
];

/// Two sides compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// A's bundles.
    pub a: Vec<PathBuf>,
    /// B's bundles.
    pub b: Vec<PathBuf>,
    /// A's boards in words.
    pub boards_a: Vec<String>,
    /// B's boards in words.
    pub boards_b: Vec<String>,
    /// One row for each number that both sides may have.
    pub rows: Vec<CompareRow>,
    /// What only A has.
    pub only_in_a: Vec<String>,
    /// What only B has.
    pub only_in_b: Vec<String>,
    /// In what else the two sides differ.
    pub conditions: Vec<String>,
    /// Why no difference says anything of a chip, or of what it is taken for: where one side is emulated
    /// and the other is not.
    pub incomparable: Option<String>,
    /// Why numbers are missing, and what else to know of either side.
    pub notes: Vec<String>,
}

/// Compares bundles `a` with bundles `b`.
///
/// # Errors
/// As [`analyze`], and [`AnalysisError::NamedTwice`] where a bundle is on both sides.
pub fn compare(
    a: &[PathBuf],
    b: &[PathBuf],
    options: &CompareOptions,
) -> Result<Comparison, AnalysisError> {
    let place =
        |directory: &PathBuf| directory.canonicalize().unwrap_or_else(|_| directory.clone());
    let places: Vec<PathBuf> = a.iter().map(place).collect();
    if let Some(both) = b.iter().find(|directory| places.contains(&place(directory))) {
        return Err(AnalysisError::NamedTwice { directory: both.clone() });
    }
    let side = |directories: &[PathBuf], letter| -> Result<Side, AnalysisError> {
        Side::read(directories, analyze(directories, &options.analysis)?, letter, options)
    };
    let sides = [side(a, 'A')?, side(b, 'B')?];
    let (pairs, [only_in_a, only_in_b]) = pairing::pair(&sides);
    let boards = |side: &Side| side.analysis.boards.clone();
    Ok(Comparison {
        a: a.to_vec(),
        b: b.to_vec(),
        boards_a: boards(&sides[0]),
        boards_b: boards(&sides[1]),
        rows: pairs.iter().flat_map(|pair| rows(&sides, pair)).collect(),
        only_in_a,
        only_in_b,
        conditions: conditions::different(&sides),
        incomparable: conditions::incomparable(&sides),
        notes: sides.iter().flat_map(notes).collect(),
    })
}

impl Comparison {
    /// In what B is worse than A by more than `share`, as far as the readings show a difference at all,
    /// and what cannot be said: numbers that one side lacks. Of networks, not of layers.
    pub fn worse_by_more_than(&self, share: f64) -> Vec<String> {
        let missing = self.only_in_a.iter().map(|it| format!("{it} is missing in B"));
        let rows = self.rows.iter().filter(|row| row.layer.is_empty());
        let worse = rows.filter_map(|row| {
            let of = format!("{} on {}, {}", row.network, row.component, row.quantity.in_words());
            let bad = match row.quantity {
                Compare::JoulesPerImage | Compare::DramBytesPerImage => Differs::More,
                Compare::ImagesPerS => Differs::Less,
                Compare::OiEmpirical | Compare::SecondsPerImage => return None,
            };
            let off = row.difference_pct.map_or(0.0, f64::abs);
            match row.differs {
                differs if differs == bad && off > 100.0 * share => {
                    Some(format!("{of}: {}", row.says))
                }
                // What A never had is not lost.
                Differs::Unknown if row.a.is_some() => Some(format!("{of}: {}", row.says)),
                _ => None,
            }
        });
        self.incomparable.clone().into_iter().chain(missing).chain(worse).collect()
    }

    /// Writes `compare.csv` into `out`, which is created where it is missing.
    ///
    /// # Errors
    /// [`AnalysisError::Write`].
    pub fn write(&self, out: &std::path::Path) -> Result<(), AnalysisError> {
        let mut batch = Batch::new(out)?;
        batch.add::<&CompareRow>("compare.csv", &COLUMNS, self.rows.iter())?;
        batch.put_in_place()
    }
}

/// The rows of a pair: of a network four, of a layer three.
fn rows(sides: &[Side; 2], pair: &[Key; 2]) -> Vec<CompareRow> {
    let found = [sides[0].measured(&pair[0]), sides[1].measured(&pair[1])];
    let policies = [&pair[0], &pair[1]].map(|key| key.policy.as_deref().unwrap_or("alone"));
    let policy = match policies {
        [a, b] if a == b => a.to_owned(),
        [a, b] => format!("{a} in A, {b} in B"),
    };
    let row = |(index, quantity): (usize, Compare)| {
        let [a, b] = &found;
        let compared = difference(&a.quantities[index], &b.quantities[index]);
        let says = words::says(quantity, &compared);
        let Compared { a: of_a, b: of_b, percent, differs } = compared;
        CompareRow {
            network: pair[0].network.clone(),
            component: pair[0].component.clone(),
            policy: policy.clone(),
            layer: pair[0].layer.as_ref().map_or_else(String::new, ToString::to_string),
            quantity,
            a: of_a.map(|it| it.0),
            a_ci95: of_a.and_then(|it| it.1),
            b: of_b.map(|it| it.0),
            b_ci95: of_b.and_then(|it| it.1),
            difference_pct: percent.map(|it| it.value),
            from_pct: percent.and_then(|it| Some(it.interval?.0)),
            to_pct: percent.and_then(|it| Some(it.interval?.1)),
            differs,
            says,
            provenance_a: a.provenance,
            provenance_b: b.provenance,
            images_a: a.images,
            images_b: b.images,
            runs_a: a.runs,
            runs_b: b.runs,
        }
    };
    let of_network = [
        Compare::JoulesPerImage,
        Compare::ImagesPerS,
        Compare::DramBytesPerImage,
        Compare::OiEmpirical,
    ];
    let of_layer = [Compare::JoulesPerImage, Compare::SecondsPerImage, Compare::DramBytesPerImage];
    let quantities = if pair[0].layer.is_some() { &of_layer[..] } else { &of_network[..] };
    let rows = quantities.iter().copied().enumerate().map(row);
    // What neither side knows needs no row.
    rows.filter(|row| row.a.is_some() || row.b.is_some()).collect()
}

/// Why numbers of a side are missing, and what to know of it.
fn notes(side: &Side) -> Vec<String> {
    let Side { letter, analysis, .. } = side;
    let several = side.manifests.len() > 1;
    let rows = analysis.summary.iter().filter(|row| !row.note().is_empty()).map(|row| {
        let bundle = if several { format!("{}: ", row.bundle) } else { String::new() };
        format!("{letter}: {bundle}{} on {}: {}", row.network, row.component, row.note())
    });
    let warnings = analysis.warnings.iter().map(|warning| format!("{letter}: {warning}"));
    let failed = analysis.failed_checks().into_iter();
    let failed = failed.map(|check| format!("{letter}: check failed: {check}"));
    rows.chain(warnings).chain(failed).collect()
}

fn text<S: Serializer>(name: &Name, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name)
}
