//! The CPU executor: XNNPACK's operators, layer by layer, in FP32 and in 8-bit steps.
//!
//! Everything that does not depend on the image is done when the executor is made: weights are
//! packed, buffers laid out in one block and shared by tensors that are not alive together, and
//! operators bound to their buffers. Activations lie pixel by pixel (NHWC). A fused activation is
//! the operator's own output range, and a concatenation mostly costs nothing, its inputs having
//! been written in place.
//!
//! What XNNPACK lacks is in `normalisation`, and the few pools that it refuses in `kernels`. Turning the image from NCHW to NHWC and the result back is part of a run and of no
//! layer.
//!
//! Speed is that of the library's micro-kernels. On ARM the ones that matter are assembly, and with
//! AVX-512 they are good; but Debian 12's FP32 kernel for FMA3 spills an accumulator in its
//! innermost loop and gives a Zen 3 core 36 GFLOP/s of the 90 that it has. On such CPUs, with FMA3
//! and without AVX-512, convolutions other than depthwise ones and fully connected layers are
//! computed by `implicit_gemm`, on the same buffers and threads; the executor's description says so.
//!
//! The executor's threads inherit the CPU affinity of the thread that makes it.

mod arena;
mod ffi;
#[cfg(target_arch = "x86_64")]
mod implicit_gemm;
mod kernels;
mod normalisation;
mod operator;
mod passage;
mod thread_pool;

use std::ops::Range;

use crate::cost::ElementType;
use crate::executor::{Executor, ExecutorError, LayerObserver, check_live};
use crate::graph::{Extent, Graph, Layer, LocalResponseNorm, Operator, TensorId, Window};
use crate::npu::half;
use crate::plan::Plan;
use crate::probes::Probes;
use crate::tensor::Tensor;
use arena::{Arena, Pixels};
use operator::Site;
use passage::Passage;
use thread_pool::ThreadPool;

/// Runs a network on XNNPACK's operators.
#[derive(Debug)]
pub struct Xnnpack {
    graph: Graph,
    probes: Probes,
    steps: Vec<Step>,
    storage: ElementType,
    /// Each tensor, in the order of the graph's.
    passages: Vec<Passage>,
    // The steps point into the arena and run on the pool; fields are dropped in this order.
    pool: ThreadPool,
    _arena: Arena,
}

// SAFETY: operators, pool and arena belong to this executor alone and are bound to no thread;
// `run` takes it exclusively.
unsafe impl Send for Xnnpack {}

/// What a layer does when it runs.
#[derive(Debug)]
enum Step {
    Library(operator::Operator),
    #[cfg(target_arch = "x86_64")]
    Convolution(implicit_gemm::Convolution),
    #[cfg(target_arch = "x86_64")]
    MatrixVector(implicit_gemm::MatrixVector),
    LocalResponseNorm {
        norm: LocalResponseNorm,
        input: Pixels,
        output: Pixels,
    },
    MaxPool {
        window: Window,
        input: Pixels,
        output: Pixels,
    },
    AverageWithPadding {
        window: Window,
        input: Pixels,
        output: Pixels,
    },
    Subsample {
        stride: Extent,
        input: Pixels,
        output: Pixels,
    },
    /// Those parts of a concatenation that were not written in place: from, to.
    Copies(Vec<(Pixels, Pixels)>),
}

impl Xnnpack {
    /// An executor of `graph` on `threads` threads, counting the one that calls
    /// [`run`](Executor::run).
    ///
    /// It keeps packed copies of the weights, beside the graph's own.
    ///
    /// # Errors
    ///
    /// [`ExecutorError`] when the graph is structure alone, `threads` is zero, memory is short or
    /// the library refuses a layer or the CPU.
    pub fn new(graph: &Graph, threads: usize) -> Result<Self, ExecutorError> {
        Self::with_products(graph, threads, Products::best_here())
    }

