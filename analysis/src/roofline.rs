//! Networks and layers under the roof of the component they ran on.
//!
//! Where the roof lies the module `roof` says. Intensities are the study's equations (1) and (2): OI_t,
//! flops ÷ bytes of inputs, weights and outputs, each once; and OI_e, flops ÷ bytes at the DRAM.
//!
//! What is bound by what is said at OI_e where that is known, for DRAM bytes are what the roof's
//! slope is about. At OI_t a point may lie above the slope: caches then hold part of its data. Above
//! the roof at OI_e, or above the peak, no point can lie: a unit or a ceiling is wrong, and it is
//! called so.

mod ceilings;

use serde::Serialize;
use wattline_trace::{Name, Provenance};

use crate::{Analysis, Bound, quantisation};

pub(crate) use ceilings::{Ceiling, Ceilings};

/// How far above a roof a point may lie before something is wrong: bytes and times are measured.
const ABOVE: f64 = 1.02;
/// How far under a roof a point may lie and still be called on it.
const ON: f64 = 1.05;

/// A network, or a layer of it, under the roof of its component: a row of `roofline_points.csv`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RooflineRow {
    /// The bundle's directory.
    pub bundle: String,
    /// The board.
    pub board: String,
    /// The component.
    pub component: String,
    /// The frequency that it was held at, 10⁶ Hz; empty where nobody held it.
    pub frequency_mhz: Option<f64>,
    /// The network.
    pub network: String,
    /// The layer; empty of the network as a whole.
    pub layer: Option<String>,
    /// What the layer computes.
    pub kind: Option<String>,
    /// Mean seconds of one image, or of the layer for one image.
    pub seconds_per_image: Option<f64>,
    /// 10⁹ floating-point operations a second.
    pub gop_per_s: f64,
    /// Theoretical operational intensity, flops per byte.
    pub oi_theoretical: Option<f64>,
    /// Empirical operational intensity, flops per byte.
    pub oi_empirical: Option<f64>,
    /// The component's ceiling, 10⁹ floating-point operations a second.
    pub peak_gop_per_s: Option<f64>,
    /// The slope of its roof, 10⁹ bytes a second.
    pub bandwidth_gb_per_s: Option<f64>,
    /// What the roof allows at the point's intensity: OI_e, or where that is not known OI_t.
    pub roof_gop_per_s: Option<f64>,
    /// Which side of the ridge point it lies on.
    pub bound: Option<Bound>,
    /// `roof_gop_per_s ÷ gop_per_s`: 2 where the point could be twice as fast.
    pub factor_to_roof: Option<f64>,
    /// Whether it lies where no point can: a unit or a ceiling is wrong.
    pub above_roof: bool,
    /// All that in words.
    pub verdict: String,
    /// Where its times and bytes come from.
    pub provenance: Provenance,
}

/// The columns of `roofline_points.csv`.
pub(crate) const COLUMNS: [&str; 19] = [
    "bundle",
    "board",
    "component",
    "frequency_mhz",
    "network",
    "layer",
    "kind",
    "seconds_per_image",
    "gop_per_s",
    "oi_theoretical",
    "oi_empirical",
    "peak_gop_per_s",
    "bandwidth_gb_per_s",
    "roof_gop_per_s",
    "bound",
    "factor_to_roof",
    "above_roof",
    "verdict",
    "provenance",
];

/// Networks that ran alone, each followed by its layers. What ran beside others is left out: its
/// roof is not the component's alone.
pub(crate) fn rows(analysis: &Analysis, ceilings: &Ceilings) -> Vec<RooflineRow> {
    let mut rows = Vec::new();
    for network in analysis.summary.iter().filter(|row| row.policy.is_none()) {
        let ceiling = ceilings.find(&network.bundle, &network.component);
        let blank = |gop_per_s| RooflineRow {
            bundle: network.bundle.to_string(),
            board: network.board.to_string(),
            component: network.component.to_string(),
            frequency_mhz: network.frequency_mhz,
            network: network.network.to_string(),
            layer: None,
            kind: None,
            seconds_per_image: None,
            gop_per_s,
            oi_theoretical: None,
            oi_empirical: None,
            peak_gop_per_s: None,
            bandwidth_gb_per_s: None,
            roof_gop_per_s: None,
            bound: None,
            factor_to_roof: None,
            above_roof: false,
            verdict: String::new(),
            provenance: network.provenance,
        };
        if let Some(gop_per_s) = network.gop_per_s {
            rows.push(
                RooflineRow {
                    seconds_per_image: network.images_per_s.map(f64::recip),
                    oi_theoretical: network.oi_theoretical,
                    oi_empirical: network.oi_empirical,
                    ..blank(gop_per_s)
                }
                .under(ceiling),
            );
        }
        for layer in first_run(analysis, &network.bundle, &network.network, &network.component) {
            let Some(gop_per_s) = layer.gop_per_s else { continue };
            rows.push(
                RooflineRow {
                    layer: Some(layer.layer.to_string()),
                    kind: Some(layer.kind.clone()),
                    seconds_per_image: Some(layer.seconds_per_image),
                    oi_theoretical: layer.oi_theoretical,
                    oi_empirical: layer.oi_empirical,
                    frequency_mhz: layer.frequency_mhz,
                    provenance: layer.provenance,
                    ..blank(gop_per_s)
                }
                .under(ceiling),
            );
        }
    }
    rows
}

