//! What the emulated board knows of a run, from `truth.csv`.

use wattline_trace::BundleReader;
use wattline_trace::rows::{SpanKind, TruthQuantity, TruthRow};

use crate::error::AnalysisError;
use crate::spans::Run;
use crate::table::for_each_row;

/// The truth about runs.
#[derive(Debug)]
pub(crate) struct Truth(Vec<TruthRow>);

impl Truth {
    /// Reads it.
    ///
    /// # Errors
    /// [`AnalysisError::NoTruth`], or if the table is damaged.
    pub(crate) fn read(
        bundle: &BundleReader,
        warnings: &mut Vec<String>,
    ) -> Result<Self, AnalysisError> {
        if !bundle.has::<TruthRow>() {
            return Err(AnalysisError::NoTruth { directory: bundle.directory().to_owned() });
        }
        let mut runs = Vec::new();
        for_each_row::<TruthRow>(bundle, warnings, |_, row, _| {
            if row.scope == SpanKind::Run {
                runs.push(row);
            }
            Ok(())
        })?;
        Ok(Truth(runs))
    }

    /// True active joules of a run on some rails.
    ///
    /// # Errors
    /// What is missing or said twice.
    pub(crate) fn active_joules<'a>(
        &self,
        run: &Run,
        rails: impl Iterator<Item = &'a str>,
    ) -> Result<f64, String> {
        rails.map(|rail| self.value(run, TruthQuantity::ActiveJoules, rail)).sum()
    }

    /// True DRAM bytes of a run.
    ///
    /// # Errors
    /// What is missing or said twice.
    pub(crate) fn dram_bytes(&self, run: &Run) -> Result<f64, String> {
        self.value(run, TruthQuantity::DramBytes, &run.component)
    }

    /// The one value for this network on this component at this time: a network may run on a
    /// component more than once.
    fn value(&self, run: &Run, quantity: TruthQuantity, subject: &str) -> Result<f64, String> {
        let matches = |row: &&TruthRow| {
            row.quantity == quantity
                && row.subject == *subject
                && row.component == run.component
                && row.name == run.network
                && row.start_ns < run.end
                && row.end_ns > run.start
        };
        let mut rows = self.0.iter().filter(matches);
        match (rows.next(), rows.next()) {
            (Some(row), None) => Ok(row.value),
            (None, _) => Err(format!("truth.csv does not know {quantity} of {subject}")),
            (Some(_), Some(_)) => Err(format!("truth.csv knows {quantity} of {subject} twice")),
        }
    }
}
