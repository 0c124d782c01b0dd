//! Ceilings of this machine's CPU clusters, measured.

use anyhow::{Result, bail};
use serde::Serialize;
use wattline_board::description::{Component, ComponentKind};
use wattline_inference::roofline::{self, Kernel, Measured, Repeats};
use wattline_trace::Provenance;

use super::rows::Row;
use super::{Args, Findings};
use crate::progress;
use crate::table::table;
use crate::target::{Target, check_online};

/// What was measured of a component.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Measurement {
    pub(super) component: String,
    pub(super) cpus: Vec<u32>,
    /// The instructions that the peak was measured with.
    pub(super) instructions: &'static str,
    /// Whether those are the fastest the cores have; if not, the peak is a lower bound.
    pub(super) is_peak: bool,
    pub(super) fp32_gflop_per_s: Value,
    pub(super) read_gb_per_s: Value,
    pub(super) write_gb_per_s: Value,
    pub(super) copy_gb_per_s: Value,
    /// The largest of the three, and which it is.
    pub(super) bandwidth_gb_per_s: f64,
    pub(super) bandwidth_of: &'static str,
    /// Where peak and bandwidth meet.
    pub(super) ridge_flop_per_byte: f64,
    /// Bytes that all cores together went through.
    pub(super) array_bytes: u64,
    pub(super) repeats: usize,
    pub(super) provenance: Provenance,
}

/// A median and its spread.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Value {
    pub(super) median: f64,
    pub(super) spread_pct: f64,
}

impl Value {
    fn of(measured: Measured) -> Self {
        Value { median: 1e-9 * measured.median, spread_pct: 100.0 * measured.spread }
    }

    fn is_quiet(&self) -> bool {
        self.spread_pct <= 100.0 * Measured::QUIET
    }

    fn cell(&self) -> String {
        format!("{:.2} ± {:.1} %", self.median, 0.5 * self.spread_pct)
    }
}

/// Measures every CPU cluster of `components`; of others says why not.
pub(super) fn find(
    args: &Args,
    target: &Target,
    components: &[&Component],
    found: &mut Findings,
) -> Result<()> {
    let mut clusters = Vec::new();
    for component in components {
        match component.kind {
            ComponentKind::Cpu => {
                check_online(component)?;
                clusters.push(*component);
            }
            kind => found.missing.push(format!(
                "{}: not measured: there is no kernel for a {} of a real board yet; its description stands",
                component.name(),
                kind.as_str()
            )),
        }
    }
    if clusters.is_empty() && found.modelled.is_empty() {
        bail!("nothing to measure: {}", found.missing.join("; "));
    }
    if clusters.is_empty() {
        return Ok(());
    }
    let repeats = if args.quick { Repeats::QUICK } else { Repeats::THOROUGH };
    let steps = clusters.len() * repeats.count * (Kernel::ALL.len() + 1);
    let bar = progress::bar("measuring", steps as u64);
    for cluster in clusters {
        bar.set_message(cluster.name().to_owned());
        let step = &mut || bar.inc(1);
        found.measured.push(measure(target, cluster, repeats, step)?);
    }
    bar.finish_and_clear();
    for measurement in &found.measured {
        found.missing.extend(measurement.doubts());
    }
    if args.quick {
        found
            .missing
            .push("--quick: few and short repeats; measure without it to keep the numbers".into());
    }
    Ok(())
}

