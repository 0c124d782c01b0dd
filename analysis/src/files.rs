//! The result files: CSV that pandas, R or DuckDB read with no help.
//!
//! Each file is written whole under another name first; only when all of them are on disk are
//! they renamed into place. An error leaves earlier results as they were.

use std::path::Path;

use crate::batch::Batch;
use crate::results::{
    CheckRow, ConservationRow, EnergyRow, ImageRow, LayerFitRow, LayerKindRow, LayerRow, SummaryRow,
};
use crate::{Analysis, AnalysisError};

const SUMMARY: [&str; 22] = [
    "network",
    "component",
    "images",
    "images_per_s",
    "joules_per_image",
    "joules_per_image_ci95",
    "images_per_joule",
    "gop_per_s",
    "oi_theoretical",
    "oi_empirical",
    "dram_bytes_per_image",
    "provenance",
    "policy",
    "frames_pct",
    "latency_p50_ms",
    "latency_p99_ms",
    "gain_pct",
    "efficiency_solo",
    "efficiency_oracle",
    "images_per_joule_gain_pct",
    "board",
    "frequency_mhz",
];
const SUMMARY_TRUTH: [&str; 4] = [
    "truth_joules_per_image",
    "energy_error_pct",
    "truth_dram_bytes_per_image",
    "traffic_error_pct",
];
const SUMMARY_END: [&str; 2] = ["bundle", "note"];
const ENERGY: [&str; 27] = [
    "bundle",
    "rail",
    "network",
    "component",
    "role",
    "share",
    "split",
    "duration_s",
    "integral_joules",
    "idle_joules",
    "active_joules",
    "active_joules_ci95",
    "sampling_ci95",
    "idle_ci95",
    "quantisation_ci95",
    "tolerance_ci95",
    "clock_ci95",
    "split_ci95",
    "largest_term",
    "busy_s",
    "busy_watts",
    "busy_watts_ci95",
    "idle_watts",
    "readings",
    "fresh_hz",
    "uncovered_pct",
    "note",
];
const CONSERVATION: [&str; 12] = [
    "bundle",
    "rail",
    "inside",
    "seconds",
    "integral_joules",
    "attributed_joules",
    "other_joules",
    "idle_joules",
    "unattributed_joules",
    "unattributed_pct",
    "closure_error",
    "verdict",
];
const IMAGES: [&str; 8] = [
    "bundle",
    "network",
    "component",
    "image",
    "start_s",
    "latency_ms",
    "flops",
    "bytes_theoretical",
];
const LAYERS: [&str; 24] = [
    "bundle",
    "run",
    "network",
    "component",
    "layer",
    "kind",
    "images",
    "seconds_per_image",
    "share_pct",
    "joules_per_image",
    "joules_per_image_ci95",
    "joules_merged",
    "flops",
    "bytes_theoretical",
    "dram_bytes_per_image",
    "dram_bytes_per_image_ci95",
    "bytes_merged",
    "gop_per_s",
    "oi_theoretical",
    "oi_empirical",
    "bound",
    "roof_fraction",
    "frequency_mhz",
    "provenance",
];
const LAYER_TRUTH: [&str; 4] =
    ["truth_joules", "energy_error_pct", "truth_dram_bytes", "traffic_error_pct"];
const LAYERS_END: [&str; 1] = ["note"];
const LAYER_KINDS: [&str; 12] = [
    "bundle",
    "run",
    "network",
    "component",
    "kind",
    "layers",
    "images",
    "seconds_per_image",
    "share_pct",
    "joules_per_image",
    "joules_per_image_ci95",
    "provenance",
];
const CHECKS: [&str; 5] = ["bundle", "check", "subject", "outcome", "detail"];
const LAYER_FITS: [&str; 12] = [
    "bundle",
    "run",
    "network",
    "component",
    "source",
    "readings",
    "phase_coverage_pct",
    "layers",
    "groups",
    "condition",
    "residual",
    "note",
];

/// In which formats tables are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// As CSV. A Parquet file that an earlier analysis left beside one is removed.
    #[default]
    Csv,
    /// As CSV, and beside each file the same as Apache Parquet: every cell, with types.
    Parquet,
}

impl Analysis {
    /// Writes `summary.csv`, `energy.csv`, `conservation.csv`, `images.csv`, `layers.csv`,
    /// `layer_kinds.csv`, `layer_fits.csv` and `checks.csv` into `out`, which is created where it is missing. A cell is empty where its
    /// number was refused.
    ///
    /// # Errors
    /// [`AnalysisError::Write`]; no file of an earlier analysis is then half replaced by name.
    pub fn write(&self, out: &Path) -> Result<(), AnalysisError> {
        self.write_as(out, Format::Csv)
    }

