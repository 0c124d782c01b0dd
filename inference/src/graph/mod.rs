//! The typed graph that every executor runs, layer by layer.
//!
//! A [`Graph`] is a list of [`Layer`]s in an order in which they can run, each reading and
//! writing tensors whose shapes are known. It is made by a [`GraphBuilder`], which checks every
//! layer as it is added, so that an executor never meets a shape that does not fit, a dangling
//! tensor or an arithmetic overflow.

mod builder;
mod operator;
mod quantisation;
mod rules;
mod shape;
mod weights;
mod window;

pub use builder::{GraphBuilder, GraphError};
pub use operator::{
    Activation, AveragePool, Conv2d, FullyConnected, LocalResponseNorm, MaxPool, Operator,
};
pub use quantisation::{Quantisation, QuantisedConv2d};
pub use shape::{MAX_ELEMENTS, Shape};
pub use weights::Weights;
pub use window::{Extent, Padding, Window};

/// Names one tensor of one graph: an index into [`Graph::tensors`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorId(pub(crate) usize);

impl TensorId {
    /// The tensor's position in [`Graph::tensors`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// A tensor's name, shape and type. Its values exist only while an executor runs.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorInfo {
    /// The tensor's name, unique in its graph.
    pub name: String,
    /// The tensor's shape.
    pub shape: Shape,
    /// What its 8-bit steps stand for; none where its values are FP32.
    pub steps: Option<Quantisation>,
}

/// One step of a network: an operator, what it reads and what it writes.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// The layer's name, as in the file it came from. Not necessarily unique.
    pub name: String,
    /// What the layer computes, with its weights.
    pub operator: Operator,
    /// The tensors it reads, in the operator's order.
    pub inputs: Vec<TensorId>,
    /// The tensor it writes. No other layer writes it.
    pub output: TensorId,
}

/// A network of one input and one output, its layers in the order in which they run.
///
/// Cloning is cheap: weights are shared.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    name: String,
    tensors: Vec<TensorInfo>,
    layers: Vec<Layer>,
    output: TensorId,
}

impl Graph {
    /// The network's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The layers, in topological order.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Every tensor, the input first, then each layer's output in the order of the layers.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// The tensor that holds the image.
    pub fn input(&self) -> TensorId {
        TensorId(0)
    }

    /// The tensor that holds the result.
    pub fn output(&self) -> TensorId {
        self.output
    }

    /// The shape of the image.
    pub fn input_shape(&self) -> Shape {
        self.shape(self.input())
    }

    /// The shape of the result.
    pub fn output_shape(&self) -> Shape {
        self.shape(self.output)
    }

    /// The shape of one of this graph's tensors.
    ///
    /// # Panics
    ///
    /// When `tensor` is of another, larger graph.
    pub fn shape(&self, tensor: TensorId) -> Shape {
        self.tensors[tensor.0].shape
    }

    /// The shapes that a layer of this graph reads, in the operator's order.
    pub fn input_shapes(&self, layer: &Layer) -> Vec<Shape> {
        layer.inputs.iter().map(|&tensor| self.shape(tensor)).collect()
    }

    /// What layers from `layer` on still read of what was there before: the tensors that pass from
    /// one component to another when the network is split there, in the order of
    /// [`tensors`](Self::tensors). Before the first layer that is the image, and after the last the
    /// result.
    pub fn live_before(&self, layer: usize) -> Vec<TensorId> {
        let (before, after) = self.layers.split_at(layer.min(self.layers.len()));
        let mut read = vec![false; self.tensors.len()];
        after.iter().flat_map(|layer| &layer.inputs).for_each(|tensor| read[tensor.0] = true);
        read[self.output.0] = true;
        let written = std::iter::once(self.input()).chain(before.iter().map(|layer| layer.output));
        let mut live: Vec<_> = written.filter(|tensor| read[tensor.0]).collect();
        live.sort_unstable_by_key(|tensor| tensor.0);
        live
    }

    /// The same network with other constants: what `change` makes of those of each layer.
    pub(crate) fn with_weights<E>(
        mut self,
        change: impl Fn(&str, &Weights) -> Result<Weights, E>,
    ) -> Result<Self, E> {
        for layer in &mut self.layers {
            let (weights, bias) = match &mut layer.operator {
                Operator::Conv2d(conv) => (&mut conv.weights, &mut conv.bias),
                Operator::FullyConnected(dense) => (&mut dense.weights, &mut dense.bias),
                _ => continue,
            };
            for constants in std::iter::once(weights).chain(bias) {
                *constants = change(&layer.name, constants)?;
            }
        }
        Ok(self)
    }

    /// The first layer that reads or writes 8-bit steps, if one does.
    pub fn first_quantised(&self) -> Option<&Layer> {
        let in_steps = |tensor: &TensorId| self.tensors[tensor.0].steps.is_some();
        self.layers.iter().find(|layer| layer.inputs.iter().chain([&layer.output]).any(in_steps))
    }

    /// The number of weights and biases.
    pub fn parameters(&self) -> u64 {
        self.layers.iter().map(|layer| layer.operator.parameters()).sum()
    }
}
