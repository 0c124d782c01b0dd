//! What runs a network, and what watches it run.

use std::ops::Range;

use crate::cost::ElementType;
use crate::graph::{Graph, Shape, TensorId, Weights};
use crate::opencl::{self, OpenCl, OpenClError};
use crate::reference::Reference;
use crate::tensor::Tensor;

/// Why an executor could not be made, or could not run an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutorError {
    /// The image is of another shape than the network takes.
    #[error("the network takes an image of {expected}, and was given {actual}")]
    InputShape {
        /// What the network takes.
        expected: Shape,
        /// What it was given.
        actual: Shape,
    },
    /// The image holds infinity or NaN.
    #[error(
        "the image's value {index} (in channel, row, column order) is {value}, not a finite number"
    )]
    NonFiniteInput {
        /// Position of the first such value.
        index: usize,
        /// The value.
        value: f32,
    },
    /// What was handed over is not what these layers go on from.
    #[error("layers {} to {} of {of} go on from {expected} tensors, and were handed {actual}", layers.start, layers.end)]
    Handover {
        /// The layers asked for.
        layers: Range<usize>,
        /// How many the network has.
        of: usize,
        /// How many tensors are live before the first of them.
        expected: usize,
        /// How many there were.
        actual: usize,
    },
    /// The graph is structure alone.
    #[error(
        "layer `{layer}` has no weights: the graph was built for its structure only; open the model instead"
    )]
    AbsentWeights {
        /// The layer's name.
        layer: String,
    },
    /// There is no executor of that name.
    #[error("there is no executor `{name}`; there are {}", names().join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
    },
    /// The executor was not built in.
    #[error("this program was built without `{name}`: {reason}")]
    Unavailable {
        /// The executor's name.
        name: &'static str,
        /// Why, and what to do about it.
        reason: &'static str,
    },
    /// What the executor stands for does not support an operator.
    #[error(
        "not supported: layer `{layer}` is a {operator}, which `{executor}` refuses; \
         run the network on another component"
    )]
    Refused {
        /// The executor's name.
        executor: &'static str,
        /// The layer's name.
        layer: String,
        /// Its operator.
        operator: &'static str,
    },
    /// A value does not fit the type that values are stored in.
    #[error("{what} of layer `{layer}` exceed what FP16 can hold, ±65504; run the network in FP32")]
    BeyondFp16 {
        /// Weights, input or output.
        what: &'static str,
        /// The layer's name.
        layer: String,
    },
    /// The result holds infinity or NaN.
    #[error(
        "the result, of layer `{layer}`, is not finite: its weights or the image are too large for FP32"
    )]
    NonFiniteOutput {
        /// The last layer's name.
        layer: String,
    },
    /// OpenCL cannot be used.
    #[error(transparent)]
    OpenCl(#[from] OpenClError),
    /// No threads to run on.
    #[error("an executor needs at least one thread")]
    NoThreads,
    /// A library that an executor stands on refused.
    #[error("{call} failed for layer `{layer}`: {status}")]
    Library {
        /// The layer's name; empty when it is not about one layer.
        layer: String,
        /// The function of the library.
        call: &'static str,
        /// What it answered.
        status: String,
    },
}

/// Runs one network, one image at a time.
pub trait Executor: Send {
    /// The executor's name: `reference`, `opencl`, `xnnpack`.
    fn name(&self) -> &str;

    /// The network.
    fn graph(&self) -> &Graph;

    /// How far the times of the last image's layers may be off CLOCK_MONOTONIC, ns: nothing, where
    /// that clock is read itself.
    fn clock_error_ns(&self) -> u64 {
        0
    }

    /// Of the last image's time, what it took to bring tensors to a device and back, ns. It is part of
    /// the first and the last layer's.
    fn transfer_ns(&self) -> u64 {
        0
    }

    /// Does what is due now and then and belongs to no image: whoever times images calls it before
    /// each. Without it, [`clock_error_ns`](Self::clock_error_ns) grows.
    ///
    /// # Errors
    ///
    /// [`ExecutorError`] when the device refuses.
    fn between_images(&mut self) -> Result<(), ExecutorError> {
        Ok(())
    }

