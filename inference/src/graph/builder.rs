//! Building a graph, one checked layer at a time.

use std::collections::HashSet;

use super::quantisation::output_steps;
use super::rules::output_shape;
use super::{Graph, Layer, MAX_ELEMENTS, Operator, Quantisation, Shape, TensorId, TensorInfo};

/// Why a graph could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// A layer does not fit its inputs.
    #[error("layer `{layer}` ({kind}) does not fit: {reason}")]
    Layer {
        /// The layer's name.
        layer: String,
        /// Its kind, as [`Operator::kind`] gives it.
        kind: &'static str,
        /// What does not fit.
        reason: String,
    },
    /// A tensor is empty or beyond [`MAX_ELEMENTS`].
    #[error("tensor `{tensor}` would be {shape}; a tensor has 1 to {MAX_ELEMENTS} values")]
    Size {
        /// The tensor's name.
        tensor: String,
        /// The shape refused.
        shape: Shape,
    },
    /// Two tensors of one name.
    #[error("two layers write a tensor named `{tensor}`; rename one of them")]
    DuplicateTensor {
        /// The name.
        tensor: String,
    },
    /// A [`TensorId`] that is not of this graph.
    #[error("layer `{layer}` reads tensor number {index}, and this graph has {tensors}")]
    UnknownTensor {
        /// The layer's name.
        layer: String,
        /// The tensor's number.
        index: usize,
        /// How many tensors there are.
        tensors: usize,
    },
    /// A layer's result goes nowhere.
    #[error(
        "tensor `{tensor}` is never read and is not the network's output; remove the layer that writes it"
    )]
    Unread {
        /// The tensor's name.
        tensor: String,
    },
    /// The network's result is in 8-bit steps.
    #[error("the network's output `{tensor}` is in 8-bit steps; dequantise it, for numbers")]
    QuantisedOutput {
        /// The tensor's name.
        tensor: String,
    },
    /// There is no layer.
    #[error("network `{graph}` has no layer between its input and its output")]
    Empty {
        /// The network's name.
        graph: String,
    },
}

/// Builds a [`Graph`] in topological order: a layer reads only tensors that already exist.
#[derive(Debug)]
pub struct GraphBuilder {
    name: String,
    tensors: Vec<TensorInfo>,
    layers: Vec<Layer>,
    names: HashSet<String>,
}

impl GraphBuilder {
    /// An empty network `name`, whose image is tensor `input` of shape `shape`.
    ///
    /// # Errors
    ///
    /// [`GraphError::Size`] when the image is empty or too large.
    pub fn new(name: &str, input: &str, shape: Shape) -> Result<Self, GraphError> {
        let mut builder = Self {
            name: name.to_owned(),
            tensors: Vec::new(),
            layers: Vec::new(),
            names: HashSet::new(),
        };
        builder.add_tensor(input, shape, None)?;
        Ok(builder)
    }

    /// The tensor that holds the image.
    pub fn input(&self) -> TensorId {
        TensorId(0)
    }

    /// The shape of a tensor added before.
    ///
    /// # Panics
    ///
    /// When `tensor` is of another, larger graph.
    pub fn shape(&self, tensor: TensorId) -> Shape {
        self.tensors[tensor.0].shape
    }

    /// Adds a layer, which writes a tensor of the layer's name, and gives that tensor.
    ///
    /// # Errors
    ///
    /// [`GraphError`] naming the layer, when it does not fit its inputs or its name is taken.
    pub fn add(
        &mut self,
        name: &str,
        operator: Operator,
        inputs: &[TensorId],
    ) -> Result<TensorId, GraphError> {
        self.add_writing(name, name, operator, inputs)
    }

