//! Ceilings of this machine's CPU clusters and GPUs, measured.

use anyhow::{Result, bail};
use serde::Serialize;
use wattline_board::description::{Component, ComponentKind};
use wattline_inference::opencl::Device;
use wattline_inference::roofline::{self, Bandwidth, Kernel, Measured, Repeats};
use wattline_trace::Provenance;

use super::rows::Row;
use super::{Args, Findings, gpu};
use crate::progress;
use crate::table::table;
use crate::target::{Target, check_online};

/// What was measured of a component.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Measurement {
    pub(super) component: String,
    /// Its CPUs; none of a GPU.
    pub(super) cpus: Vec<u32>,
    /// The OpenCL device that a GPU was measured on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) device: Option<String>,
    /// The instructions that the peak was measured with.
    pub(super) instructions: String,
    /// Whether those are the fastest the cores have; if not, the peak is a lower bound.
    pub(super) is_peak: bool,
    pub(super) fp32_gflop_per_s: Value,
    /// Of a device that computes in FP16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fp16_gflop_per_s: Option<Value>,
    pub(super) read_gb_per_s: Value,
    pub(super) write_gb_per_s: Value,
    pub(super) copy_gb_per_s: Value,
    /// The largest of the three, and which it is.
    pub(super) bandwidth_gb_per_s: f64,
    pub(super) bandwidth_of: &'static str,
    /// Where peak and bandwidth meet.
    pub(super) ridge_flop_per_byte: f64,
    /// Bytes of an array, of all cores together; of a GPU, of a buffer.
    pub(super) array_bytes: u64,
    pub(super) repeats: usize,
    pub(super) provenance: Provenance,
}

/// The best of the repeats, and how far below it their median lies.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Value {
    pub(super) best: f64,
    pub(super) spread_pct: f64,
}

impl Value {
    pub(super) fn of(measured: Measured) -> Self {
        Value { best: 1e-9 * measured.best, spread_pct: 100.0 * measured.spread }
    }

    fn is_quiet(&self) -> bool {
        self.spread_pct <= 100.0 * Measured::QUIET
    }

    fn cell(self) -> String {
        format!("{:.2} −{:.1} %", self.best, self.spread_pct)
    }
}

/// The peak of a component, and what it was measured with.
pub(super) struct Arithmetic {
    pub(super) instructions: String,
    pub(super) is_peak: bool,
    /// FLOP/s.
    pub(super) fp32: Measured,
    pub(super) fp16_gflop_per_s: Option<Value>,
}

