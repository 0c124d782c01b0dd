//! The kernels, built for a device.

use opencl3::context::Context;
use opencl3::kernel::Kernel;
use opencl3::program::Program;

use super::device::{Device, DeviceKind};
use super::error::OpenClError;
use crate::cost::ElementType;

/// The kernels' sources, the one that the others stand on first.
const SOURCES: [&str; 11] = [
    include_str!("kernels/types.cl"),
    include_str!("kernels/image.cl"),
    include_str!("kernels/padding.cl"),
    include_str!("kernels/convolution.cl"),
    include_str!("kernels/depthwise.cl"),
    include_str!("kernels/dense.cl"),
    include_str!("kernels/pooling.cl"),
    include_str!("kernels/normalisation.cl"),
    include_str!("kernels/pointwise.cl"),
    include_str!("kernels/softmax.cl"),
    include_str!("kernels/tick.cl"),
];

/// The most lanes that any tiling has.
pub(super) const MOST_LANES: usize = 16;

/// How kernels are cut to a device's registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tiling {
    /// Channels in a vector.
    pub(super) lanes: usize,
    /// Pixels in a convolution's tile of `pixels` × `lanes` sums.
    pub(super) pixels: usize,
    /// Terms of a convolution's sum that are read at once.
    depth: usize,
}

impl Tiling {
    /// What suits `device`.
    pub(super) fn of(device: &Device, storage: ElementType) -> Self {
        match (device.kind, device.vector_width) {
            // AVX-512: 8 vector registers of sums hide the latency of two multiply-add units.
            (DeviceKind::Cpu, 16..) => Self { lanes: 16, pixels: 8, depth: 1 },
            // AVX2: 12 of 16 registers hold sums, 2 weights, 1 the pixel's value.
            (DeviceKind::Cpu, 8..) => Self { lanes: 16, pixels: 6, depth: 1 },
            // NEON has 32 registers on arm64 and 16 on armv7; SSE has 16.
            (DeviceKind::Cpu, _) => Self { lanes: 8, pixels: 6, depth: 1 },
            // Mali's registers are of 128 bits and memory is best read in as many; there is no
            // local memory to stage tiles in.
            _ if storage == ElementType::F16 => Self { lanes: 8, pixels: 4, depth: 4 },
            _ => Self { lanes: 4, pixels: 4, depth: 4 },
        }
    }

    /// The compiler's options.
    fn options(self, storage: ElementType) -> String {
        let Self { lanes, pixels, depth } = self;
        let real = match storage {
            ElementType::F16 => "-DREAL=half -DHALF",
            _ => "-DREAL=float",
        };
        format!(
            "-cl-std=CL1.2 -cl-mad-enable -w {real} -DLANES={lanes} -DPIXELS={pixels} -DDEPTH={depth}"
        )
    }
}

/// wattline's kernels, built for one device.
#[derive(Debug)]
pub(super) struct Kernels {
    program: Program,
}

impl Kernels {
    pub(super) fn build(
        context: &Context,
        device: &Device,
        tiling: Tiling,
        storage: ElementType,
    ) -> Result<Self, OpenClError> {
        // One source: cl3 0.13 hands several over in a layout that C does not have.
        Self::of(context, device, &SOURCES.concat(), &tiling.options(storage))
    }

    /// The kernels of `source`, built with `options`.
    pub(super) fn of(
        context: &Context,
        device: &Device,
        source: &str,
        options: &str,
    ) -> Result<Self, OpenClError> {
        build(context, device, source, options).map(|program| Self { program })
    }

    /// A kernel of its own, to bind arguments to.
    pub(super) fn kernel(&self, name: &str, layer: &str) -> Result<Kernel, OpenClError> {
        let on = format!(" for kernel `{name}` of layer `{layer}`");
        Kernel::create(&self.program, name).map_err(OpenClError::call("clCreateKernel", &on))
    }
}

fn build(
    context: &Context,
    device: &Device,
    source: &str,
    options: &str,
) -> Result<Program, OpenClError> {
    let on = format!(" on {device}");
    let mut program = Program::create_from_source(context, source)
        .map_err(OpenClError::call("clCreateProgramWithSource", &on))?;
    match program.build(&[device.handle.id()], options) {
        Ok(()) => Ok(program),
        Err(status) => Err(OpenClError::KernelBuild {
            device: format!("{device}, driver {}", device.driver_version),
            options: options.to_owned(),
            status: status.to_string(),
            log: program
                .get_build_log(device.handle.id())
                .unwrap_or_else(|error| format!("(no log: {error})"))
                .trim()
                .to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opencl::test_device;

    #[test]
    fn a_kernel_that_does_not_build_says_where_and_why() {
        let Some(device) = test_device() else { return };
        let context = Context::from_device(&device.handle).unwrap();
        let broken = "kernel void broken(global float *values) { values[0] = nonsense; }";
        let error = build(&context, &device, broken, "-cl-std=CL1.2").unwrap_err().to_string();
        for part in [&device.name, &device.driver_version, "`-cl-std=CL1.2`", "nonsense"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