    /// Runs consecutive `layers` of an image. `live` are the tensors that [`Graph::live_before`]
    /// names for the first of them, in its order, and the answer are those before the layer that
    /// comes next: over all layers, the image and the result. Tensors of 8-bit steps hold the steps.
    /// `observer` hears of every layer, in order, once each.
    ///
    /// # Errors
    ///
    /// [`ExecutorError`] when there are no such layers, tensors are of other shapes, or the image
    /// holds values that are not finite.
    fn run_layers(
        &mut self,
        layers: Range<usize>,
        live: &[Tensor],
        observer: &mut dyn LayerObserver,
    ) -> Result<Vec<Tensor>, ExecutorError>;

    /// Runs one image, of the shape of the graph's input, and gives the network's result.
    ///
    /// # Errors
    ///
    /// As [`run_layers`](Self::run_layers).
    fn run(
        &mut self,
        input: &Tensor,
        observer: &mut dyn LayerObserver,
    ) -> Result<Tensor, ExecutorError> {
        let all = 0..self.graph().layers().len();
        let mut result = self.run_layers(all, std::slice::from_ref(input), observer)?;
        Ok(result.swap_remove(0))
    }
}

impl Executor for Box<dyn Executor> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn graph(&self) -> &Graph {
        (**self).graph()
    }

    fn clock_error_ns(&self) -> u64 {
        (**self).clock_error_ns()
    }

    fn transfer_ns(&self) -> u64 {
        (**self).transfer_ns()
    }

    fn between_images(&mut self) -> Result<(), ExecutorError> {
        (**self).between_images()
    }

    fn run_layers(
        &mut self,
        layers: Range<usize>,
        live: &[Tensor],
        observer: &mut dyn LayerObserver,
    ) -> Result<Vec<Tensor>, ExecutorError> {
        (**self).run_layers(layers, live, observer)
    }
}

/// Hears when layers ran.
pub trait LayerObserver {
    /// Layer `index` of [`Graph::layers`] ran from `start_ns` to `end_ns`, both CLOCK_MONOTONIC.
    fn layer(&mut self, index: usize, start_ns: u64, end_ns: u64);
}

/// When each layer of an image ran: start and end.
#[derive(Debug, Default)]
pub(crate) struct LayerTimes(pub(crate) Vec<(u64, u64)>);

impl LayerObserver for LayerTimes {
    fn layer(&mut self, _index: usize, start_ns: u64, end_ns: u64) {
        self.0.push((start_ns, end_ns));
    }
}

/// Watches nothing.
impl LayerObserver for () {
    fn layer(&mut self, _index: usize, _start_ns: u64, _end_ns: u64) {}
}

/// An executor that this crate knows, and whether it can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Availability {
    /// The executor's name.
    pub name: &'static str,
    /// Why it is not to be had and what to do about that; `None` when it is there.
    pub missing: Option<&'static str>,
}

/// The executors that this crate knows, the slowest first on a CPU. Of OpenCL this asks whether
/// its library and a driver are installed, without loading the driver.
pub fn available() -> [Availability; 3] {
    [
        Availability { name: "reference", missing: None },
        Availability { name: opencl::NAME, missing: opencl::missing() },
        Availability { name: "xnnpack", missing: xnnpack_missing() },
    ]
}

/// The names of the executors that can be had.
pub fn names() -> Vec<&'static str> {
    available()
        .iter()
        .filter(|executor| executor.missing.is_none())
        .map(|executor| executor.name)
        .collect()
}

/// What executor `name` computes with, for records: which library, and whose kernels.
pub fn description(name: &str) -> String {
    #[cfg(xnnpack)]
    if name == "xnnpack" {
        return crate::xnnpack::description();
    }
    name.to_owned()
}

/// The executor `name` for `graph`, on `threads` threads. Whatever is asked, `reference` runs on
/// one, and `opencl` on the whole of the device that [`opencl::choose`] likes best, in FP32;
/// [`OpenCl::new`] takes other wishes.
///
/// # Errors
///
/// [`ExecutorError`] when there is no such executor or it is not to be had, `threads` is zero, or
/// it cannot run the graph.
pub fn open(name: &str, graph: &Graph, threads: usize) -> Result<Box<dyn Executor>, ExecutorError> {
    if threads == 0 {
        return Err(ExecutorError::NoThreads);
    }
    match name {
        "reference" => Ok(Box::new(Reference::new(graph)?)),
        opencl::NAME => Ok(Box::new(OpenCl::new(graph, &opencl::Options::default())?)),
        "xnnpack" => open_xnnpack(graph, threads),
        name => Err(ExecutorError::Unknown { name: name.to_owned() }),
    }
}

