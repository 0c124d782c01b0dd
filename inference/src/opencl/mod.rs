//! The GPU executor: OpenCL C 1.2 kernels of our own, layer by layer, FP32 or FP16.
//!
//! Everything that does not depend on the image is done when the executor is made: the kernels are
//! built for the device, weights are packed and uploaded, tensors laid out in one block that those
//! share which are not alive together, and every kernel bound to its arguments. A run uploads an
//! image, queues all layers and downloads the result.
//!
//! The library is loaded when it is first asked for ([`OpenClError`] says what to install where
//! there is none). Any device with OpenCL 1.2 will do; see [`devices`] and [`DeviceChoice`]. How
//! kernels are cut to a device's registers, and how work is cut into items, depends on its kind:
//! a CPU, which PoCL makes a device of, runs few long work items one after another on each core,
//! and a GPU many short ones. No kernel uses local memory, which is ordinary memory on Mali and on
//! CPUs.
//!
//! # Arithmetic
//!
//! - **FP32**: sums in FP32, in another order than the reference's.
//! - **FP16** (`cl_khr_fp16`): values and weights between layers are FP16. A convolution sums up to
//!   8 products in FP16 and those sums in FP32; the other layers compute in FP32. A result that is
//!   not finite is an error.
//!
//! # Times
//!
//! An image is its layers, without a gap. The first starts when the image is handed over: bringing it
//! to the device, and turning it from planes to pixels, is the time of the layer that reads it. Each
//! lasts until the end of its own last command by the device's clock (`CL_PROFILING_COMMAND_END`),
//! converted to CLOCK_MONOTONIC: see [`OpenCl::clock_error_ns`]. The device does nothing else in
//! between, so what its driver takes to start a layer's commands (some 10 µs each with PoCL) is the
//! layer's time, as it is on a CPU. The last ends when the result is back. How much of an image is
//! such bringing to and fro is told apart: [`Executor::transfer_ns`]. A layer without commands, such
//! as a concatenation whose parts were written in place, takes none.

mod arguments;
pub mod ceilings;
mod clock;
mod convolution;
mod device;
mod error;
mod layers;
mod library;
mod program;
mod queue;
mod site;

use std::ops::Range;

use opencl3::event::Event;

pub use device::{Device, DeviceChoice, DeviceKind, choose, devices};
pub use error::OpenClError;
pub use library::keep_pocl_threads_apart;
pub(crate) use library::missing;

use crate::clock::monotonic_ns;
use crate::cost::ElementType;
use crate::executor::{Executor, ExecutorError, LayerObserver, check_live};
use crate::graph::{Graph, Layer, Operator, TensorId};
use crate::plan::Plan;
use crate::tensor::Tensor;
use arguments::{Argument, Memory, TensorArgument};
use clock::{DeviceClock, device_times};
use program::{Kernels, MOST_LANES, Tiling};
use queue::{Command, Queue};
use site::Site;

/// The executor's name.
pub const NAME: &str = "opencl";

/// How to run a network.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The device.
    pub device: DeviceChoice,
    /// What values and weights are stored as.
    pub storage: ElementType,
}

/// Runs a network on an OpenCL device.
#[derive(Debug)]
pub struct OpenCl {
    graph: Graph,
    device: Device,
    storage: ElementType,
    steps: Vec<Step>,
    /// Of each tensor, in the order of the graph's.
    passages: Vec<Passage>,
    clock: DeviceClock,
    clock_error_ns: u64,
    transfer_ns: u64,
    // What the commands point to, and what runs them; fields are dropped in this order.
    planes: Memory,
    _arena: Memory,
    _scratch: Memory,
    queue: Queue,
}

/// How a tensor comes in from planes and goes out to them.
#[derive(Debug)]
struct Passage {
    upload: Command,
    download: Command,
}

/// The commands of one layer, and the constants that they read.
#[derive(Debug, Default)]
struct Step {
    commands: Vec<Command>,
    #[expect(dead_code, reason = "kept for the commands, which point to them")]
    constants: Vec<Memory>,
}

