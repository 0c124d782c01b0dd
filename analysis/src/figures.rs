//! Figures of an analysis: rooflines as the study's Fig. 3, bars with error bars.
//!
//! Each says in its heading what it is of, where the numbers come from, and how power was sampled.
//! They read without colour: what differs also differs in shape, dash or a word beside it.

mod axis;
mod bars;
mod energy;
mod font;
mod labels;
mod layers;
mod paint;
mod plan;
mod quantised;
mod roofline;
mod rooflines;
mod scene;

pub(crate) use axis::{uncertainty, written};

use crate::quantisation::QuantisationRow;
use crate::quantisation::layers::QuantisedLayerRow;
use crate::report::Material;
use crate::{Analysis, AnalysisError, RooflineRow};
use bars::BarFigure;
use plan::PlanFigure;
use roofline::RooflineFigure;
use scene::{Ink, MARGIN, Scene};

/// How wide figures are that stand in files, in CSS pixels.
pub(crate) const WIDE: f64 = 860.0;
/// How wide those are that a phone shows.
pub(crate) const NARROW: f64 = 340.0;

/// Where in a report a figure belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Energy,
    Rooflines,
    /// One network on one component: there may be many.
    Layers,
    Quantisation,
    Plan,
}

/// A figure, not drawn yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    /// What its files are called, without an ending: letters, digits and hyphens.
    pub(crate) name: String,
    pub(crate) subject: Subject,
    drawing: Drawing,
}

#[derive(Debug, Clone, PartialEq)]
enum Drawing {
    Roofline(RooflineFigure),
    Bars(BarFigure),
    Plan(PlanFigure),
}

impl Figure {
    fn new(name: &str, subject: Subject, drawing: Drawing) -> Self {
        let plain = |character: char| match character.is_ascii_alphanumeric() {
            true => character.to_ascii_lowercase(),
            false => '-',
        };
        Figure { name: name.chars().map(plain).collect(), subject, drawing }
    }

    /// What it shows, in words.
    pub(crate) fn title(&self) -> &str {
        match &self.drawing {
            Drawing::Roofline(figure) => &figure.title,
            Drawing::Bars(figure) => &figure.title,
            Drawing::Plan(figure) => &figure.title,
        }
    }

    fn scene(&self, width: f64) -> Scene {
        match &self.drawing {
            Drawing::Roofline(figure) => figure.scene(width),
            Drawing::Bars(figure) => figure.scene(width),
            Drawing::Plan(figure) => figure.scene(width),
        }
    }

    /// As an SVG document of this width, in CSS pixels.
    ///
    /// # Errors
    /// [`AnalysisError::Drawing`].
    pub(crate) fn svg(&self, width: f64) -> Result<String, AnalysisError> {
        paint::svg(&self.scene(width)).map_err(|reason| self.failed(reason))
    }

    /// As a PNG file.
    ///
    /// # Errors
    /// [`AnalysisError::Drawing`].
    pub(crate) fn png(&self) -> Result<Vec<u8>, AnalysisError> {
        paint::png(&self.scene(WIDE)).map_err(|reason| self.failed(reason))
    }

    fn failed(&self, reason: String) -> AnalysisError {
        AnalysisError::Drawing { figure: self.name.clone(), reason }
    }
}

/// The layers of a plan against their frequencies.
pub(crate) fn plan(plan: &crate::Plan) -> Figure {
    Figure::new("plan", Subject::Plan, Drawing::Plan(PlanFigure::new(plan)))
}

/// All figures that these results carry. No two have the same name.
pub(crate) fn all(
    analysis: &Analysis,
    points: &[RooflineRow],
    (quantisation, quantised_layers): (&[QuantisationRow], &[QuantisedLayerRow]),
    material: &Material,
) -> Vec<Figure> {
    let mut figures = energy::figures(analysis, material);
    figures.extend(rooflines::figures(points, quantisation, material));
    figures.extend(layers::figures(analysis, material));
    figures.extend(quantised::figures(quantisation, quantised_layers, material));
    let mut names = std::collections::HashSet::new();
    for figure in &mut figures {
        let plain = figure.name.clone();
        let mut count = 1;
        while !names.insert(figure.name.clone()) {
            count += 1;
            figure.name = format!("{plain}-{count}");
        }
    }
    figures
}

/// Title and provenance at the top of a sheet; answers where the rest begins.
fn heading(scene: &mut Scene, title: &str, provenance: &str) -> f64 {
    let below = scene.paragraph(MARGIN, title, 15.0, Ink::Text);
    scene.paragraph(below + 1.0, provenance, 11.0, Ink::Muted) + 8.0
}

/// What differs among the values that `key` finds, in order of appearance.
fn distinct<T, K: PartialEq>(rows: &[T], key: impl Fn(&T) -> K) -> Vec<K> {
    let mut all: Vec<K> = Vec::new();
    for row in rows {
        let value = key(row);
        if !all.contains(&value) {
            all.push(value);
        }
    }
    all
}
