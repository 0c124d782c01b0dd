//! What people look at: one self-contained page, figures, the study's tables, a trace to scroll
//! through.
//!
//! Numbers come from an [`Analysis`] alone; what stands beside them (boards, sensors, commands) from
//! the bundles' manifests.

mod checks;
mod grid;
mod material;
mod method;
mod page;
mod sections;

use std::path::{Path, PathBuf};

use wattline_trace::BundleReader;

use crate::batch::Batch;
use crate::figures::{self, Figure, WIDE};
use crate::quantisation::layers::QuantisedLayerRow;
use crate::quantisation::{self, QuantisationRow};
use crate::roofline::{self, Ceilings, RooflineRow};
use crate::study::{self, Study};
use crate::{Analysis, AnalysisError, perfetto};

pub(crate) use material::Material;

/// A report on one or more bundles.
#[derive(Debug)]
pub struct Report<'a> {
    analysis: &'a Analysis,
    directories: &'a [PathBuf],
    material: Material,
    study: Study,
    points: Vec<RooflineRow>,
    quantisation: Vec<QuantisationRow>,
    quantised_layers: Vec<QuantisedLayerRow>,
    figures: Vec<Figure>,
}

impl<'a> Report<'a> {
    /// Puts a report together. `analysis` is that of `directories`; `ceilings`, where given, is a
    /// `roofline.csv` that `wattline roofline --out` wrote, and counts for all bundles.
    ///
    /// # Errors
    /// If a manifest or the ceilings cannot be read.
    pub fn new(
        directories: &'a [PathBuf],
        analysis: &'a Analysis,
        ceilings: Option<&Path>,
    ) -> Result<Self, AnalysisError> {
        let material = Material::read(directories, analysis)?;
        let described = Ceilings::of_bundles(directories)?;
        let ceilings = match ceilings {
            Some(file) => described.measured(file)?,
            None => described,
        };
        let points = roofline::rows(analysis, &ceilings);
        let quantisation = quantisation::rows(&analysis.layer_kinds, &analysis.summary);
        let quantised_layers = quantisation::layers::rows(analysis);
        let quantised = (&quantisation[..], &quantised_layers[..]);
        let figures = figures::all(analysis, &points, quantised, &material);
        let study = Study::new(&analysis.summary);
        Ok(Report {
            analysis,
            directories,
            material,
            study,
            points,
            quantisation,
            quantised_layers,
            figures,
        })
    }

    /// Writes `report.html`, `study.csv` and `study.md`, `roofline_points.csv`, where a network is
    /// quantised `quantisation.csv` and `quantisation_layers.csv`, a `trace.perfetto-trace` of each bundle (numbered if there are
    /// several), and under `figures` each figure as SVG and PNG. Answers how many figures there are.
    ///
    /// # Errors
    /// [`AnalysisError::Write`] and [`AnalysisError::Drawing`]; no file of an earlier report is then
    /// half replaced by name.
    pub fn write(&self, out: &Path) -> Result<usize, AnalysisError> {
        let mut batch = Batch::new(out)?;
        let page = self.html()?;
        batch.add_with("report.html", |file| Ok(file.write_all(page.as_bytes())?))?;
        batch.add("study.csv", &study::COLUMNS, self.study.rows.iter())?;
        let markdown = self.study.markdown();
        batch.add_with("study.md", |file| Ok(file.write_all(markdown.as_bytes())?))?;
        batch.add("roofline_points.csv", &roofline::COLUMNS, self.points.iter())?;
        if !self.quantisation.is_empty() {
            batch.add("quantisation.csv", &quantisation::COLUMNS, self.quantisation.iter())?;
            let layers = self.quantised_layers.iter();
            batch.add("quantisation_layers.csv", &quantisation::layers::COLUMNS, layers)?;
        }
        for (number, directory) in (1..).zip(self.directories) {
            let bundle = BundleReader::open(directory)?;
            let name = match self.directories.len() {
                1 => "trace.perfetto-trace".to_owned(),
                _ => format!("trace-{number}.perfetto-trace"),
            };
            batch.add_with(&name, |file| perfetto::write(&bundle, file))?;
        }
        let place = out.join("figures");
        let mut drawn = Batch::new(&place)?;
        for figure in &self.figures {
            let (svg, png) = (figure.svg(WIDE)?, figure.png()?);
            drawn.add_with(&format!("{}.svg", figure.name), |file| {
                Ok(file.write_all(svg.as_bytes())?)
            })?;
            drawn.add_with(&format!("{}.png", figure.name), |file| Ok(file.write_all(&png)?))?;
        }
        drawn.put_in_place()?;
        batch.put_in_place()?;
        Ok(self.figures.len())
    }

    /// The page: one file that needs no other and no network.
    ///
    /// # Errors
    /// [`AnalysisError::Drawing`].
    pub fn html(&self) -> Result<String, AnalysisError> {
        page::write(self)
    }
}
