//! The result files: CSV that pandas, R or DuckDB read with no help.
//!
//! Each file is written whole under another name first; only when all of them are on disk are
//! they renamed into place. An error leaves earlier results as they were.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use wattline_trace::{create_dir_all_for_invoker, create_file_for_invoker};

use crate::results::{ConservationRow, EnergyRow, ImageRow, SummaryRow};
use crate::{Analysis, AnalysisError};

const SUMMARY: [&str; 12] = [
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
];
const SUMMARY_TRUTH: [&str; 4] = [
    "truth_joules_per_image",
    "energy_error_pct",
    "truth_dram_bytes_per_image",
    "traffic_error_pct",
];
const SUMMARY_END: [&str; 2] = ["bundle", "note"];
const ENERGY: [&str; 15] = [
    "bundle",
    "rail",
    "network",
    "component",
    "role",
    "duration_s",
    "integral_joules",
    "idle_joules",
    "active_joules",
    "active_joules_ci95",
    "idle_watts",
    "readings",
    "fresh_hz",
    "uncovered_pct",
    "note",
];
const CONSERVATION: [&str; 11] = [
    "bundle",
    "rail",
    "inside",
    "seconds",
    "integral_joules",
    "attributed_joules",
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

impl Analysis {
    /// Writes `summary.csv`, `energy.csv`, `conservation.csv` and `images.csv` into `out`, which
    /// is created where it is missing. A cell is empty where its number was refused.
    ///
    /// # Errors
    /// [`AnalysisError::Write`]; no file of an earlier analysis is then half replaced by name.
    pub fn write(&self, out: &Path) -> Result<(), AnalysisError> {
        create_dir_all_for_invoker(out)
            .map_err(|source| AnalysisError::Write { path: out.to_owned(), source })?;
        let truth: &[&str] = if self.check_truth { &SUMMARY_TRUTH } else { &[] };
        let header: Vec<&str> = [&SUMMARY[..], truth, &SUMMARY_END].concat();
        let mut batch = Batch::new(out);
        batch.add("summary.csv", &header, self.summary.iter().map(|row| self.fields(row)))?;
        batch.add::<&EnergyRow>("energy.csv", &ENERGY, self.energy.iter())?;
        batch.add::<&ConservationRow>(
            "conservation.csv",
            &CONSERVATION,
            self.conservation.iter(),
        )?;
        batch.add::<&ImageRow>("images.csv", &IMAGES, self.images.iter())?;
        batch.put_in_place()
    }

    fn fields(&self, row: &SummaryRow) -> Vec<String> {
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
        ];
        if self.check_truth {
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
}

fn cell(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// Files that are written but not in place yet; those are removed when it is dropped.
struct Batch<'a> {
    out: &'a Path,
    /// Where each is, and where it belongs.
    written: Vec<(PathBuf, PathBuf)>,
}

impl<'a> Batch<'a> {
    fn new(out: &'a Path) -> Self {
        Batch { out, written: vec![] }
    }

    fn add<R: Serialize>(
        &mut self,
        name: &str,
        header: &[&str],
        rows: impl Iterator<Item = R>,
    ) -> Result<(), AnalysisError> {
        let place = self.out.join(name);
        let unfinished = self.out.join(format!("{name}.new"));
        let wrong = |source| AnalysisError::Write { path: unfinished.clone(), source };
        let file = create_file_for_invoker(&unfinished).map_err(wrong)?;
        self.written.push((unfinished.clone(), place));
        write_rows(file, header, rows).map_err(wrong)
    }

    fn put_in_place(mut self) -> Result<(), AnalysisError> {
        for (unfinished, place) in self.written.drain(..) {
            fs::rename(&unfinished, &place)
                .map_err(|source| AnalysisError::Write { path: place, source })?;
        }
        Ok(())
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for (unfinished, _) in &self.written {
            // The error that brought us here is the one to report.
            let _ = fs::remove_file(unfinished);
        }
    }
}

fn write_rows<R: Serialize>(
    file: fs::File,
    header: &[&str],
    rows: impl Iterator<Item = R>,
) -> io::Result<()> {
    let mut writer =
        csv::WriterBuilder::new().has_headers(false).from_writer(io::BufWriter::new(file));
    writer.write_record(header)?;
    for row in rows {
        writer.serialize(row)?;
    }
    let mut file = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    file.flush()?;
    file.get_ref().sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{RailRole, Verdict};

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
            duration_s: None,
            integral_joules: None,
            idle_joules: None,
            active_joules: None,
            active_joules_ci95: None,
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
}