impl Step {
    fn of(command: Command) -> Self {
        Self { commands: vec![command], constants: Vec::new() }
    }
}

impl OpenCl {
    /// An executor of `graph` as `options` say.
    ///
    /// It keeps packed copies of the weights on the device, beside the graph's own.
    ///
    /// # Errors
    ///
    /// [`ExecutorError::OpenCl`] when there is no OpenCL, no such device, or the device lacks FP16
    /// or refuses a kernel; other [`ExecutorError`]s when the graph is structure alone or its
    /// weights are beyond FP16.
    pub fn new(graph: &Graph, options: &Options) -> Result<Self, ExecutorError> {
        Self::on(choose(&options.device)?, graph, options.storage)
    }

    fn on(device: Device, graph: &Graph, storage: ElementType) -> Result<Self, ExecutorError> {
        if storage == ElementType::F16 && !device.fp16 {
            return Err(OpenClError::NoFp16 { device: device.to_string() }.into());
        }
        let queue = Queue::new(&device)?;
        let tiling = Tiling::of(&device, storage);
        let kernels = Kernels::build(queue.context(), &device, tiling, storage)?;
        let mut clock = DeviceClock::new(&kernels, &queue)?;

        let plan = Plan::new(graph, MOST_LANES);
        let arena = activations(plan.len, storage, "what lies between layers", &queue)?;
        let scratch = activations(scratch_len(graph), storage, "a padded image", &queue)?;
        let elements = graph.tensors().iter().map(|tensor| tensor.shape.elements());
        let planes_len = elements.max().unwrap_or(0);
        let planes = activations(planes_len, ElementType::F32, "the largest tensor", &queue)?;

        let tensor = |id| {
            let mut placement = plan.placement(id);
            // Room for vectors that start before a tensor.
            placement.offset += MOST_LANES;
            TensorArgument::new(graph.shape(id), placement)
        };
        let site = Site {
            layer: "",
            device: &device,
            queue: &queue,
            kernels: &kernels,
            tiling,
            storage,
            arena: &arena,
            scratch: &scratch,
        };
        let mut steps = Vec::with_capacity(graph.layers().len());
        for layer in graph.layers() {
            let inputs: Vec<_> = layer.inputs.iter().map(|&input| tensor(input)).collect();
            let site = Site { layer: &layer.name, ..site };
            steps.push(layers::step(layer, &inputs, tensor(layer.output), &site)?);
        }
        let passages = (0..graph.tensors().len())
            .map(|id| passage(tensor(TensorId(id)), &planes, &site))
            .collect::<Result<_, _>>()?;
        // Constants have arrived, and the graph's own may go.
        clock.read(&queue)?;
        Ok(Self {
            graph: graph.clone(),
            device,
            storage,
            steps,
            passages,
            clock,
            clock_error_ns: 0,
            transfer_ns: 0,
            planes,
            _arena: arena,
            _scratch: scratch,
            queue,
        })
    }

    /// The device that it runs on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// How far the times of the last image's layers may be off CLOCK_MONOTONIC, ns.
    ///
    /// Now and then, between images, the host reads its clock around a command that does nothing; from
    /// two such readings, each off by at most half of what it took less the time of the command itself,
    /// follows how far off a converted time may be. It is a bound, not an estimate, so long as the
    /// device's stamps are right and its clock runs evenly.
    pub fn clock_error_ns(&self) -> u64 {
        self.clock_error_ns
    }