/// The fastest executor of `graph` on the CPU that this build has, with the output of every layer rounded to
/// `storage` before the next reads it.
pub(crate) fn open_storing(
    graph: &Graph,
    threads: usize,
    storage: ElementType,
) -> Result<Box<dyn Executor>, ExecutorError> {
    if threads == 0 {
        return Err(ExecutorError::NoThreads);
    }
    // Steps are neither FP32 nor FP16, and rounding them to either would be another network.
    if let Some(layer) = graph.first_quantised().filter(|_| storage == ElementType::F16) {
        return Err(ExecutorError::Refused {
            executor: crate::npu::NAME,
            layer: layer.name.clone(),
            operator: layer.operator.kind(),
        });
    }
    #[cfg(xnnpack)]
    return Ok(Box::new(crate::xnnpack::Xnnpack::new(graph, threads)?.storing(storage)));
    #[cfg(not(xnnpack))]
    return Ok(Box::new(Reference::new(graph)?.storing(storage)));
}

#[cfg(xnnpack)]
fn xnnpack_missing() -> Option<&'static str> {
    None
}

#[cfg(not(xnnpack))]
fn xnnpack_missing() -> Option<&'static str> {
    Some(concat!(
        env!("WATTLINE_XNNPACK_MISSING"),
        "; install libxnnpack-dev and libpthreadpool-dev of Debian 12 or 13, \
         then `cargo clean -p wattline-inference` and build again",
    ))
}

#[cfg(xnnpack)]
fn open_xnnpack(graph: &Graph, threads: usize) -> Result<Box<dyn Executor>, ExecutorError> {
    Ok(Box::new(crate::xnnpack::Xnnpack::new(graph, threads)?))
}

#[cfg(not(xnnpack))]
fn open_xnnpack(_graph: &Graph, _threads: usize) -> Result<Box<dyn Executor>, ExecutorError> {
    let reason = xnnpack_missing().unwrap_or_default();
    Err(ExecutorError::Unavailable { name: "xnnpack", reason })
}

/// Refuses tensors that `layers` of `graph` cannot go on from. Answers which ones they are.
pub(crate) fn check_live(
    graph: &Graph,
    layers: &Range<usize>,
    live: &[Tensor],
) -> Result<Vec<TensorId>, ExecutorError> {
    let ids = graph.live_before(layers.start);
    let of = graph.layers().len();
    if layers.start > layers.end || layers.end > of || ids.len() != live.len() {
        let (expected, actual) = (ids.len(), live.len());
        return Err(ExecutorError::Handover { layers: layers.clone(), of, expected, actual });
    }
    for (&id, tensor) in ids.iter().zip(live) {
        let (expected, actual) = (graph.shape(id), tensor.shape());
        if expected != actual {
            return Err(ExecutorError::InputShape { expected, actual });
        }
        // What a layer made is the affair of the executor that ran it.
        if id == graph.input() {
            check_finite(tensor)?;
        }
    }
    Ok(ids)
}

/// Refuses an image with values that are not finite.
fn check_finite(image: &Tensor) -> Result<(), ExecutorError> {
    // Part of every image's time: the largest of all without their signs, which vectorises, tells
    // whether to look for the one at fault.
    let magnitude = |value: &f32| value.to_bits() & (u32::MAX >> 1);
    let largest = image.values().iter().map(magnitude).fold(0, u32::max);
    if largest < f32::INFINITY.to_bits() {
        return Ok(());
    }
    match image.values().iter().enumerate().find(|(_, value)| !value.is_finite()) {
        Some((index, &value)) => Err(ExecutorError::NonFiniteInput { index, value }),
        None => Ok(()),
    }
}

/// The values of a layer's weights, or an error naming the layer.
pub(crate) fn present<'a, T>(
    weights: &'a Weights<T>,
    layer: &str,
) -> Result<&'a [T], ExecutorError> {
    weights.values().ok_or_else(|| ExecutorError::AbsentWeights { layer: layer.to_owned() })
}
