//! A description's ceilings, and a network's layers under them by the emulated board's model.

use anyhow::{Result, bail};
use serde::Serialize;
use wattline_board::description::Component;
use wattline_inference::graph::Graph;
use wattline_inference::roofline::{Cycles, Modelled, Point};
use wattline_inference::{Model, zoo};
use wattline_trace::Provenance;

use super::rows::Row;
use super::{Args, Findings};
use crate::table::table;

/// A modelled roof and what lies under it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Roof {
    pub(super) component: String,
    /// The precision that networks run at on it, such as `fp16`.
    precision: String,
    peak_gflop_per_s: f64,
    bandwidth_gb_per_s: f64,
    ridge_flop_per_byte: f64,
    /// The clock that cycles are counted on: the highest its description lists.
    clock_hz: Option<f64>,
    provenance: Provenance,
    network: Option<String>,
    /// Share of the peak rate that the network reaches where nothing else bounds it.
    efficiency: Option<f64>,
    /// The layers, as `roofline.csv` has them.
    layers: Vec<Row>,
    #[serde(skip)]
    modelled: Option<Modelled>,
}

/// Models every one of `components`. One that was not asked for by name and refuses the network is
/// left out, and said to be.
pub(super) fn find(args: &Args, components: &[&Component], found: &mut Findings) -> Result<()> {
    let network = args.network.as_deref().filter(|_| !components.is_empty());
    let network = network.map(open).transpose()?;
    for component in components {
        match Roof::new(component, network.as_ref()) {
            Ok(roof) => found.modelled.push(roof),
            Err(error) if args.components.is_empty() => {
                found.missing.push(format!("{}: left out: {error}", component.name()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn open(network: &str) -> Result<(String, Graph)> {
    if zoo::names().contains(&network) {
        return Ok((network.to_owned(), zoo::graph_structure(network)?));
    }
    let model = Model::open(network, 1)?;
    Ok((model.name, model.graph))
}

impl Roof {
    fn new(component: &Component, network: Option<&(String, Graph)>) -> Result<Self> {
        let name = component.name();
        let (Some(peak), Some(bandwidth)) = (component.peak_rate(), component.bandwidth) else {
            bail!("{name} has no roof: its description lacks peak or bandwidth");
        };
        let modelled =
            network.map(|(network, graph)| Modelled::new(network, graph, component)).transpose()?;
        let mut roof = Roof {
            component: name.to_owned(),
            precision: format!("fp{}", 8 * component.precision.bytes()),
            peak_gflop_per_s: peak.flops_per_s() / 1e9,
            bandwidth_gb_per_s: bandwidth.bytes_per_s() / 1e9,
            ridge_flop_per_byte: peak.flops_per_s() / bandwidth.bytes_per_s(),
            clock_hz: component.highest_frequency().map(|clock| clock.hertz()),
            provenance: Provenance::Emulated,
            network: network.map(|(network, _)| network.clone()),
            efficiency: modelled.as_ref().map(|it| it.efficiency),
            layers: Vec::new(),
            modelled,
        };
        roof.layers = roof.points().iter().map(|point| roof.layer(point)).collect();
        Ok(roof)
    }

    pub(super) fn points(&self) -> &[Point] {
        self.modelled.as_ref().map_or(&[], |modelled| &modelled.points)
    }

    /// A layer's cycles, if the description knows a clock.
    pub(super) fn cycles(&self, point: &Point) -> Option<Cycles> {
        self.clock_hz.map(|clock_hz| point.cycles(clock_hz))
    }

    /// FLOP/s of a layer, of the peak rate, in percent.
    pub(super) fn utilisation_pct(&self, flops: u64, seconds: f64) -> Option<f64> {
        let gflop = 1e-9 * flops as f64;
        (seconds > 0.0).then(|| 100.0 * gflop / seconds / self.peak_gflop_per_s)
    }

    fn layer(&self, point: &Point) -> Row {
        let share = self.modelled.as_ref().and_then(|it| it.share_of_roof(point));
        Row {
            row: "point",
            network: self.network.clone(),
            operator: Some(point.operator.to_owned()),
            oi_theoretical: Some(point.cost.operational_intensity()),
            oi_dram: point.dram_intensity(),
            gflop_per_s: Some(1e-9 * point.flops_per_s()),
            gb_per_s: (point.seconds > 0.0).then(|| 1e-9 * point.dram_bytes() / point.seconds),
            bound: Some(point.bound().as_str()),
            roof_pct: share.map(|share| 100.0 * share),
            ..Row::ceiling(&self.component, point.layer.clone(), self.provenance)
        }
    }

    /// Its rows of `roofline.csv`: ceilings, then layers.
    pub(super) fn rows(&self) -> Vec<Row> {
        let ceiling = |name: String| Row::ceiling(&self.component, name, self.provenance);
        let peak = ceiling(format!("peak {}", self.precision));
        let mut rows = vec![Row { gflop_per_s: Some(self.peak_gflop_per_s), ..peak }];
        if let Some((efficiency, network)) = self.efficiency.zip(self.network.as_ref()) {
            let reached = ceiling(format!("reached by {network}"));
            let gflop_per_s = Some(efficiency * self.peak_gflop_per_s);
            rows.push(Row { gflop_per_s, ..reached });
        }
        let (gb_per_s, ridge) = (Some(self.bandwidth_gb_per_s), Some(self.ridge_flop_per_byte));
        rows.push(Row { gb_per_s, oi_theoretical: ridge, ..ceiling("bandwidth".to_owned()) });
        rows.extend(self.layers.iter().cloned());
        rows
    }

    /// Ceilings in a line, layers in a table.
    pub(super) fn human(&self) -> String {
        let mut text = format!(
            "\n{}, {}: peak {:.1} GFLOP/s {}, bandwidth {:.2} GB/s, ridge point {:.1} flop/B\n",
            self.component,
            self.provenance,
            self.peak_gflop_per_s,
            self.precision.to_uppercase(),
            self.bandwidth_gb_per_s,
            self.ridge_flop_per_byte
        );
        if let Some((efficiency, network)) = self.efficiency.zip(self.network.as_ref()) {
            text += &format!(
                "{network} reaches {:.1} % of the peak, {:.1} GFLOP/s, where nothing else bounds it\n",
                100.0 * efficiency,
                efficiency * self.peak_gflop_per_s
            );
        }
        if self.layers.is_empty() {
            return text;
        }
        let header = [
            "layer",
            "operator",
            "bound by",
            "OI_t flop/B",
            "OI DRAM flop/B",
            "GFLOP/s",
            "GB/s",
            "of roof %",
        ];
        let mut table = table(header, 3);
        let number = |value: Option<f64>, places: usize| {
            value.map_or_else(|| "–".to_owned(), |value| format!("{value:.places$}"))
        };
        for row in &self.layers {
            table.add_row([
                row.name.clone(),
                row.operator.clone().unwrap_or_default(),
                row.bound.unwrap_or_default().to_owned(),
                number(row.oi_theoretical, 2),
                number(row.oi_dram, 2),
                number(row.gflop_per_s, 2),
                number(row.gb_per_s, 2),
                number(row.roof_pct, 1),
            ]);
        }
        text + &format!("\n{table}\n")
    }
}