    /// Runs `layers` from the tensors that are live before them to those after, and tells when the
    /// device had the former, and when each layer's commands had run.
    fn compute<'a>(
        &mut self,
        layers: Range<usize>,
        live: impl Iterator<Item = (TensorId, &'a [f32])>,
        next: impl Iterator<Item = (TensorId, &'a mut [f32])>,
    ) -> Result<Ends, OpenClError> {
        let submitted = self.submit(layers, live, next);
        if submitted.is_err() {
            // What is on its way to the device must stay until it is there; the first error is the
            // one to report.
            let _ = self.queue.finish();
        }
        let Submitted { uploads, layers } = submitted?;
        let end_ns = |events: &Vec<Event>| match events.last() {
            Some(event) => device_times(event).map(|(_, end_ns)| Some(end_ns)),
            None => Ok(None),
        };
        let device_ns = layers.iter().map(end_ns).collect::<Result<Vec<_>, _>>()?;
        let conversion = self.clock.conversion();
        let latest_ns = device_ns.iter().copied().flatten().max();
        self.clock_error_ns = latest_ns.map_or(0, |ns| conversion.error_ns(ns));
        let host_ns = |ns: Option<u64>| ns.map(|ns| conversion.host_ns(ns));
        let uploads = host_ns(end_ns(&uploads)?);
        Ok(Ends { uploads, layers: device_ns.into_iter().map(host_ns).collect() })
    }

    /// Queues everything that a run is made of, and waits for the tensors that come out. Where it
    /// fails, some of that may be queued still.
    fn submit<'a>(
        &mut self,
        layers: Range<usize>,
        live: impl Iterator<Item = (TensorId, &'a [f32])>,
        next: impl Iterator<Item = (TensorId, &'a mut [f32])>,
    ) -> Result<Submitted, OpenClError> {
        let mut uploads = Vec::new();
        for (id, values) in live {
            // SAFETY: `compute` holds the values until the queue has run, and so does this until it
            // has read what comes out, after all else.
            unsafe { self.queue.write(values, &mut self.planes)? };
            uploads.push(self.queue.submit(&self.passages[id.index()].upload)?);
        }
        let submit = |command: &Command| self.queue.submit(command);
        let mut of_layers = Vec::with_capacity(layers.len());
        for step in &self.steps[layers] {
            of_layers.push(step.commands.iter().map(submit).collect::<Result<_, _>>()?);
        }
        for (id, values) in next {
            self.queue.submit(&self.passages[id.index()].download)?;
            self.queue.flush()?;
            self.queue.read(&self.planes, values)?;
        }
        Ok(Submitted { uploads, layers: of_layers })
    }
}

/// What was queued of a run: the events of each command.
#[derive(Debug)]
struct Submitted {
    uploads: Vec<Event>,
    /// Of each layer.
    layers: Vec<Vec<Event>>,
}

/// The commands that bring `tensor` in from `planes`, and out.
fn passage(
    tensor: TensorArgument,
    planes: &Memory,
    site: &Site<'_>,
) -> Result<Passage, ExecutorError> {
    let (pixels, planes) = (Argument::Memory(site.arena), Argument::Memory(planes));
    let (share, range) = site.spread(tensor);
    let upload =
        site.command("to_pixels", &[planes, pixels, Argument::Tensor(tensor), share], range)?;
    let download = [pixels, Argument::Tensor(tensor), planes, share];
    Ok(Passage { upload, download: site.command("to_planes", &download, range)? })
}

/// When what was queued had run, by the host's clock; nothing of what was no command.
#[derive(Debug)]
struct Ends {
    uploads: Option<u64>,
    layers: Vec<Option<u64>>,
}

impl Executor for OpenCl {
    fn name(&self) -> &str {
        NAME
    }

    fn clock_error_ns(&self) -> u64 {
        self.clock_error_ns
    }

    fn transfer_ns(&self) -> u64 {
        self.transfer_ns
    }

    fn graph(&self) -> &Graph {
        &self.graph
    }

    fn between_images(&mut self) -> Result<(), ExecutorError> {
        Ok(self.clock.keep_recent(&self.queue)?)
    }

    fn run_layers(
        &mut self,
        layers: Range<usize>,
        live: &[Tensor],
        observer: &mut dyn LayerObserver,
    ) -> Result<Vec<Tensor>, ExecutorError> {
        let run_start_ns = monotonic_ns();
        let ids = check_live(&self.graph, &layers, live)?;
        let next = self.graph.live_before(layers.end);
        let room = |id: &TensorId| vec![0.0; self.graph.shape(*id).elements()];
        let mut values: Vec<_> = next.iter().map(room).collect();
        let live = ids.into_iter().zip(live.iter().map(Tensor::values));
        let results = next.iter().copied().zip(values.iter_mut().map(Vec::as_mut_slice));
        let ends = self.compute(layers.clone(), live, results)?;
        if values.iter().flatten().any(|value| !value.is_finite()) {
            let last = &self.graph.layers()[layers.end.saturating_sub(1)];
            let layer = last.name.clone();
            return Err(match self.storage {
                ElementType::F16 => ExecutorError::BeyondFp16 { what: "outputs", layer },
                ElementType::F32 => ExecutorError::NonFiniteOutput { layer },
            });
        }
        let tensor = |(id, values)| Tensor::of_checked(self.graph.shape(id), values);
        let results = next.into_iter().zip(values).map(tensor).collect();
        let run_end_ns = monotonic_ns();
        // What the conversion may be off must not put layers out of order or out of the run.
        let within = |ns: u64, earliest_ns| ns.clamp(earliest_ns, run_end_ns);
        let uploaded_ns = within(ends.uploads.unwrap_or(run_start_ns), run_start_ns);
        let mut start_ns = run_start_ns;
        let mut computed_ns = uploaded_ns;
        for (index, end_ns) in layers.clone().zip(ends.layers) {
            computed_ns = within(end_ns.unwrap_or(start_ns), start_ns);
            let end_ns = if index + 1 == layers.end { run_end_ns } else { computed_ns };
            observer.layer(index, start_ns, end_ns);
            start_ns = end_ns;
        }
        self.transfer_ns = (uploaded_ns - run_start_ns) + (run_end_ns - computed_ns);
        Ok(results)
    }
}

/// Values that some layer needs for itself alone.
fn scratch_len(graph: &Graph) -> usize {
    let len = |layer: &Layer| match &layer.operator {
        Operator::Conv2d(conv) => convolution::scratch_len(conv, graph.shape(layer.inputs[0])),
        _ => 0,
    };
    graph.layers().iter().map(len).max().unwrap_or(0)
}

/// Memory for `len` values between layers of `storage`, with room for vectors on either side.
fn activations(
    len: usize,
    storage: ElementType,
    what: &str,
    queue: &Queue,
) -> Result<Memory, OpenClError> {
    let len = len + 2 * MOST_LANES;
    if i32::try_from(len).is_err() {
        return Err(OpenClError::TooLarge { what: what.to_owned() });
    }
    queue.memory(len * storage.bytes() as usize)
}

/// The device that tests run on. Where there is none they say so and are skipped, but for CI,
/// where that is a failure.
#[cfg(test)]
fn test_device() -> Option<Device> {
    match choose(&DeviceChoice::Best) {
        Ok(device) => Some(device),
        Err(error) if std::env::var_os("CI").is_some() => panic!("in CI: {error}"),
        Err(error) => {
            eprintln!("SKIPPED, nothing was tested: {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor;
    use crate::{synthetic_image, zoo};

    /// What a GPU is given, its tiles and its many short work items, computed by whatever device
    /// is here.
    #[test]
    fn the_way_of_a_gpu_gives_the_same_results() {
        let Some(device) = test_device() else { return };
        let device = Device { kind: DeviceKind::Gpu, ..device };
        for (name, side) in [("alexnet", 83), ("googlenet", 64), ("mobilenet", 64)] {
            let graph = zoo::graph_at(name, side, 1).unwrap();
            let image = synthetic_image(graph.input_shape(), 5, 0).unwrap();
            let mut reference = executor::open("reference", &graph, 1).unwrap();
            let expected = reference.run(&image, &mut ()).unwrap();
            let mut opencl = OpenCl::on(device.clone(), &graph, ElementType::F32).unwrap();
            let actual = opencl.run(&image, &mut ()).unwrap();
            let largest = expected.values().iter().copied().fold(0.0, f32::max);
            for (actual, expected) in actual.values().iter().zip(expected.values()) {
                assert!((actual - expected).abs() <= 1e-4 * largest, "{name}");
            }
        }
    }
}
