//! Where roofs come from: the bundle's board description, or what `wattline roofline` measured.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use wattline_trace::BundleReader;

use crate::AnalysisError;
use crate::roof::Roof;

/// The roof of one component.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ceiling {
    /// The component.
    pub(crate) component: String,
    /// How fast it can be.
    pub(crate) roof: Roof,
    /// Where both of its ceilings come from, in words.
    pub(crate) origin: String,
}

/// The roofs of all components of some bundles.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Ceilings {
    /// By bundle.
    described: Vec<(String, Ceiling)>,
    /// For all bundles; these come first.
    measured: Vec<Ceiling>,
}

/// A row of what `wattline roofline --out` writes; other columns do not matter here.
#[derive(Debug, Deserialize)]
struct Record {
    row: String,
    component: String,
    name: String,
    gflop_per_s: Option<f64>,
    gb_per_s: Option<f64>,
}

impl Ceilings {
    /// What the manifests of `bundles` say of their components.
    ///
    /// # Errors
    /// If a manifest cannot be read.
    pub(crate) fn of_bundles(bundles: &[PathBuf]) -> Result<Self, AnalysisError> {
        let mut ceilings = Ceilings::default();
        for directory in bundles {
            let reader = BundleReader::open(directory)?;
            let manifest = reader.manifest();
            let origin = format!("description of {}", manifest.board.name);
            for component in &manifest.components {
                let Some(roof) = Roof::of(component) else { continue };
                let ceiling =
                    Ceiling { component: component.name.clone(), roof, origin: origin.clone() };
                ceilings.described.push((directory.display().to_string(), ceiling));
            }
        }
        Ok(ceilings)
    }

    /// Puts the ceilings in a `roofline.csv` of `wattline roofline --out` before all others. Of
    /// several bandwidths of a component the largest counts, of several peaks that in FP32.
    ///
    /// # Errors
    /// If the file cannot be read, is another table, or holds no whole roof.
    pub(crate) fn measured(mut self, path: &Path) -> Result<Self, AnalysisError> {
        let wrong = |reason: String| AnalysisError::Ceilings { path: path.to_owned(), reason };
        let mut csv = csv::Reader::from_path(path).map_err(|error| wrong(error.to_string()))?;
        let mut records: Vec<Record> = Vec::new();
        for record in csv.deserialize() {
            let record: Record = record.map_err(|error| wrong(error.to_string()))?;
            if record.row == "ceiling" {
                records.push(record);
            }
        }
        let mut names: Vec<&str> = records.iter().map(|it| it.component.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let mine = || records.iter().filter(|it| it.component == name);
            let peaks = mine().filter(|it| it.name.starts_with("peak"));
            let peak = peaks.clone().find(|it| it.name == "peak fp32").or(peaks.clone().next());
            let bandwidths =
                mine().filter(|it| it.name.starts_with("bandwidth")).filter_map(|it| it.gb_per_s);
            let known = peak.and_then(|it| it.gflop_per_s).zip(bandwidths.reduce(f64::max));
            let roof = known.and_then(|(peak, bandwidth)| Roof::new(1e9 * peak, 1e9 * bandwidth));
            let Some(roof) = roof else { continue };
            self.measured.push(Ceiling {
                component: name.to_owned(),
                roof,
                origin: format!("{}", path.display()),
            });
        }
        if self.measured.is_empty() {
            return Err(wrong("no component has both a peak and a bandwidth in it".to_owned()));
        }
        Ok(self)
    }

    /// The roof of a component in a bundle.
    pub(crate) fn find(&self, bundle: &str, component: &str) -> Option<&Ceiling> {
        let described = || {
            let is_it = |it: &&(String, Ceiling)| it.0 == bundle && it.1.component == component;
            self.described.iter().find(is_it).map(|it| &it.1)
        };
        self.measured.iter().find(|it| it.component == component).or_else(described)
    }
}
