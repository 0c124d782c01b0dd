//! What the manifests say that stands beside numbers: boards, sensors, how power was sampled.

use std::path::PathBuf;

use wattline_trace::{BundleReader, Manifest};

use crate::figures::written;
use crate::{Analysis, AnalysisError};

/// One bundle.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) bundle: String,
    pub(crate) manifest: Manifest,
    /// Sampling instants a second, where the agent says.
    sampling_hz: Option<f64>,
}

/// All bundles of a report.
#[derive(Debug, Clone, Default)]
pub(crate) struct Material {
    pub(crate) bundles: Vec<Recorded>,
}

impl Material {
    /// Reads the manifests.
    ///
    /// # Errors
    /// If one cannot be read.
    pub(crate) fn read(
        directories: &[PathBuf],
        analysis: &Analysis,
    ) -> Result<Self, AnalysisError> {
        let mut bundles = Vec::new();
        for directory in directories {
            let bundle = directory.display().to_string();
            let manifest = BundleReader::open(directory)?.manifest().clone();
            let agent = analysis.agents.iter().find(|agent| agent.bundle == bundle.as_str());
            let sampling_hz = agent.map(|agent| agent.sampling_hz).filter(|hz| *hz > 0.0);
            bundles.push(Recorded { bundle, manifest, sampling_hz });
        }
        Ok(Material { bundles })
    }

    /// A board in words, by its name; an emulated one says so.
    pub(crate) fn board(&self, name: &str) -> String {
        let known = self.bundles.iter().find(|it| it.manifest.board.name == name);
        known.map_or_else(|| name.to_owned(), Recorded::board)
    }

    /// Where numbers of these bundles come from, in a line: board, emulated or measured, sensors and
    /// their windows, sampling.
    pub(crate) fn provenance<'a>(&self, bundles: impl Iterator<Item = &'a str>) -> String {
        let mut lines: Vec<String> = Vec::new();
        for bundle in bundles {
            let known = self.bundles.iter().find(|it| it.bundle == bundle);
            let line = known.map_or_else(|| bundle.to_owned(), Recorded::provenance);
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines.join("; ")
    }
}

impl Recorded {
    /// The board in words; an emulated one says so.
    pub(crate) fn board(&self) -> String {
        let board = &self.manifest.board;
        match board.emulated && !board.model.to_lowercase().contains("emulated") {
            true => format!("emulated {}", board.model),
            false => board.model.clone(),
        }
    }

    pub(crate) fn provenance(&self) -> String {
        let mut sensors: Vec<String> = Vec::new();
        for rail in &self.manifest.rails {
            let window = written(1e-6 * rail.window_ns as f64);
            let sensor = format!("{} over windows of {window} ms", rail.sensor);
            if !sensors.contains(&sensor) {
                sensors.push(sensor);
            }
        }
        let origin = match self.manifest.board.emulated {
            true => "all numbers emulated",
            false => "recorded on the board",
        };
        let power = match sensors.is_empty() {
            true => "no power sensor".to_owned(),
            false => format!("power by {}", sensors.join(", ")),
        };
        let sampled =
            self.sampling_hz.map_or_else(String::new, |hz| format!(", sampled at {hz:.0} Hz"));
        format!("{} · {origin} · {power}{sampled}", self.board())
    }
}