    fn with_products(
        graph: &Graph,
        threads: usize,
        products: Products,
    ) -> Result<Self, ExecutorError> {
        operator::initialize()?;
        let pool = ThreadPool::new(threads)?;
        let plan = Plan::new(graph, ffi::EXTRA_BYTES / size_of::<f32>());
        let arena = Arena::new(&plan)?;
        let pixels = |tensor| arena.pixels(plan.placement(tensor), graph.shape(tensor));
        let steps = graph
            .layers()
            .iter()
            .map(|layer| {
                let inputs: Vec<_> = layer.inputs.iter().map(|&input| pixels(input)).collect();
                step(layer, &inputs, pixels(layer.output), &pool, products)
            })
            .collect::<Result<_, _>>()?;
        let passage = |id: TensorId| Passage {
            pixels: pixels(id),
            in_steps: graph.tensors()[id.index()].steps.is_some(),
        };
        let passages = (0..graph.tensors().len()).map(|id| passage(TensorId(id))).collect();
        let storage = ElementType::F32;
        let probes = Probes::new(graph);
        let graph = graph.clone();
        Ok(Self { graph, probes, steps, storage, passages, pool, _arena: arena })
    }

    /// The same, with the output of every layer rounded to `storage`.
    pub fn storing(self, storage: ElementType) -> Self {
        Self { storage, ..self }
    }

    fn run_step(&self, step: &Step, layer: &Layer) -> Result<(), ExecutorError> {
        let pool = &self.pool;
        match step {
            // SAFETY: the arena and the pool are this executor's, which is held exclusively.
            Step::Library(operator) => unsafe { operator.run(pool, &layer.name)? },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Step::Convolution(convolution) => unsafe { convolution.run(pool) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Step::MatrixVector(product) => unsafe { product.run(pool) },
            Step::LocalResponseNorm { norm, input, output } => {
                normalisation::local_response_norm(pool, norm, *input, *output);
            }
            Step::MaxPool { window, input, output } => {
                kernels::max_pool(pool, window, *input, *output);
            }
            Step::AverageWithPadding { window, input, output } => {
                kernels::average_with_padding(pool, window, *input, *output);
            }
            Step::Subsample { stride, input, output } => {
                kernels::subsample(pool, *stride, *input, *output)
            }
            Step::Copies(copies) => {
                copies.iter().for_each(|&(from, to)| kernels::copy(pool, from, to))
            }
        }
        Ok(())
    }
}

impl Executor for Xnnpack {
    fn name(&self) -> &str {
        "xnnpack"
    }

    fn graph(&self) -> &Graph {
        &self.graph
    }

    fn run_layers(
        &mut self,
        layers: Range<usize>,
        live: &[Tensor],
        observer: &mut dyn LayerObserver,
    ) -> Result<Vec<Tensor>, ExecutorError> {
        let image = self.probes.image();
        let inputs = check_live(&self.graph, &layers, live)?;
        if layers.is_empty() {
            return Ok(live.to_vec());
        }
        let (first, next) = (layers.start, self.graph.live_before(layers.end));
        for index in layers {
            let layer = &self.graph.layers()[index];
            image.layer(index, observer, || {
                // An image's way in is its first layer's time: layers fill their image.
                if index == first {
                    for (id, tensor) in inputs.iter().zip(live) {
                        self.passages[id.index()].write(tensor);
                    }
                }
                self.run_step(&self.steps[index], layer)?;
                match self.storage {
                    ElementType::F16 => round(self.passages[layer.output.index()].pixels, layer),
                    _ => Ok(()),
                }
            })?;
        }
        Ok(next.into_iter().map(|id| self.passages[id.index()].read()).collect())
    }
}

/// Who computes convolutions and fully connected layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Products {
    Library,
    #[cfg(target_arch = "x86_64")]
    Ours,
}

/// Whose kernels compute here, for records.
pub(crate) fn description() -> String {
    match Products::best_here() {
        Products::Library => ffi::GENERATION.to_owned(),
        #[cfg(target_arch = "x86_64")]
        Products::Ours => format!(
            "{}; convolutions and fully connected layers by wattline's FMA3 kernels",
            ffi::GENERATION
        ),
    }
}

impl Products {
    fn best_here() -> Self {
        #[cfg(target_arch = "x86_64")]
        if implicit_gemm::wanted_here() {
            return Self::Ours;
        }
        Self::Library
    }
}

