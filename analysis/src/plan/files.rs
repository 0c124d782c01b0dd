//! The files of a plan.

use std::path::Path;

use super::Plan;
use crate::AnalysisError;
use crate::batch::{Batch, Fault};
use crate::figures::{self, WIDE};

const PLAN: [&str; 10] = [
    "layer",
    "kind",
    "group",
    "frequency_mhz",
    "switches",
    "seconds",
    "joules",
    "joules_ci95",
    "seconds_at_highest",
    "joules_at_highest",
];

impl Plan {
    /// Writes `plan.csv` and `plan.json`, which `wattline run --plan` takes, and under `figures` the
    /// layers against their frequencies.
    ///
    /// # Errors
    /// [`AnalysisError::Write`] and [`AnalysisError::Drawing`].
    pub fn write(&self, out: &Path) -> Result<(), AnalysisError> {
        let mut batch = Batch::new(out)?;
        batch.add("plan.csv", &PLAN, self.layers.iter())?;
        batch.add_with("plan.json", |file| {
            serde_json::to_writer_pretty(&mut *file, self)
                .map_err(|error| Fault::Write(error.into()))?;
            Ok(file.write_all(b"\n")?)
        })?;
        let figure = figures::plan(self);
        let (svg, png) = (figure.svg(WIDE)?, figure.png()?);
        let place = out.join("figures");
        let mut drawn = Batch::new(&place)?;
        drawn.add_with("plan.svg", |file| Ok(file.write_all(svg.as_bytes())?))?;
        drawn.add_with("plan.png", |file| Ok(file.write_all(&png)?))?;
        drawn.put_in_place()?;
        batch.put_in_place()
    }
}
