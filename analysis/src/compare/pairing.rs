//! Which rows of two sides are of the same.

use std::collections::BTreeMap;
use std::path::PathBuf;

use wattline_trace::{BundleReader, Manifest, Name, Provenance};

use super::difference::{Known, Run};
use super::{CompareOptions, SameBoard};
use crate::quantity::Quantity;
use crate::{Analysis, AnalysisError, LayerRow, SummaryRow};

/// What rows are of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) network: Name,
    pub(super) component: Name,
    pub(super) policy: Option<Name>,
    pub(super) layer: Option<Name>,
}

/// One side.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) letter: char,
    pub(super) analysis: Analysis,
    /// By the name that rows give the bundle.
    pub(super) manifests: BTreeMap<Name, Manifest>,
    rows: Vec<Row>,
    same_board: SameBoard,
}

/// A row of the summary or of the layers.
#[derive(Debug)]
struct Row {
    key: Key,
    bundle: Name,
    provenance: Provenance,
    images: u64,
    /// What the row shows and, where its error is known too, what is known of it: in the order of
    /// tables.
    numbers: Vec<(Option<f64>, Option<Quantity>)>,
}

/// All that a side measured of one thing.
#[derive(Debug)]
pub(super) struct Measured {
    /// In the order of tables.
    pub(super) quantities: Vec<Known>,
    pub(super) provenance: Provenance,
    pub(super) images: u64,
    pub(super) runs: u64,
}

impl Side {
    pub(super) fn read(
        directories: &[PathBuf],
        analysis: Analysis,
        letter: char,
        options: &CompareOptions,
    ) -> Result<Self, AnalysisError> {
        let manifests = directories.iter().map(|directory| {
            let manifest = BundleReader::open(directory)?.manifest().clone();
            Ok((Name::new(&directory.display().to_string()), manifest))
        });
        let manifests: BTreeMap<Name, Manifest> =
            manifests.collect::<Result<_, AnalysisError>>()?;
        let of_networks = analysis.summary.iter().zip(&analysis.quantities);
        let mut rows: Vec<Row> =
            of_networks.map(|(row, known)| Row::of_network(row, known)).collect();
        if options.layers {
            let of_layers = analysis.layers.iter().zip(&analysis.layer_quantities);
            rows.extend(of_layers.map(|(row, known)| Row::of_layer(row, known)));
        }
        Ok(Side { letter, analysis, manifests, rows, same_board: options.same_board })
    }

    /// What rows are of, each once, in order of tables.
    fn keys(&self) -> Vec<Key> {
        let mut seen = std::collections::HashSet::new();
        let keys = self.rows.iter().map(|row| row.key.clone());
        keys.filter(|key| seen.insert(key.clone())).collect()
    }

    /// The board whose sensors read a bundle. One that nothing tells from others may be any: its errors
    /// are its own.
    fn board(&self, bundle: &Name) -> String {
        let unit = || {
            let board = &self.manifests.get(bundle)?.board;
            Some(format!("{} {}", board.name, board.unit.as_ref()?))
        };
        match self.same_board {
            SameBoard::Yes => "the same".to_owned(),
            SameBoard::No => format!("{}'s", self.letter),
            SameBoard::AsRecorded => unit().unwrap_or_else(|| format!("{} {bundle}", self.letter)),
        }
    }

    pub(super) fn measured(&self, key: &Key) -> Measured {
        let rows: Vec<&Row> = self.rows.iter().filter(|row| row.key == *key).collect();
        let numbers = rows.first().map_or(0, |row| row.numbers.len());
        Measured {
            quantities: (0..numbers).map(|number| self.known(&rows, number)).collect(),
            provenance: rows.iter().map(|row| row.provenance).fold(Provenance::Measured, Ord::max),
            images: rows.iter().map(|row| row.images).sum(),
            runs: rows.len() as u64,
        }
    }

