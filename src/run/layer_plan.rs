//! The frequency of each layer, as `wattline plan` chose it.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use wattline_board::description::Component;
use wattline_board::emulated::work::{LayerWork, Work};
use wattline_board::quantity::Frequency;
use wattline_trace::FrequencyRecord;

use super::clocks;

/// What matters here of a `plan.json`.
#[derive(Debug, Deserialize)]
pub(super) struct LayerPlan {
    network: String,
    component: String,
    layers: Vec<LayerFrequency>,
}

#[derive(Debug, Deserialize)]
struct LayerFrequency {
    layer: String,
    frequency_mhz: f64,
}

impl LayerPlan {
    /// Reads it.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("--plan {name}"))?;
        serde_json::from_str(&text).with_context(|| {
            format!("--plan {name}: expected a plan.json that `wattline plan` wrote")
        })
    }

    /// Has each layer of an emulated component's work ask for its frequency. Answers what the
    /// manifest says of it.
    pub(super) fn apply(&self, work: &mut Work, component: &Component) -> Result<FrequencyRecord> {
        let name = component.name();
        if self.component != name || work.network != *self.network.as_str() {
            bail!(
                "--plan is for {} on {}, and not for {} on {name}",
                self.network,
                self.component,
                work.network
            );
        }
        let same =
            |(layer, planned): (&LayerWork, &LayerFrequency)| layer.name == *planned.layer.as_str();
        if self.layers.len() != work.layers.len() || !work.layers.iter().zip(&self.layers).all(same)
        {
            bail!(
                "--plan: its layers are not those of {}: it is of another version of it",
                self.network
            );
        }
        let mut layers_hz = Vec::new();
        for (layer, planned) in work.layers.iter_mut().zip(&self.layers) {
            let frequency = Frequency::new(1e6 * planned.frequency_mhz);
            let point = clocks::emulated_point(component, frequency)?;
            layer.kilohertz = Some(point.kilohertz());
            layers_hz.push(1000 * point.kilohertz());
        }
        Ok(FrequencyRecord {
            hz: layers_hz.iter().copied().max().unwrap_or(0),
            highest_hz: component.highest_frequency().map(|it| it.hertz().round() as u64),
            layers_hz,
            switching: clocks::switching(component),
            how: "each layer's by a plan, held by the emulated board's model, a guess below the highest \
                  frequency"
                .to_owned(),
        })
    }
}