/// Something that kernels run on.
enum Subject<'a> {
    Cluster(&'a Component),
    Gpu(&'a Component, Device),
}

/// Measures every CPU cluster and GPU of `components`; of others says why not.
pub(super) fn find(
    args: &Args,
    target: &Target,
    components: &[&Component],
    found: &mut Findings,
) -> Result<()> {
    let mut subjects = Vec::new();
    let mut leave_out = |component: &Component, why: &str| {
        let name = component.name();
        found.missing.push(format!("{name}: not measured: {why}; its description stands"));
    };
    for component in components {
        match component.kind {
            ComponentKind::Cpu => {
                check_online(component)?;
                subjects.push(Subject::Cluster(component));
            }
            ComponentKind::Gpu => match gpu::device(target) {
                Ok(device) => subjects.push(Subject::Gpu(component, device)),
                Err(why) => leave_out(component, &why),
            },
            kind => leave_out(component, &format!("there is no kernel for a {}", kind.as_str())),
        }
    }
    if subjects.is_empty() && found.modelled.is_empty() {
        bail!("nothing to measure: {}", found.missing.join("; "));
    }
    if subjects.is_empty() {
        return Ok(());
    }
    let repeats = if args.quick { Repeats::QUICK } else { Repeats::THOROUGH };
    let values = subjects.iter().map(Subject::values).sum::<usize>();
    let bar = progress::bar("measuring", (repeats.count * values) as u64);
    for subject in &subjects {
        bar.set_message(subject.component().name().to_owned());
        let step = &mut || bar.inc(1);
        found.measured.push(match subject {
            Subject::Cluster(cluster) => measure(target, cluster, repeats, step)?,
            Subject::Gpu(component, device) => {
                found.missing.extend(gpu::doubts(component.name(), device));
                gpu::measure(target, component, device, repeats, step)?
            }
        });
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

impl Subject<'_> {
    fn component(&self) -> &Component {
        match self {
            Subject::Cluster(component) | Subject::Gpu(component, _) => component,
        }
    }

    /// How many values are measured of it.
    fn values(&self) -> usize {
        match self {
            Subject::Cluster(_) => Kernel::ALL.len() + 1,
            Subject::Gpu(_, device) => gpu::values(device),
        }
    }
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
    let Some(fp32) = peak else { bail!("{}: nothing was measured", cluster.name()) };
    let arithmetic = Arithmetic {
        instructions: arithmetic.name.to_owned(),
        is_peak: arithmetic.is_peak,
        fp32,
        fp16_gflop_per_s: None,
    };
    Measurement::new(cluster, arithmetic, &bandwidth, repeats)
}

impl Measurement {
    /// What was measured of `component`.
    pub(super) fn new(
        component: &Component,
        arithmetic: Arithmetic,
        bandwidth: &Bandwidth,
        repeats: Repeats,
    ) -> Result<Self> {
        let of = |kernel| bandwidth.bytes_per_s.iter().find(|it| it.0 == kernel).map(|it| it.1);
        let (Some((best, most)), Some(read), Some(write), Some(copy)) =
            (bandwidth.best(), of(Kernel::Read), of(Kernel::Write), of(Kernel::Copy))
        else {
            bail!("{}: nothing was measured", component.name());
        };
        Ok(Measurement {
            component: component.name().to_owned(),
            cpus: component.cpus.clone(),
            device: None,
            instructions: arithmetic.instructions,
            is_peak: arithmetic.is_peak,
            fp32_gflop_per_s: Value::of(arithmetic.fp32),
            fp16_gflop_per_s: arithmetic.fp16_gflop_per_s,
            read_gb_per_s: Value::of(read),
            write_gb_per_s: Value::of(write),
            copy_gb_per_s: Value::of(copy),
            bandwidth_gb_per_s: 1e-9 * most.best,
            bandwidth_of: best.as_str(),
            ridge_flop_per_byte: arithmetic.fp32.best / most.best,
            array_bytes: bandwidth.array_bytes,
            repeats: repeats.count,
            provenance: Provenance::Measured,
        })
    }

    fn values(&self) -> Vec<(&'static str, Value)> {
        let fp16 = self.fp16_gflop_per_s.map(|value| ("peak fp16", value));
        let fp32 = [("peak fp32", self.fp32_gflop_per_s)];
        let bandwidths = [
            ("bandwidth read", self.read_gb_per_s),
            ("bandwidth write", self.write_gb_per_s),
            ("bandwidth copy", self.copy_gb_per_s),
        ];
        fp32.into_iter().chain(fp16).chain(bandwidths).collect()
    }

    /// What it was measured on, where the component's name does not say that.
    pub(super) fn measured_on(&self) -> &str {
        self.device.as_deref().unwrap_or("all cores")
    }

    /// Why the numbers may not be what they seem.
    fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        for (what, value) in self.values().iter().filter(|(_, value)| !value.is_quiet()) {
            doubts.push(format!(
                "{}: {what}: half of the repeats or more fell {:.1} % short of the best: something \
                 else runs here, or clocks change; stop it, fix the governor, and measure again",
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
                return Row { gflop_per_s: Some(value.best), spread_pct, ..ceiling };
            }
            let ridge = self.fp32_gflop_per_s.best / value.best;
            let (gb_per_s, oi_theoretical) = (Some(value.best), Some(ridge));
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
            "FP16 GFLOP/s",
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
            if cpus.is_empty() { "–".to_owned() } else { cpus.join(",") },
            it.instructions.clone(),
            it.fp32_gflop_per_s.cell(),
            it.fp16_gflop_per_s.map_or("–".to_owned(), Value::cell),
            it.read_gb_per_s.cell(),
            it.write_gb_per_s.cell(),
            it.copy_gb_per_s.cell(),
            format!("{:.2}", it.ridge_flop_per_byte),
            format!("{:.0}", 1e-6 * it.array_bytes as f64),
            it.provenance.to_string(),
        ]);
    }
    let devices = measured.iter().filter_map(|it| it.device.as_ref().zip(Some(&it.component)));
    let devices: String = devices.map(|(device, name)| format!("{name} is {device}.\n")).collect();
    format!(
        "\n{table}\n\n{devices}Best of {} repeats, and how far their median lies below it; a copy counts what it \
         reads and what it writes. The ridge point is that of the largest bandwidth.\n",
        first.repeats
    )
}