fn measure(
    target: &Target,
    cluster: &Component,
    repeats: Repeats,
    step: &mut dyn FnMut(),
) -> Result<Measurement> {
    let cpus = &cluster.cpus;
    let arithmetic = roofline::arithmetic();
    let peak = roofline::peak(cpus, arithmetic, repeats, step)?;
    let bandwidth = roofline::bandwidth(cpus, target.beyond_caches(cpus), repeats, step)?;
    let of = |kernel| bandwidth.bytes_per_s.iter().find(|it| it.0 == kernel).map(|it| it.1);
    let (Some(peak), Some((best, most)), Some(read), Some(write), Some(copy)) =
        (peak, bandwidth.best(), of(Kernel::Read), of(Kernel::Write), of(Kernel::Copy))
    else {
        bail!("{}: nothing was measured", cluster.name());
    };
    Ok(Measurement {
        component: cluster.name().to_owned(),
        cpus: cpus.clone(),
        instructions: arithmetic.name,
        is_peak: arithmetic.is_peak,
        fp32_gflop_per_s: Value::of(peak),
        read_gb_per_s: Value::of(read),
        write_gb_per_s: Value::of(write),
        copy_gb_per_s: Value::of(copy),
        bandwidth_gb_per_s: 1e-9 * most.median,
        bandwidth_of: best.as_str(),
        ridge_flop_per_byte: peak.median / most.median,
        array_bytes: bandwidth.array_bytes,
        repeats: repeats.count,
        provenance: Provenance::Measured,
    })
}

impl Measurement {
    fn values(&self) -> [(&'static str, Value); 4] {
        [
            ("peak fp32", self.fp32_gflop_per_s),
            ("bandwidth read", self.read_gb_per_s),
            ("bandwidth write", self.write_gb_per_s),
            ("bandwidth copy", self.copy_gb_per_s),
        ]
    }

    /// Why the numbers may not be what they seem.
    fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        for (what, value) in self.values().iter().filter(|(_, value)| !value.is_quiet()) {
            doubts.push(format!(
                "{}: {what} is uncertain by {:.1} %: something else runs here, or clocks change; \
                 stop it, fix the governor, and measure again",
                self.component, value.spread_pct
            ));
        }
        if !self.is_peak {
            doubts.push(format!(
                "{}: no fused multiply-add of this CPU is known: its peak was measured in {} and is a \
                 lower bound",
                self.component, self.instructions
            ));
        }
        doubts
    }

    /// Its rows of `roofline.csv`.
    pub(super) fn rows(&self) -> Vec<Row> {
        let row = |(name, value): &(&'static str, Value)| {
            let ceiling = Row::ceiling(&self.component, (*name).to_owned(), self.provenance);
            let spread_pct = Some(value.spread_pct);
            if name.starts_with("peak") {
                return Row { gflop_per_s: Some(value.median), spread_pct, ..ceiling };
            }
            let ridge = self.fp32_gflop_per_s.median / value.median;
            let (gb_per_s, oi_theoretical) = (Some(value.median), Some(ridge));
            Row { gb_per_s, oi_theoretical, spread_pct, ..ceiling }
        };
        self.values().iter().map(row).collect()
    }
}

/// The table; nothing if nothing was measured.
pub(super) fn human(measured: &[Measurement]) -> String {
    let Some(first) = measured.first() else { return String::new() };
    let mut table = table(
        [
            "component",
            "CPUs",
            "arithmetic",
            "FP32 GFLOP/s",
            "read GB/s",
            "write GB/s",
            "copy GB/s",
            "ridge flop/B",
            "arrays MB",
            "provenance",
        ],
        3,
    );
    for it in measured {
        let cpus: Vec<_> = it.cpus.iter().map(u32::to_string).collect();
        table.add_row([
            it.component.clone(),
            cpus.join(","),
            it.instructions.to_owned(),
            it.fp32_gflop_per_s.cell(),
            it.read_gb_per_s.cell(),
            it.write_gb_per_s.cell(),
            it.copy_gb_per_s.cell(),
            format!("{:.2}", it.ridge_flop_per_byte),
            format!("{:.0}", 1e-6 * it.array_bytes as f64),
            it.provenance.to_string(),
        ]);
    }
    format!(
        "\n{table}\n\nMedian of {} repeats and its 95 % interval; a copy counts what it reads and what it \
         writes. The ridge point is that of the largest bandwidth.\n",
        first.repeats
    )
}
