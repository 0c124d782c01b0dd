//! The oracle: plain Rust, one obvious loop per operator, on any machine.
//!
//! Its results are what the other executors are tested against, so it favours being right over
//! being fast. It is not for measuring.

mod linear;
mod pointwise;
mod pooling;
mod quantised;

use std::ops::Range;

use crate::cost::ElementType;
use crate::executor::{Executor, ExecutorError, LayerObserver, check_live, present};
use crate::graph::{Graph, Layer, Operator, TensorId};
use crate::npu::half;
use crate::probes::Probes;
use crate::tensor::Tensor;

pub(crate) use pointwise::softmax;

/// Runs a network in plain Rust, on one thread.
#[derive(Debug)]
pub struct Reference {
    graph: Graph,
    probes: Probes,
    storage: ElementType,
}

impl Reference {
    /// An executor of `graph`, whose weights it shares.
    ///
    /// # Errors
    ///
    /// [`ExecutorError::AbsentWeights`] when the graph is structure alone.
    pub fn new(graph: &Graph) -> Result<Self, ExecutorError> {
        for layer in graph.layers() {
            let (weights, bias) = match &layer.operator {
                Operator::Conv2d(conv) => (&conv.weights, &conv.bias),
                Operator::FullyConnected(dense) => (&dense.weights, &dense.bias),
                Operator::QuantisedConv2d(conv) => {
                    present(&conv.weights, &layer.name)?;
                    present(&conv.scales, &layer.name)?;
                    conv.bias.as_ref().map(|bias| present(bias, &layer.name)).transpose()?;
                    continue;
                }
                _ => continue,
            };
            present(weights, &layer.name)?;
            bias.as_ref().map(|bias| present(bias, &layer.name)).transpose()?;
        }
        let probes = Probes::new(graph);
        Ok(Self { graph: graph.clone(), probes, storage: ElementType::F32 })
    }

    /// The same, with the output of every layer rounded to `storage`.
    pub fn storing(self, storage: ElementType) -> Self {
        Self { storage, ..self }
    }

    /// The output of `layer`, in channel, row, column order.
    fn compute(&self, layer: &Layer, inputs: &[&[f32]]) -> Result<Vec<f32>, ExecutorError> {
        let shape = self.graph.shape(layer.inputs[0]);
        let output = self.graph.shape(layer.output);
        let mut values = match &layer.operator {
            Operator::Conv2d(conv) => {
                let weights = present(&conv.weights, &layer.name)?;
                let bias = conv.bias.as_ref().map(|bias| present(bias, &layer.name)).transpose()?;
                linear::convolution(conv.into(), weights, bias, shape, output, inputs[0])
            }
            Operator::FullyConnected(dense) => {
                let weights = present(&dense.weights, &layer.name)?;
                let bias =
                    dense.bias.as_ref().map(|bias| present(bias, &layer.name)).transpose()?;
                linear::matrix_vector(weights, bias, inputs[0], dense.output_features)
            }
            Operator::MaxPool(pool) => pooling::max(&pool.window, shape, output, inputs[0]),
            Operator::AveragePool(pool) => pooling::average(pool, shape, output, inputs[0]),
            Operator::GlobalAveragePool => pooling::global_average(shape, inputs[0]),
            Operator::LocalResponseNorm(norm) => {
                pointwise::local_response_norm(norm, shape, inputs[0])
            }
            Operator::Concat => inputs.concat(),
            Operator::Add(_) => {
                inputs[0].iter().zip(inputs[1]).map(|(left, right)| left + right).collect()
            }
            Operator::Clamp(_) => inputs[0].to_vec(),
            Operator::Softmax => pointwise::softmax(shape, inputs[0]),
            Operator::Quantise(to) => quantised::quantise(*to, inputs[0]),
            Operator::Dequantise(from) => quantised::dequantise(*from, inputs[0]),
            Operator::QuantisedConv2d(conv) => {
                let bias = conv.bias.as_ref().map(|bias| present(bias, &layer.name)).transpose()?;
                let constants = quantised::Constants {
                    weights: present(&conv.weights, &layer.name)?,
                    scales: present(&conv.scales, &layer.name)?,
                    bias,
                };
                quantised::convolve(conv, constants, shape, output, inputs[0])
            }
        };
        let activation = layer.operator.activation();
        values.iter_mut().for_each(|value| *value = activation.apply(*value));
        Ok(values)
    }

    /// Runs layers as [`run_layers`](Executor::run_layers) does, and shows `visit` the values of
    /// every tensor, those handed over first. Those in 8-bit steps are shown as steps.
    fn visit_layers(
        &self,
        layers: Range<usize>,
        live: &[Tensor],
        observer: &mut dyn LayerObserver,
        visit: &mut dyn FnMut(TensorId, &[f32]),
    ) -> Result<Vec<Tensor>, ExecutorError> {
        let image = self.probes.image();
        let mut tensors: Vec<Vec<f32>> = vec![Vec::new(); self.graph.tensors().len()];
        for (id, tensor) in check_live(&self.graph, &layers, live)?.into_iter().zip(live) {
            visit(id, tensor.values());
            tensors[id.index()] = tensor.values().to_vec();
        }
        let next = self.graph.live_before(layers.end);
        // When each tensor is read for the last time; what is handed on is kept.
        let mut last_read = vec![0; tensors.len()];
        for index in layers.clone() {
            let inputs = &self.graph.layers()[index].inputs;
            inputs.iter().for_each(|tensor| last_read[tensor.index()] = index);
        }
        next.iter().for_each(|tensor| last_read[tensor.index()] = usize::MAX);

        for index in layers {
            let layer = &self.graph.layers()[index];
            image.layer(index, observer, || {
                let inputs: Vec<_> =
                    layer.inputs.iter().map(|tensor| tensors[tensor.index()].as_slice()).collect();
                let mut output = self.compute(layer, &inputs)?;
                if self.storage == ElementType::F16 {
                    half::round_output(&mut output, layer)?;
                }
                tensors[layer.output.index()] = output;
                Ok::<_, ExecutorError>(())
            })?;
            visit(layer.output, &tensors[layer.output.index()]);
            for tensor in &layer.inputs {
                if last_read[tensor.index()] == index {
                    tensors[tensor.index()] = Vec::new();
                }
            }
        }
        let handed_on = next.into_iter().map(|id| {
            Tensor::of_checked(self.graph.shape(id), std::mem::take(&mut tensors[id.index()]))
        });
        Ok(handed_on.collect())
    }

    /// Runs one image and shows `visit` the values of every tensor, the image's first. Those in
    /// 8-bit steps are shown as steps.
    pub(crate) fn visit(
        &self,
        image: &Tensor,
        visit: &mut dyn FnMut(TensorId, &[f32]),
    ) -> Result<(), ExecutorError> {
        let all = 0..self.graph.layers().len();
        self.visit_layers(all, std::slice::from_ref(image), &mut (), visit)?;
        Ok(())
    }
}

impl Executor for Reference {
    fn name(&self) -> &str {
        "reference"
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
        self.visit_layers(layers, live, observer, &mut |_, _| {})
    }
}