    /// One number of all of a side's runs. Where one of them lacks it, the others' mean would be of other
    /// runs than the row's: then it is not known.
    fn known(&self, rows: &[&Row], number: usize) -> Known {
        let numbers = rows.iter().map(|row| &row.numbers[number]);
        let bare: Option<Vec<f64>> = numbers.map(|number| number.0).collect();
        let run = |row: &&Row| {
            let quantity = row.numbers[number].1.clone()?;
            Some(Run { quantity, board: self.board(&row.bundle) })
        };
        match (rows.iter().map(run).collect::<Option<Vec<Run>>>(), bare) {
            (Some(runs), Some(_)) => Known::Measured(runs),
            (_, Some(values)) => Known::Bare(values.iter().sum::<f64>() / values.len() as f64),
            _ => Known::Unknown,
        }
    }
}

impl Row {
    fn of_network(row: &SummaryRow, known: &super::RowQuantities) -> Self {
        // An intensity errs as its bytes do.
        let intensity = known.dram_bytes_per_image.as_ref().zip(row.oi_empirical);
        let intensity = intensity.map(|(bytes, value)| {
            let scale = value / bytes.value;
            let (own, freedom) = (bytes.own * scale.powi(2), bytes.freedom * scale.powi(4));
            Quantity { value, own, freedom, ..Quantity::default() }
        });
        Row {
            key: Key {
                network: row.network.clone(),
                component: row.component.clone(),
                policy: row.policy.clone(),
                layer: None,
            },
            bundle: row.bundle.clone(),
            provenance: row.provenance,
            images: row.images,
            numbers: vec![
                (row.joules_per_image, known.joules_per_image.clone()),
                (row.images_per_s, known.images_per_s.clone()),
                (row.dram_bytes_per_image, known.dram_bytes_per_image.clone()),
                (row.oi_empirical, intensity),
            ],
        }
    }

    fn of_layer(row: &LayerRow, known: &super::LayerQuantities) -> Self {
        Row {
            key: Key {
                network: row.network.clone(),
                component: row.component.clone(),
                policy: known.policy.clone(),
                layer: Some(row.layer.clone()),
            },
            bundle: row.bundle.clone(),
            provenance: row.provenance,
            images: row.images,
            numbers: vec![
                (row.joules_per_image, known.joules_per_image.clone()),
                (Some(row.seconds_per_image), known.seconds_per_image.clone()),
                (row.dram_bytes_per_image, known.dram_bytes_per_image.clone()),
            ],
        }
    }
}

/// Pairs of keys, in order of A's rows, and what only one side has, in words.
///
/// A co-execution is paired with that of the same policy; where each side has one and they differ, with
/// the other's: policies are what one wants to compare.
pub(super) fn pair(sides: &[Side; 2]) -> (Vec<[Key; 2]>, [Vec<String>; 2]) {
    let [of_a, of_b] = [0, 1].map(|side: usize| sides[side].keys());
    let alike = |a: &Key, b: &Key| {
        a.network == b.network
            && a.component == b.component
            && a.layer == b.layer
            && a.policy.is_some() == b.policy.is_some()
    };
    let partner = |key: &Key, own: &[Key], others: &[Key]| {
        if others.contains(key) {
            return Some(key.clone());
        }
        let only = |keys: &[Key]| keys.iter().filter(|it| alike(it, key)).count() == 1;
        let other = others.iter().find(|it| alike(it, key))?;
        (only(own) && only(others)).then(|| other.clone())
    };
    let mut pairs = Vec::new();
    let mut only_in_a = Vec::new();
    for key in &of_a {
        match partner(key, &of_a, &of_b) {
            Some(other) => pairs.push([key.clone(), other]),
            None => only_in_a.push(key.in_words()),
        }
    }
    let alone = |key: &&Key| partner(key, &of_b, &of_a).is_none();
    let only_in_b = of_b.iter().filter(alone).map(Key::in_words).collect();
    (pairs, [only_in_a, only_in_b])
}

impl Key {
    fn in_words(&self) -> String {
        let layer =
            self.layer.as_ref().map_or_else(String::new, |layer| format!(", layer {layer}"));
        let policy = self.policy.as_ref().map_or_else(String::new, |it| format!(" under {it}"));
        format!("{} on {}{policy}{layer}", self.network, self.component)
    }
}
