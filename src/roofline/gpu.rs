//! Ceilings of a GPU, measured by its OpenCL device's own clock.

use anyhow::{Result, bail};
use wattline_board::Roots;
use wattline_board::description::Component;
use wattline_board::detect;
use wattline_inference::cost::ElementType;
use wattline_inference::opencl::{self, Device, DeviceChoice, DeviceKind, ceilings};
use wattline_inference::roofline::{Kernel, Repeats};

use super::measured::{Arithmetic, Measurement, Value};
use crate::target::Target;

/// The device that the GPU of a board is, or why there is none, in words. Only on a machine that
/// nobody has described may a CPU take its place.
pub(super) fn device(target: &Target) -> Result<Device, String> {
    let device = opencl::choose(&DeviceChoice::Best).map_err(|error| error.to_string())?;
    if device.kind == DeviceKind::Cpu && !target.is_host() {
        return Err(format!(
            "OpenCL has only {device} here, which is no GPU of {}; install the GPU's OpenCL driver",
            target.description.name
        ));
    }
    Ok(device)
}

/// How many values of `device` are measured.
pub(super) fn values(device: &Device) -> usize {
    Kernel::ALL.len() + 1 + usize::from(device.fp16)
}

pub(super) fn measure(
    target: &Target,
    gpu: &Component,
    device: &Device,
    repeats: Repeats,
    step: &mut dyn FnMut(),
) -> Result<Measurement> {
    // A CPU as a device has the CPUs' caches.
    let cpus = match device.kind {
        DeviceKind::Cpu => detect::online_cpus(&Roots::machine()),
        _ => gpu.cpus.clone(),
    };
    let array_bytes = target.beyond_caches(&cpus).max(4 * device.cache_bytes);
    let fp32 = ceilings::peak(device, ElementType::F32, repeats, step)?;
    let fp16 = match device.fp16 {
        true => ceilings::peak(device, ElementType::F16, repeats, step)?,
        false => None,
    };
    let bandwidth = ceilings::bandwidth(device, array_bytes, repeats, step)?;
    let Some((fp32, chains)) = fp32 else {
        bail!("{}: {device} ran none of the kernels", gpu.name());
    };
    let arithmetic = Arithmetic {
        instructions: format!("OpenCL mad, {} × float{}", chains.count, chains.lanes),
        is_peak: true,
        fp32,
        fp16_gflop_per_s: fp16.map(|(measured, _)| Value::of(measured)),
    };
    let measurement = Measurement::new(gpu, arithmetic, &bandwidth, repeats)?;
    Ok(Measurement { device: Some(device.to_string()), ..measurement })
}

/// What a reader of the numbers has to know of `device`.
pub(super) fn doubts(component: &str, device: &Device) -> Vec<String> {
    let mut doubts = Vec::new();
    if device.kind == DeviceKind::Cpu {
        doubts.push(format!(
            "{component} is {device}: a CPU device, so these are the CPUs' ceilings through OpenCL"
        ));
    }
    if !device.fp16 {
        doubts.push(format!("{component}: FP16 not measured: {device} has none (cl_khr_fp16)"));
    }
    doubts
}