    /// The same, in the formats that are wanted.
    ///
    /// # Errors
    /// [`AnalysisError::Write`], as [`Analysis::write`].
    pub fn write_as(&self, out: &Path, format: Format) -> Result<(), AnalysisError> {
        let mut batch = Batch::new(out)?.with_parquet(format == Format::Parquet);
        add_summary(&mut batch, &self.summary, self.check_truth)?;
        batch.add::<&EnergyRow>("energy.csv", &ENERGY, self.energy.iter())?;
        batch.add::<&ConservationRow>(
            "conservation.csv",
            &CONSERVATION,
            self.conservation.iter(),
        )?;
        batch.add::<ImageRow>("images.csv", &IMAGES, self.images.rows())?;
        add_layers(&mut batch, &self.layers, self.check_truth)?;
        batch.add::<&LayerKindRow>("layer_kinds.csv", &LAYER_KINDS, self.layer_kinds.iter())?;
        batch.add::<&LayerFitRow>("layer_fits.csv", &LAYER_FITS, self.layer_fits.iter())?;
        batch.add::<&CheckRow>("checks.csv", &CHECKS, self.checks.iter())?;
        batch.put_in_place()
    }
}

/// Writes a `summary.csv` alone into `out`, which is created where it is missing: for rows that
/// were predicted and have no other tables.
///
/// # Errors
/// [`AnalysisError::Write`].
pub fn write_summary(rows: &[SummaryRow], out: &Path) -> Result<(), AnalysisError> {
    let mut batch = Batch::new(out)?;
    add_summary(&mut batch, rows, false)?;
    batch.put_in_place()
}

fn add_summary(
    batch: &mut Batch<'_>,
    rows: &[SummaryRow],
    truth: bool,
) -> Result<(), AnalysisError> {
    let truth_columns: &[&str] = if truth { &SUMMARY_TRUTH } else { &[] };
    let header: Vec<&str> = [&SUMMARY[..], truth_columns, &SUMMARY_END].concat();
    batch.add("summary.csv", &header, rows.iter().map(|row| fields(row, truth)))
}

fn add_layers(batch: &mut Batch<'_>, rows: &[LayerRow], truth: bool) -> Result<(), AnalysisError> {
    let truth_columns: &[&str] = if truth { &LAYER_TRUTH } else { &[] };
    let header: Vec<&str> = [&LAYERS[..], truth_columns, &LAYERS_END].concat();
    batch.add("layers.csv", &header, rows.iter())
}

fn fields(row: &SummaryRow, check_truth: bool) -> Vec<String> {
    let mut fields = vec![
        row.network.to_string(),
        row.component.to_string(),
        row.images.to_string(),
        cell(row.images_per_s),
        cell(row.joules_per_image),
        cell(row.joules_per_image_ci95),
        cell(row.images_per_joule),
        cell(row.gop_per_s),
        cell(row.oi_theoretical),
        cell(row.oi_empirical),
        cell(row.dram_bytes_per_image),
        row.provenance.to_string(),
        row.policy.as_ref().map_or_else(String::new, ToString::to_string),
        cell(row.frames_pct),
        cell(row.latency_p50_ms),
        cell(row.latency_p99_ms),
        cell(row.gain_pct),
        cell(row.efficiency_solo),
        cell(row.efficiency_oracle),
        cell(row.images_per_joule_gain_pct),
        row.board.to_string(),
        cell(row.frequency_mhz),
    ];
    if check_truth {
        let truth = row.truth.unwrap_or_default();
        fields.extend([
            cell(truth.joules_per_image),
            cell(truth.energy_error_pct),
            cell(truth.dram_bytes_per_image),
            cell(truth.traffic_error_pct),
        ]);
    }
    fields.extend([row.bundle.to_string(), row.note()]);
    fields
}

