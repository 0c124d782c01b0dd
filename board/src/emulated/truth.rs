//! What the emulated board knows, written to `truth.csv` for tests and `--check-truth` alone.

use wattline_trace::rows::{SpanKind, TruthQuantity, TruthRow};
use wattline_trace::{Name, TableWriter, WriteError};

use super::fluid::{Completion, Spent};
use super::work::Work;

/// Writes the truth of layers, images and runs.
#[derive(Debug)]
pub(super) struct Truth {
    table: TableWriter<TruthRow>,
    rails: Vec<Name>,
    /// Runs in progress, one at most of each component.
    runs: Vec<Run>,
}

/// A run in progress: the sum of its images.
#[derive(Debug)]
struct Run {
    component: Name,
    network: Name,
    spent: Option<Spent>,
}

impl Truth {
    pub(super) fn new(table: TableWriter<TruthRow>, rails: Vec<Name>) -> Self {
        Truth { table, rails, runs: Vec::new() }
    }

    pub(super) fn begin_run(&mut self, component: &str, network: &str) {
        self.runs.retain(|run| run.component != *component);
        let (component, network) = (component.into(), network.into());
        self.runs.push(Run { component, network, spent: None });
    }

    /// Writes an image and its layers, and adds the image to its component's run.
    pub(super) fn image(
        &mut self,
        component: &Name,
        image: u64,
        work: &Work,
        completion: &Completion,
    ) -> Result<(), WriteError> {
        for (layer, spent) in work.layers.iter().zip(&completion.layers) {
            self.write(SpanKind::Layer, component, Some(image), &layer.name, spent)?;
        }
        self.write(SpanKind::Image, component, Some(image), &work.network, &completion.image)?;
        if let Some(run) = self.runs.iter_mut().find(|run| run.component == *component) {
            match &mut run.spent {
                Some(spent) => spent.add(&completion.image),
                none => *none = Some(completion.image.clone()),
            }
        }
        Ok(())
    }

    /// Writes the sum of a run's images, if it had any.
    pub(super) fn end_run(&mut self, component: &str) -> Result<(), WriteError> {
        let Some(index) = self.runs.iter().position(|run| run.component == *component) else {
            return Ok(());
        };
        let Run { component, network, spent } = self.runs.swap_remove(index);
        let Some(spent) = spent else { return Ok(()) };
        self.write(SpanKind::Run, &component, None, &network, &spent)
    }

    fn write(
        &self,
        scope: SpanKind,
        component: &Name,
        image: Option<u64>,
        name: &Name,
        spent: &Spent,
    ) -> Result<(), WriteError> {
        let row = |quantity, subject: &Name, value| TruthRow {
            scope,
            component: component.clone(),
            image,
            name: name.clone(),
            start_ns: spent.start_ns,
            end_ns: spent.end_ns,
            quantity,
            subject: subject.clone(),
            value,
        };
        for (index, rail) in self.rails.iter().enumerate() {
            // A layer touches two or three rails; rows for the others would only say zero.
            if scope != SpanKind::Layer || spent.active_joules[index] > 0.0 {
                let joules = spent.active_joules[index];
                self.table.write(&row(TruthQuantity::ActiveJoules, rail, joules))?;
            }
            if scope != SpanKind::Layer {
                let joules = spent.total_joules[index];
                self.table.write(&row(TruthQuantity::TotalJoules, rail, joules))?;
            }
        }
        self.table.write(&row(TruthQuantity::DramBytes, component, spent.dram_bytes))
    }
}

impl Spent {
    fn add(&mut self, other: &Spent) {
        self.start_ns = self.start_ns.min(other.start_ns);
        self.end_ns = self.end_ns.max(other.end_ns);
        let add = |sums: &mut [f64], joules: &[f64]| {
            sums.iter_mut().zip(joules).for_each(|(sum, joules)| *sum += joules);
        };
        add(&mut self.active_joules, &other.active_joules);
        add(&mut self.total_joules, &other.total_joules);
        self.dram_bytes += other.dram_bytes;
    }
}
