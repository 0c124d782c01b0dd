//! The CPU executor: XNNPACK's operators, layer by layer, FP32.
//!
//! Everything that does not depend on the image is done when the executor is made: weights are
//! packed, buffers laid out in one block and shared by tensors that are not alive together, and
//! operators bound to their buffers. Activations lie pixel by pixel (NHWC). A fused activation is
//! the operator's own output range, and a concatenation mostly costs nothing, its inputs having
//! been written in place.
//!
//! What XNNPACK lacks is in `kernels`: local response normalisation, and the few pools that it
//! refuses. Turning the image from NCHW to NHWC and the result back is part of a run and of no
//! layer.
//!
//! Speed is that of the library's micro-kernels. On ARM the ones that matter are assembly; on x86
//! they are compiled C, and Debian 12's FP32 kernel for FMA3 spills an accumulator in its innermost
//! loop, so a CPU without AVX-512 gets about half of what it could (36 of some 70 GFLOP/s on a
//! Zen 3 core at 2.4 GHz, the same for every convolution).
//!
//! The executor's threads inherit the CPU affinity of the thread that makes it.

mod arena;
mod ffi;
mod kernels;
mod operator;
mod plan;
mod thread_pool;

use crate::cost::ElementType;
use crate::executor::{Executor, ExecutorError, LayerObserver, check_input};
use crate::graph::{AveragePool, Extent, Graph, Layer, LocalResponseNorm, Operator};
use crate::npu::half;
use crate::probes::Probes;
use crate::tensor::Tensor;
use arena::{Arena, Pixels};
use operator::Site;
use plan::Plan;
use thread_pool::ThreadPool;

/// Runs a network on XNNPACK's operators.
#[derive(Debug)]
pub struct Xnnpack {
    graph: Graph,
    probes: Probes,
    steps: Vec<Step>,
    /// Where each layer's output lies.
    outputs: Vec<Pixels>,
    storage: ElementType,
    input: Pixels,
    output: Pixels,
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
    LocalResponseNorm {
        norm: LocalResponseNorm,
        input: Pixels,
        output: Pixels,
    },
    AverageWithPadding {
        pool: AveragePool,
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
        operator::initialize()?;
        let pool = ThreadPool::new(threads)?;
        let plan = Plan::new(graph);
        let arena = Arena::new(&plan)?;
        let pixels = |tensor| arena.pixels(plan.placement(tensor), graph.shape(tensor));
        let steps = graph
            .layers()
            .iter()
            .map(|layer| {
                let inputs: Vec<_> = layer.inputs.iter().map(|&input| pixels(input)).collect();
                step(layer, &inputs, pixels(layer.output), &pool)
            })
            .collect::<Result<_, _>>()?;
        let outputs = graph.layers().iter().map(|layer| pixels(layer.output)).collect();
        let (input, output) = (pixels(graph.input()), pixels(graph.output()));
        let storage = ElementType::F32;
        let probes = Probes::new(graph);
        let graph = graph.clone();
        Ok(Self { graph, probes, steps, outputs, storage, input, output, pool, _arena: arena })
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
            Step::LocalResponseNorm { norm, input, output } => {
                kernels::local_response_norm(pool, norm, *input, *output);
            }
            Step::AverageWithPadding { pool: average, input, output } => {
                kernels::average_with_padding(pool, average, *input, *output);
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

    fn run(
        &mut self,
        input: &Tensor,
        observer: &mut dyn LayerObserver,
    ) -> Result<Tensor, ExecutorError> {
        let image = self.probes.image();
        check_input(&self.graph, input)?;
        write_image(input, self.input);
        for (index, (layer, step)) in self.graph.layers().iter().zip(&self.steps).enumerate() {
            image.layer(index, observer, || {
                self.run_step(step, layer)?;
                match self.storage {
                    ElementType::F16 => round(self.outputs[index], layer),
                    _ => Ok(()),
                }
            })?;
        }
        Ok(read_result(self.output))
    }
}

/// Makes the step of one layer, with its operator created and set up.
fn step(
    layer: &Layer,
    inputs: &[Pixels],
    output: Pixels,
    pool: &ThreadPool,
) -> Result<Step, ExecutorError> {
    let input = inputs[0];
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
        Operator::MaxPool(max) => operator::max_pool(&max.window, site)?,
        Operator::AveragePool(average)
            if average.count_include_pad && !average.window.padding.is_zero() =>
        {
            return Ok(Step::AverageWithPadding { pool: *average, input, output });
        }
        Operator::AveragePool(average) => operator::average_pool(&average.window, site)?,
        Operator::GlobalAveragePool => operator::global_average_pool(site)?,
        Operator::LocalResponseNorm(norm) => {
            return Ok(Step::LocalResponseNorm { norm: *norm, input, output });
        }
        Operator::Concat => return Ok(Step::Copies(copies(inputs, output))),
        Operator::Add(activation) => operator::add(*activation, inputs[1], site)?,
        Operator::Clamp(activation) => operator::clamp(*activation, site)?,
        Operator::Softmax => operator::softmax(site)?,
    };
    Ok(Step::Library(operator))
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

/// NCHW → NHWC.
fn write_image(image: &Tensor, pixels: Pixels) {
    let count = pixels.shape.pixels();
    for pixel in 0..count {
        // SAFETY: the arena is alive and no layer runs.
        let channels = unsafe { pixels.channels_mut(pixel) };
        channels
            .iter_mut()
            .zip(image.values()[pixel..].iter().step_by(count))
            .for_each(|(to, from)| *to = *from);
    }
}

/// NHWC → NCHW.
fn read_result(pixels: Pixels) -> Tensor {
    let count = pixels.shape.pixels();
    let mut values = vec![0.0; pixels.shape.elements()];
    for pixel in 0..count {
        // SAFETY: the arena is alive and no layer runs.
        let channels = unsafe { pixels.channels(pixel) };
        values[pixel..].iter_mut().step_by(count).zip(channels).for_each(|(to, from)| *to = *from);
    }
    Tensor::of_checked(pixels.shape, values)
}
