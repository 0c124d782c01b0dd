//! What a policy knows of each component before it co-executes, and where it knows it from.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use wattline_board::description::{Component, Description};
use wattline_inference::coexecution::Profile;
use wattline_trace::ProfileRecord;

use super::lane::{Lane, Work};
use super::stream::Solo;
use crate::coexecution::alone;

/// A component alone.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) component: String,
    pub(super) seconds_per_image: f64,
    /// Empty where only whole images are known.
    layer_seconds: Vec<f64>,
    pub(super) joules_per_image: Option<f64>,
    /// In words.
    pub(super) from: String,
}

impl Known {
    /// By what it did alone in this run.
    pub(super) fn alone(lane: &Lane, solo: &Solo) -> Self {
        Known {
            component: lane.component.name().to_owned(),
            seconds_per_image: solo.seconds_per_image,
            layer_seconds: solo.layer_seconds.clone(),
            joules_per_image: solo.joules_per_image,
            from: format!("{} images alone in this run", solo.images),
        }
    }

    /// What policies are given. Joules that are not known are none: no policy that looks at them
    /// is let run then.
    pub(super) fn profile(&self, by_layer: bool) -> Profile {
        let joules = self.joules_per_image.unwrap_or(0.0);
        let profile = Profile::new(&self.component, self.seconds_per_image, joules);
        if by_layer { profile.with_layers(&self.layer_seconds) } else { profile }
    }

    pub(super) fn record(&self) -> ProfileRecord {
        ProfileRecord {
            component: self.component.clone(),
            seconds_per_image: self.seconds_per_image,
            joules_per_image: self.joules_per_image,
            from: self.from.clone(),
        }
    }
}

/// By the emulated board's own model.
pub(super) fn from_model(board: &Description, lanes: &[Lane]) -> Vec<Known> {
    let known = |lane: &Lane| {
        let index = board.components.iter().position(|it| it.name() == lane.component.name())?;
        let Work::Emulated(work) = &lane.work else { return None };
        let image = alone(board, index, work);
        let layers = image.layers.iter().map(|it| (it.end_ns - it.start_ns) as f64 * 1e-9);
        let layer_seconds: Vec<f64> = layers.collect();
        Some(Known {
            component: lane.component.name().to_owned(),
            seconds_per_image: layer_seconds.iter().sum(),
            layer_seconds,
            joules_per_image: Some(image.image.active_joules.iter().sum()),
            from: "the emulated board's model".to_owned(),
        })
    };
    lanes.iter().filter_map(known).collect()
}

/// The columns of `summary.csv` that matter here.
#[derive(Debug, Deserialize)]
struct SummaryRow {
    network: String,
    component: String,
    images_per_s: Option<f64>,
    joules_per_image: Option<f64>,
    /// Filled where the row is of a co-execution, in which nobody is alone.
    #[serde(default)]
    policy: Option<String>,
}

/// By the `summary.csv` of an earlier `wattline analyze`: the one row of the network and component.
pub(super) fn from_summary<'a>(
    path: &Path,
    network: &str,
    components: impl Iterator<Item = &'a Component>,
) -> Result<Vec<Known>> {
    let read = || -> Result<Vec<SummaryRow>> {
        let mut csv = csv::Reader::from_path(path)?;
        Ok(csv.deserialize().collect::<Result<_, _>>()?)
    };
    let name = path.display();
    let rows = read().with_context(|| {
        format!("--profile {name}: expected a summary.csv that `wattline analyze` wrote")
    })?;
    let known = |component: &Component| {
        let component = component.name();
        let of = |row: &&SummaryRow| {
            row.network == network && row.component == component && row.policy.is_none()
        };
        let mut found = rows.iter().filter(of);
        let row = match (found.next(), found.next()) {
            (Some(row), None) => row,
            (None, _) => {
                bail!("--profile {name} has no row of {network} on {component}; run it alone first")
            }
            (Some(_), Some(_)) => bail!(
                "--profile {name} has several rows of {network} on {component}; analyze one run alone"
            ),
        };
        let rate = row.images_per_s.filter(|rate| *rate > 0.0 && rate.is_finite());
        let Some(rate) = rate else {
            bail!("--profile {name} has no images_per_s above 0 for {network} on {component}");
        };
        if let Some(joules) = row.joules_per_image.filter(|it| !(*it >= 0.0 && it.is_finite())) {
            bail!("--profile {name} says {joules} J an image for {network} on {component}");
        }
        Ok(Known {
            component: component.to_owned(),
            seconds_per_image: rate.recip(),
            layer_seconds: Vec::new(),
            joules_per_image: row.joules_per_image,
            from: name.to_string(),
        })
    };
    components.map(known).collect()
}