fn cell(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde::Serialize;
    use wattline_trace::Provenance;

    use super::*;
    use crate::results::{Check, CheckOutcome, RailRole, Verdict};

    /// The header that the csv crate takes from a row's field names.
    fn derived(row: impl Serialize) -> String {
        let mut writer = csv::Writer::from_writer(vec![]);
        writer.serialize(row).unwrap();
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        text.lines().next().unwrap_or_default().to_owned()
    }

    #[test]
    fn headers_are_the_rows_fields() {
        let energy = EnergyRow {
            bundle: "b".into(),
            rail: "r".into(),
            network: "n".into(),
            component: "c".into(),
            role: RailRole::Counted,
            share: None,
            split: None,
            duration_s: None,
            integral_joules: None,
            idle_joules: None,
            active_joules: None,
            active_joules_ci95: None,
            sampling_ci95: None,
            idle_ci95: None,
            quantisation_ci95: None,
            tolerance_ci95: None,
            clock_ci95: None,
            split_ci95: None,
            largest_term: None,
            busy_s: None,
            busy_watts: None,
            busy_watts_ci95: None,
            idle_watts: None,
            readings: 0,
            fresh_hz: None,
            uncovered_pct: None,
            note: String::new(),
        };
        assert_eq!(derived(energy), ENERGY.join(","));
        let balance = ConservationRow {
            bundle: "b".into(),
            rail: "r".into(),
            inside: None,
            seconds: 0.0,
            integral_joules: 0.0,
            attributed_joules: 0.0,
            other_joules: 0.0,
            idle_joules: 0.0,
            unattributed_joules: 0.0,
            unattributed_pct: None,
            closure_error: 0.0,
            verdict: Verdict::Closed,
        };
        assert_eq!(derived(balance), CONSERVATION.join(","));
        let image = ImageRow {
            bundle: "b".into(),
            network: "n".into(),
            component: "c".into(),
            image: None,
            start_s: 0.0,
            latency_ms: 0.0,
            flops: None,
            bytes_theoretical: None,
        };
        assert_eq!(derived(image), IMAGES.join(","));
        let layer = LayerRow {
            bundle: "b".into(),
            run: None,
            network: "n".into(),
            component: "c".into(),
            layer: "l".into(),
            kind: "conv2d".into(),
            images: 0,
            seconds_per_image: 0.0,
            share_pct: None,
            joules_per_image: None,
            joules_per_image_ci95: None,
            joules_merged: String::new(),
            flops: None,
            bytes_theoretical: None,
            dram_bytes_per_image: None,
            dram_bytes_per_image_ci95: None,
            bytes_merged: String::new(),
            gop_per_s: None,
            oi_theoretical: None,
            oi_empirical: None,
            bound: None,
            roof_fraction: None,
            frequency_mhz: None,
            provenance: Provenance::Measured,
            truth: None,
            note: String::new(),
        };
        assert_eq!(derived(layer), [&LAYERS[..], &LAYERS_END].concat().join(","));
        let kind = LayerKindRow {
            bundle: "b".into(),
            run: None,
            network: "n".into(),
            component: "c".into(),
            kind: "conv2d".into(),
            layers: 0,
            images: 0,
            seconds_per_image: 0.0,
            share_pct: None,
            joules_per_image: None,
            joules_per_image_ci95: None,
            provenance: Provenance::Measured,
        };
        assert_eq!(derived(kind), LAYER_KINDS.join(","));
        let fit = LayerFitRow {
            bundle: "b".into(),
            run: None,
            network: "n".into(),
            component: "c".into(),
            source: "r".into(),
            readings: 0,
            phase_coverage_pct: None,
            layers: 0,
            groups: None,
            condition: None,
            residual: None,
            note: String::new(),
        };
        assert_eq!(derived(fit), LAYER_FITS.join(","));
        let check = CheckRow {
            bundle: "b".into(),
            check: Check::Complete,
            subject: "s".into(),
            outcome: CheckOutcome::Pass,
            detail: String::new(),
        };
        assert_eq!(derived(check), CHECKS.join(","));
    }

    #[test]
    fn an_error_leaves_no_file_behind() {
        let out = tempfile::tempdir().unwrap();
        fs::create_dir(out.path().join("energy.csv.new")).unwrap();
        let error = Analysis::default().write(out.path()).unwrap_err().to_string();
        assert!(error.contains("energy.csv.new"), "{error}");
        assert!(!out.path().join("summary.csv").exists());
        assert!(!out.path().join("summary.csv.new").exists());
    }

    /// docs/tables.md lists each column of each table, with the type it has in Parquet.
    #[test]
    fn every_column_is_documented() {
        use crate::parquet::{Kind, kind};

        let documented = include_str!("../../docs/tables.md");
        let summary = [&SUMMARY[..], &SUMMARY_TRUTH, &SUMMARY_END].concat();
        let layers = [&LAYERS[..], &LAYER_TRUTH, &LAYERS_END].concat();
        let tables: [(&str, &[&str]); 8] = [
            ("summary", &summary),
            ("energy", &ENERGY),
            ("conservation", &CONSERVATION),
            ("images", &IMAGES),
            ("layers", &layers),
            ("layer_kinds", &LAYER_KINDS),
            ("layer_fits", &LAYER_FITS),
            ("compare", &crate::compare::COLUMNS),
        ];
        for (table, columns) in tables {
            let after = documented.split_once(&format!("\n## {table}\n")).unwrap().1;
            let section = after.split("\n#").next().unwrap();
            let lines = section.lines().filter(|line| line.starts_with("| ")).skip(1);
            let found: Vec<(&str, &str)> = lines
                .map(|line| {
                    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
                    (cells[1], cells[2])
                })
                .collect();
            let word = |column: &str| match kind(column) {
                Kind::Text => "text",
                Kind::Integer => "integer",
                Kind::Number => "number",
            };
            let expected: Vec<_> = columns.iter().map(|column| (*column, word(column))).collect();
            assert_eq!(found, expected, "{table}");
        }
    }
}