/// A component, and the frequency it was held at, if it was.
pub(crate) fn place(component: &str, frequency_mhz: Option<f64>) -> String {
    match frequency_mhz {
        Some(megahertz) => format!("{component} at {megahertz:.0} MHz"),
        None => component.to_owned(),
    }
}

/// The layers of a network on a component in its first run, the one alone: co-executions come
/// after.
pub(crate) fn first_run<'a>(
    analysis: &'a Analysis,
    bundle: &Name,
    network: &Name,
    component: &Name,
) -> impl Iterator<Item = &'a crate::LayerRow> {
    let key = (bundle.clone(), network.clone(), component.clone());
    let is_it = move |row: &&crate::LayerRow| {
        (&row.bundle, &row.network, &row.component) == (&key.0, &key.1, &key.2)
    };
    let mine = analysis.layers.iter().filter(is_it);
    let run = mine.clone().next().map(|row| row.run);
    mine.filter(move |row| Some(row.run) == run)
}

impl RooflineRow {
    /// The component, and the frequency it was held at, if it was: what has a roof of its own.
    pub(crate) fn place(&self) -> String {
        place(&self.component, self.frequency_mhz)
    }

    /// Whether its operations are in 8-bit steps, of which the peak says nothing.
    fn is_quantised(&self) -> bool {
        match &self.kind {
            Some(kind) => kind.starts_with("quantised_"),
            None => self.network.ends_with(quantisation::TWIN),
        }
    }

    fn under(mut self, ceiling: Option<&Ceiling>) -> Self {
        let Some(ceiling) = ceiling else {
            self.verdict = "no roof is known".to_owned();
            return self;
        };
        let under = ceiling.roof;
        let peak = 1e-9 * under.peak_flops_per_s;
        self.peak_gop_per_s = Some(peak);
        self.bandwidth_gb_per_s = Some(1e-9 * under.bandwidth_bytes_per_s);
        let positive = |oi: &f64| *oi > 0.0;
        let empirical = self.oi_empirical.filter(positive);
        let Some(oi) = empirical.or(self.oi_theoretical.filter(positive)) else {
            self.above_roof = self.gop_per_s > ABOVE * peak;
            self.verdict = match self.above_roof {
                true => "above the peak: a unit or a ceiling is wrong".to_owned(),
                false => "no operational intensity is known".to_owned(),
            };
            return self;
        };
        let least = under.least(1e9, 1e9 / oi);
        let (bound, roof) = (least.bound, 1.0 / least.seconds);
        let factor = roof / self.gop_per_s;
        // At OI_t the slope is no limit, but the peak is.
        let limit = if empirical.is_some() { roof } else { peak };
        self.above_roof = self.gop_per_s > ABOVE * limit;
        self.roof_gop_per_s = Some(roof);
        self.bound = Some(bound);
        self.factor_to_roof = Some(factor);
        if self.above_roof && self.is_quantised() {
            self.above_roof = false;
            let over = self.gop_per_s / peak;
            self.verdict = format!(
                "{over:.2}× the floating-point peak: 8-bit operations have a ceiling of their own, \
                 which is not known"
            );
            return self;
        }
        let which = format!("{}-bound", bound.as_str());
        let at = if empirical.is_some() { "" } else { " at OI_t" };
        self.verdict = if self.above_roof {
            let over = self.gop_per_s / limit;
            format!("above the roof by {over:.2}×: a unit or a ceiling is wrong")
        } else if factor < 1.0 / ABOVE {
            let over = 1.0 / factor;
            format!("{over:.2}× what DRAM alone would allow{at}: caches hold part of its data")
        } else if factor <= ON {
            format!("{which}{at}, on the roof")
        } else {
            format!("{which}{at}, {factor:.1}× under the roof")
        };
        self
    }
}

#[cfg(test)]
mod tests;
