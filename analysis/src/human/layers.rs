//! Layers for people: where an image's time, joules and bytes go.

use comfy_table::Table;
use wattline_trace::Name;

use super::{NONE, number, plain};
use crate::Analysis;

impl Analysis {
    /// Three tables as plain text: an image by kind of layer, by layer, and how well each sensor tells
    /// layers apart.
    pub fn layer_tables(&self) -> String {
        let mut kinds = Table::new();
        let numbers = ["layers", "ms/image", "share %", "mJ/image", "± 95 % (mJ)"];
        kinds.set_header([&["run", "kind", "provenance"][..], &numbers].concat());
        for row in &self.layer_kinds {
            kinds.add_row(vec![
                self.run_name(&row.bundle, &row.network, &row.component),
                row.kind.clone(),
                row.provenance.to_string(),
                row.layers.to_string(),
                milli(Some(row.seconds_per_image)),
                number(row.share_pct),
                milli(row.joules_per_image),
                milli(row.joules_per_image_ci95),
            ]);
        }
        let tables = [plain(kinds, 3..8), self.layers_for_people(), self.fits_for_people()];
        tables.join("\n\n") + "\n"
    }

    fn layers_for_people(&self) -> String {
        let mut table = Table::new();
        let numbers = [
            "ms/image",
            "share %",
            "mJ/image",
            "± 95 % (mJ)",
            "GOP/s",
            "OI_t flop/B",
            "OI_e flop/B",
            "of roof",
        ];
        table.set_header([&["run", "layer", "kind"][..], &numbers, &["bound", "merged"]].concat());
        for row in &self.layers {
            table.add_row(vec![
                self.run_name(&row.bundle, &row.network, &row.component),
                row.layer.to_string(),
                row.kind.clone(),
                milli(Some(row.seconds_per_image)),
                number(row.share_pct),
                milli(row.joules_per_image),
                milli(row.joules_per_image_ci95),
                number(row.gop_per_s),
                number(row.oi_theoretical),
                number(row.oi_empirical),
                number(row.roof_fraction),
                row.bound.map_or(NONE, |bound| bound.as_str()).to_owned(),
                row.joules_merged.clone(),
            ]);
        }
        plain(table, 3..11)
    }

    fn fits_for_people(&self) -> String {
        let mut table = Table::new();
        let numbers = ["readings", "coverage %", "layers", "told apart", "condition"];
        table.set_header([&["run", "sensor"][..], &numbers, &["note"]].concat());
        for row in &self.layer_fits {
            table.add_row(vec![
                self.run_name(&row.bundle, &row.network, &row.component),
                row.source.clone(),
                row.readings.to_string(),
                number(row.phase_coverage_pct),
                row.layers.to_string(),
                row.groups.map_or_else(|| NONE.to_owned(), |groups| groups.to_string()),
                number(row.condition),
                row.note.clone(),
            ]);
        }
        plain(table, 2..7)
    }

    fn run_name(&self, bundle: &Name, network: &Name, component: &Name) -> String {
        let bundle = if self.several_bundles() { format!("{bundle}: ") } else { String::new() };
        format!("{bundle}{network} on {component}")
    }
}

fn milli(value: Option<f64>) -> String {
    number(value.map(|value| value * 1e3))
}