/// The step of a layer whose sums of products are computed here rather than by the library.
#[cfg(target_arch = "x86_64")]
fn own_product(
    layer: &Layer,
    input: Pixels,
    output: Pixels,
    products: Products,
) -> Result<Option<Step>, ExecutorError> {
    use crate::executor::present;
    Ok(match &layer.operator {
        _ if products == Products::Library => None,
        Operator::Conv2d(conv) if !conv.is_depthwise() => {
            let weights = present(&conv.weights, &layer.name)?;
            let bias = operator::bias(&conv.bias, &layer.name)?;
            let convolution = implicit_gemm::Convolution::new(conv, weights, bias, input, output);
            Some(Step::Convolution(convolution))
        }
        Operator::FullyConnected(dense) => {
            present(&dense.weights, &layer.name)?;
            operator::bias(&dense.bias, &layer.name)?;
            Some(Step::MatrixVector(implicit_gemm::MatrixVector::new(dense, input, output)))
        }
        _ => None,
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn own_product(
    _layer: &Layer,
    _input: Pixels,
    _output: Pixels,
    _products: Products,
) -> Result<Option<Step>, ExecutorError> {
    Ok(None)
}

/// Makes the step of one layer, with its operator created and set up.
fn step(
    layer: &Layer,
    inputs: &[Pixels],
    output: Pixels,
    pool: &ThreadPool,
    products: Products,
) -> Result<Step, ExecutorError> {
    let input = inputs[0];
    if let Some(step) = own_product(layer, input, output, products)? {
        return Ok(step);
    }
    let site = Site { layer: &layer.name, input, output, pool };
    let operator = match &layer.operator {
        Operator::Conv2d(conv) => operator::convolution(conv, site)?,
        Operator::FullyConnected(dense) => operator::fully_connected(dense, site)?,
        // XNNPACK refuses windows of one pixel.
        Operator::MaxPool(max) if max.window.kernel.area() == 1 => {
            return Ok(Step::Subsample { stride: max.window.stride, input, output });
        }
        Operator::AveragePool(average) if average.window.kernel.area() == 1 => {
            return Ok(Step::Subsample { stride: average.window.stride, input, output });
        }
        Operator::MaxPool(max) if moves_beyond_its_reach(&max.window) => {
            return Ok(Step::MaxPool { window: max.window, input, output });
        }
        Operator::MaxPool(max) => operator::max_pool(&max.window, site)?,
        Operator::AveragePool(average)
            if average.count_include_pad && !average.window.padding.is_zero() =>
        {
            return Ok(Step::AverageWithPadding { window: average.window, input, output });
        }
        Operator::AveragePool(average) => operator::average_pool(&average.window, site)?,
        Operator::GlobalAveragePool if input.shape.pixels() == 1 => {
            return Ok(Step::Subsample { stride: Extent::new(1, 1), input, output });
        }
        // For a window as large as the image the library has kernels of their own.
        Operator::GlobalAveragePool => {
            let whole = Extent::new(input.shape.height, input.shape.width);
            operator::average_pool(&Window { kernel: whole, ..Window::square(1, 1, 0) }, site)?
        }
        Operator::LocalResponseNorm(norm) => {
            return Ok(Step::LocalResponseNorm { norm: *norm, input, output });
        }
        Operator::Concat => return Ok(Step::Copies(copies(inputs, output))),
        Operator::Add(activation) => operator::add(*activation, inputs[1], site)?,
        Operator::Clamp(activation) => operator::clamp(*activation, site)?,
        Operator::Softmax => operator::softmax(site)?,
        Operator::Quantise(to) => operator::quantise(*to, site)?,
        Operator::Dequantise(from) => operator::dequantise(*from, site)?,
        Operator::QuantisedConv2d(conv) => operator::quantised_convolution(conv, site)?,
    };
    Ok(Step::Library(operator))
}

/// Whether pixels between one position of the window and the next are under neither.
fn moves_beyond_its_reach(window: &Window) -> bool {
    let Window { kernel, stride, .. } = window;
    stride.height > kernel.height || stride.width > kernel.width
}

/// What is left to copy into the joined tensor.
fn copies(inputs: &[Pixels], joined: Pixels) -> Vec<(Pixels, Pixels)> {
    let mut channel = 0;
    let mut copies = Vec::new();
    for &input in inputs {
        let part = joined.part(channel, input.shape.channels);
        if part.as_ptr() != input.as_ptr() {
            copies.push((input, part));
        }
        channel += input.shape.channels;
    }
    copies
}

/// Rounds a layer's output to FP16 where it lies.
fn round(output: Pixels, layer: &Layer) -> Result<(), ExecutorError> {
    (0..output.shape.pixels()).try_for_each(|pixel| {
        // SAFETY: the arena is alive and no layer runs.
        half::round_output(unsafe { output.channels_mut(pixel) }, layer)
    })
}