    /// Like [`add`](Self::add), with a name of its own for the tensor that the layer writes.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn add_writing(
        &mut self,
        name: &str,
        output: &str,
        operator: Operator,
        inputs: &[TensorId],
    ) -> Result<TensorId, GraphError> {
        let (shapes, steps): (Vec<_>, Vec<_>) = inputs
            .iter()
            .map(|&TensorId(index)| {
                let unknown = || GraphError::UnknownTensor {
                    layer: name.to_owned(),
                    index,
                    tensors: self.tensors.len(),
                };
                let known = |tensor: &TensorInfo| (tensor.shape, tensor.steps);
                self.tensors.get(index).map(known).ok_or_else(unknown)
            })
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .unzip();
        let misfit =
            |reason| GraphError::Layer { layer: name.to_owned(), kind: operator.kind(), reason };
        let shape = output_shape(&operator, &shapes).map_err(misfit)?;
        let steps = output_steps(&operator, &steps).map_err(misfit)?;
        let output = self.add_tensor(output, shape, steps)?;
        self.layers.push(Layer {
            name: name.to_owned(),
            operator,
            inputs: inputs.to_vec(),
            output,
        });
        Ok(output)
    }

    /// Ends the network with `output` as its result.
    ///
    /// # Errors
    ///
    /// [`GraphError::Empty`] without layers, and [`GraphError::Unread`] when a layer's work would
    /// be for nothing.
    pub fn finish(self, output: TensorId) -> Result<Graph, GraphError> {
        if self.layers.is_empty() {
            return Err(GraphError::Empty { graph: self.name });
        }
        let read: HashSet<_> =
            self.layers.iter().flat_map(|layer| &layer.inputs).copied().collect();
        let unread = self
            .layers
            .iter()
            .map(|layer| layer.output)
            .find(|id| !read.contains(id) && *id != output);
        if let Some(TensorId(index)) = unread {
            return Err(GraphError::Unread { tensor: self.tensors[index].name.clone() });
        }
        if self.tensors[output.0].steps.is_some() {
            let tensor = self.tensors[output.0].name.clone();
            return Err(GraphError::QuantisedOutput { tensor });
        }
        Ok(Graph { name: self.name, tensors: self.tensors, layers: self.layers, output })
    }

    /// The layer that writes `tensor`, to fuse what follows into it. The caller keeps the shapes
    /// as they are.
    pub(crate) fn producer_mut(&mut self, tensor: TensorId) -> Option<&mut Layer> {
        // Each layer adds exactly one tensor, after the image's.
        tensor.0.checked_sub(1).and_then(|index| self.layers.get_mut(index))
    }

    /// Gives `tensor` another name: that of the tensor it becomes when what follows is fused.
    pub(crate) fn rename(&mut self, tensor: TensorId, name: &str) -> Result<(), GraphError> {
        self.claim(name)?;
        let old = std::mem::replace(&mut self.tensors[tensor.0].name, name.to_owned());
        self.names.remove(&old);
        Ok(())
    }

    fn add_tensor(
        &mut self,
        name: &str,
        shape: Shape,
        steps: Option<Quantisation>,
    ) -> Result<TensorId, GraphError> {
        if shape.checked_elements().is_none() {
            return Err(GraphError::Size { tensor: name.to_owned(), shape });
        }
        self.claim(name)?;
        self.tensors.push(TensorInfo { name: name.to_owned(), shape, steps });
        Ok(TensorId(self.tensors.len() - 1))
    }

    fn claim(&mut self, name: &str) -> Result<(), GraphError> {
        if self.names.insert(name.to_owned()) {
            Ok(())
        } else {
            Err(GraphError::DuplicateTensor { tensor: name.to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Activation, Conv2d, MaxPool, Weights, Window};

    fn conv(input_channels: usize, weights: usize) -> Operator {
        Operator::Conv2d(Conv2d {
            window: Window::square(3, 1, 1),
            groups: 1,
            input_channels,
            output_channels: 4,
            weights: Weights::absent(weights),
            bias: None,
            activation: Activation::Relu,
        })
    }

    fn builder() -> GraphBuilder {
        GraphBuilder::new("net", "image", Shape::new(3, 8, 8)).unwrap()
    }

    #[test]
    fn layers_get_shapes() {
        let mut builder = builder();
        let conv = builder.add("conv", conv(3, 108), &[builder.input()]).unwrap();
        let pool = Operator::MaxPool(MaxPool { window: Window::square(2, 2, 0), ceil_mode: false });
        let pool = builder.add("pool", pool, &[conv]).unwrap();
        let graph = builder.finish(pool).unwrap();
        assert_eq!(graph.output_shape(), Shape::new(4, 4, 4));
        assert_eq!(graph.parameters(), 108);
    }

    #[test]
    fn a_layer_that_does_not_fit_is_named_with_both_sides() {
        let mut builder = builder();
        let error = builder.add("conv", conv(5, 180), &[builder.input()]).unwrap_err().to_string();
        assert_eq!(
            error,
            "layer `conv` (conv2d) does not fit: it expects 5 channels and its input is 1×3×8×8"
        );
        let error = builder.add("conv", conv(3, 107), &[builder.input()]).unwrap_err().to_string();
        assert!(error.contains("107 weights and its shape asks for 108"), "{error}");
    }

    #[test]
    fn unread_unknown_duplicate_and_empty_are_refused() {
        assert!(matches!(builder().finish(TensorId(0)), Err(GraphError::Empty { .. })));
        let mut builder = builder();
        let conv_output = builder.add("conv", conv(3, 108), &[builder.input()]).unwrap();
        assert!(matches!(
            builder.add("conv", conv(3, 108), &[builder.input()]),
            Err(GraphError::DuplicateTensor { .. })
        ));
        assert!(matches!(
            builder.add("sum", Operator::Concat, &[TensorId(9)]),
            Err(GraphError::UnknownTensor { index: 9, .. })
        ));
        builder.add("pool", Operator::GlobalAveragePool, &[conv_output]).unwrap();
        assert!(matches!(builder.finish(conv_output), Err(GraphError::Unread { .. })));
    }
}
