//! What the emulated board knows of runs and their layers, from `truth.csv`.

use std::collections::HashMap;

use wattline_trace::rows::{SpanKind, TruthQuantity, TruthRow};
use wattline_trace::{BundleReader, Name};

use crate::error::AnalysisError;
use crate::layers::times::{RunTimes, Times};
use crate::spans::Run;
use crate::table::for_each_row;

/// The truth about runs and their layers.
#[derive(Debug)]
pub(crate) struct Truth {
    runs: Vec<TruthRow>,
    /// By run's span, layer and subject (a rail, or for DRAM bytes the component): the sum over
    /// images.
    layers: HashMap<(u64, usize, Name), f64>,
}

impl Truth {
    /// Reads it.
    ///
    /// # Errors
    /// [`AnalysisError::NoTruth`], or if the table is damaged.
    pub(crate) fn read(
        bundle: &BundleReader,
        times: &Times,
        warnings: &mut Vec<String>,
    ) -> Result<Self, AnalysisError> {
        if !bundle.has::<TruthRow>() {
            return Err(AnalysisError::NoTruth { directory: bundle.directory().to_owned() });
        }
        let mut truth = Truth { runs: Vec::new(), layers: HashMap::new() };
        for_each_row::<TruthRow>(bundle, warnings, |_, row, _| {
            match row.scope {
                SpanKind::Run => truth.runs.push(row.clone()),
                SpanKind::Layer => truth.add_layer(times, row),
                SpanKind::Image | SpanKind::Preparation => {}
            }
            Ok(())
        })?;
        Ok(truth)
    }

    fn add_layer(&mut self, times: &Times, row: &TruthRow) {
        let place = times.runs.iter().find_map(|run| {
            let layer = (run.component == row.component).then(|| run.layer_at(row.start_ns));
            run.run.zip(layer.flatten())
        });
        if let (Some((run, layer)), true) = (place, row.quantity != TruthQuantity::TotalJoules) {
            *self.layers.entry((run, layer, row.subject.clone())).or_default() += row.value;
        }
    }

    /// True active joules of a layer on some rails, and its DRAM bytes, over all images; none
    /// where nothing is known of it.
    pub(crate) fn layer<'a>(
        &self,
        times: &RunTimes,
        layer: usize,
        rails: impl Iterator<Item = &'a str>,
    ) -> Option<(f64, f64)> {
        let run = times.run?;
        let of = |subject: &str| self.layers.get(&(run, layer, subject.into())).copied();
        let bytes = of(&times.component)?;
        // The board writes no row where it would say zero.
        Some((rails.map(|rail| of(rail).unwrap_or(0.0)).sum(), bytes))
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
        let mut rows = self.runs.iter().filter(matches);
        match (rows.next(), rows.next()) {
            (Some(row), None) => Ok(row.value),
            (None, _) => Err(format!("truth.csv does not know {quantity} of {subject}")),
            (Some(_), Some(_)) => Err(format!("truth.csv knows {quantity} of {subject} twice")),
        }
    }
}
