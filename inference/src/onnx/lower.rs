//! ONNX nodes → layers.

use std::collections::HashMap;

use super::attributes::Node;
use super::constants::Constants;
use super::error::ReadError;
use crate::graph::{
    Activation, AveragePool, Graph, GraphBuilder, LocalResponseNorm, MaxPool, Operator, Shape,
    TensorId,
};

/// The ONNX operators that [`read`](super::read) takes.
pub const SUPPORTED_OPERATORS: [&str; 25] = [
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Clip",
    "Concat",
    "Constant",
    "Conv",
    "DequantizeLinear",
    "Dropout",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "Identity",
    "LRN",
    "MatMul",
    "MaxPool",
    "QLinearConv",
    "QuantizeLinear",
    "ReduceMean",
    "Relu",
    "Reshape",
    "Softmax",
    "Squeeze",
    "Sum",
    "Unsqueeze",
];

/// What an ONNX value is in the graph.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    pub(super) tensor: TensorId,
    /// Whether ONNX sees it as 1 × C·H·W. The graph's tensor keeps its image's shape.
    pub(super) flat: bool,
    /// Whether exactly one node reads the tensor, under any of its names: only then may that
    /// node be fused into the tensor's layer.
    pub(super) exclusive: bool,
}

/// A file being turned into a graph, node by node in order.
#[derive(Debug)]
pub(super) struct Lowering<'a> {
    pub(super) builder: GraphBuilder,
    pub(super) constants: Constants<'a>,
    /// How many inputs name each value.
    readers: HashMap<&'a str, usize>,
    pub(super) opset: i64,
    pub(super) values: HashMap<&'a str, Value>,
}

impl<'a> Lowering<'a> {
    pub(super) fn new(
        builder: GraphBuilder,
        constants: Constants<'a>,
        readers: HashMap<&'a str, usize>,
        opset: i64,
        image: &'a str,
    ) -> Self {
        let value = Value { tensor: builder.input(), flat: false, exclusive: false };
        Self { builder, constants, readers, opset, values: HashMap::from([(image, value)]) }
    }

    /// Ends the network with the value named `output`.
    pub(super) fn finish(self, output: &str) -> Result<Graph, ReadError> {
        let missing = || ReadError::MissingOutput { output: output.to_owned() };
        let value = self.values.get(output).ok_or_else(missing)?;
        Ok(self.builder.finish(value.tensor)?)
    }

    /// Turns one node into a layer, or into a change of the layer before it.
    pub(super) fn node(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        match node.operator().as_str() {
            "Add" | "Sum" => self.add(node),
            "AveragePool" => self.average_pool(node),
            "BatchNormalization" => self.batch_norm(node),
            "Clip" => self.clip(node),
            "Concat" => self.concat(node),
            "Constant" => self.constant(node),
            "Conv" => self.conv(node),
            "DequantizeLinear" => self.dequantize_linear(node),
            "Dropout" | "Identity" => self.pass(node),
            "Flatten" => self.flatten(node),
            "Gemm" => self.gemm(node),
            "GlobalAveragePool" => {
                node.expect_attributes(&[])?;
                let input = self.image(node, 0)?;
                self.layer(node, Operator::GlobalAveragePool, &[input])
            }
            "LRN" => self.local_response_norm(node),
            "MatMul" => self.mat_mul(node),
            "MaxPool" => self.max_pool(node),
            "QLinearConv" => self.quantised_conv(node),
            "QuantizeLinear" => self.quantize_linear(node),
            "ReduceMean" => self.reduce_mean(node),
            "Relu" => {
                node.expect_attributes(&[])?;
                self.activate(node, Activation::Relu)
            }
            "Reshape" => self.reshape(node),
            "Softmax" => self.softmax(node),
            "Squeeze" => self.squeeze(node),
            "Unsqueeze" => self.unsqueeze(node),
            operator => Err(ReadError::UnsupportedOperator {
                node: node.name.clone(),
                operator: operator.to_owned(),
            }),
        }
    }

    fn activate(&mut self, node: &Node<'a>, activation: Activation) -> Result<(), ReadError> {
        let input = self.value(node, 0)?;
        let set = |operator: &mut Operator| match operator.activation_mut() {
            Some(slot) if *slot == Activation::Identity => {
                *slot = activation;
                true
            }
            _ => false,
        };
        if self.fuse(node, input, set)? {
            return Ok(());
        }
        self.layer(node, Operator::Clamp(activation), &[input])
    }

    fn clip(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        // Bounds were attributes until operator set 11 made them inputs.
        let (min, max) = if self.opset < 11 {
            node.expect_attributes(&["min", "max"])?;
            (node.float("min", f32::MIN)?, node.float("max", f32::MAX)?)
        } else {
            node.expect_attributes(&[])?;
            let min = self.constants.optional_scalar(node, 1)?;
            (min.unwrap_or(f32::MIN), self.constants.optional_scalar(node, 2)?.unwrap_or(f32::MAX))
        };
        // The largest finite numbers are ONNX's way of writing no bound.
        let min = if min == f32::MIN { f32::NEG_INFINITY } else { min };
        let max = if max == f32::MAX { f32::INFINITY } else { max };
        match (min, max) {
            (f32::NEG_INFINITY, f32::INFINITY) => self.alias(node, self.value(node, 0)?.flat),
            (0.0, f32::INFINITY) => self.activate(node, Activation::Relu),
            _ if min < max => self.activate(node, Activation::Clip { min, max }),
            _ => Err(node
                .error(format!("it clips to {min} ..= {max}, which lets no range of values pass"))),
        }
    }

    fn max_pool(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        node.expect_attributes(&[
            "auto_pad",
            "ceil_mode",
            "dilations",
            "kernel_shape",
            "pads",
            "storage_order",
            "strides",
        ])?;
        let input = self.image(node, 0)?;
        let window = node.window(None, self.builder.shape(input.tensor))?;
        let pool = MaxPool { window, ceil_mode: node.flag("ceil_mode")? };
        self.layer(node, Operator::MaxPool(pool), &[input])
    }

    fn average_pool(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        node.expect_attributes(&[
            "auto_pad",
            "ceil_mode",
            "count_include_pad",
            "kernel_shape",
            "pads",
            "strides",
        ])?;
        let input = self.image(node, 0)?;
        let window = node.window(None, self.builder.shape(input.tensor))?;
        let (ceil_mode, count_include_pad) =
            (node.flag("ceil_mode")?, node.flag("count_include_pad")?);
        let pool = AveragePool { window, ceil_mode, count_include_pad };
        self.layer(node, Operator::AveragePool(pool), &[input])
    }

    /// The mean over rows and columns, which is how some exporters write a global average pool.
    fn reduce_mean(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        node.expect_attributes(&["axes", "keepdims"])?;
        let input = self.image(node, 0)?;
        match node.axes("axes", 4)? {
            Some(axes) if axes == [2, 3] => {}
            axes => {
                let all = vec![0, 1, 2, 3];
                return Err(node.error(format!(
                    "it takes the mean over axes {:?} of an image; over rows and columns, [2, 3], is supported",
                    axes.unwrap_or(all)
                )));
            }
        }
        let keeps_sides = node.int("keepdims", 1)? != 0;
        self.layer(node, Operator::GlobalAveragePool, &[input])?;
        if let Some(value) = self.values.get_mut(node.output()) {
            value.flat = !keeps_sides;
        }
        Ok(())
    }

    fn local_response_norm(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        node.expect_attributes(&["alpha", "beta", "bias", "size"])?;
        let norm = LocalResponseNorm {
            size: node.count("size", 0)?,
            alpha: node.float("alpha", 1e-4)?,
            beta: node.float("beta", 0.75)?,
            bias: node.float("bias", 1.0)?,
        };
        let input = self.image(node, 0)?;
        self.layer(node, Operator::LocalResponseNorm(norm), &[input])
    }

    fn concat(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        node.expect_attributes(&["axis"])?;
        let inputs = self.alike(node)?;
        self.expect_channel_axis(node, inputs.first(), None)?;
        self.layer(node, Operator::Concat, &inputs)
    }

    fn softmax(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        node.expect_attributes(&["axis"])?;
        let inputs = self.alike(node)?;
        // Before operator set 13, everything from the axis on was one vector.
        let default_axis = if self.opset < 13 { 1 } else { -1 };
        self.expect_channel_axis(node, inputs.first(), Some(default_axis))?;
        let shape = inputs.first().map(|input| self.builder.shape(input.tensor));
        if let Some(shape) = shape.filter(|shape| self.opset < 13 && shape.pixels() != 1) {
            return Err(node.error(format!(
                "in operator set {} it runs over channels and pixels together, and its input is {shape}; \
                 over channels alone is supported",
                self.opset
            )));
        }
        self.layer(node, Operator::Softmax, &inputs)
    }

    /// Refuses an `axis` other than that of the channels.
    fn expect_channel_axis(
        &self,
        node: &Node<'a>,
        input: Option<&Value>,
        default: Option<i64>,
    ) -> Result<(), ReadError> {
        let Some(input) = input else { return Err(node.error("it has no input")) };
        let axis = match (node.attribute("axis"), default) {
            (None, None) => return Err(node.attribute_error("axis", "is missing")),
            (_, default) => node.int("axis", default.unwrap_or_default())?,
        };
        let rank = if input.flat { 2 } else { 4 };
        match axis {
            1 => Ok(()),
            axis if axis == 1 - rank => Ok(()),
            axis => Err(node.attribute_error(
                "axis",
                format!("is {axis}, and only that of the channels, 1, is supported"),
            )),
        }
    }

    /// Lets `change` make the node part of the layer that writes `input`, if no other node reads
    /// that. Whether it did.
    pub(super) fn fuse(
        &mut self,
        node: &Node<'a>,
        input: Value,
        change: impl FnOnce(&mut Operator) -> bool,
    ) -> Result<bool, ReadError> {
        let producer = self.builder.producer_mut(input.tensor).filter(|_| input.exclusive);
        if !producer.is_some_and(|layer| change(&mut layer.operator)) {
            return Ok(false);
        }
        self.builder.rename(input.tensor, node.output())?;
        let exclusive = self.read_once(node.output());
        self.values.insert(node.output(), Value { exclusive, ..input });
        Ok(true)
    }

    /// Adds a layer whose output has the form of its inputs.
    pub(super) fn layer(
        &mut self,
        node: &Node<'a>,
        operator: Operator,
        inputs: &[Value],
    ) -> Result<(), ReadError> {
        let flat = inputs.first().is_some_and(|input| input.flat);
        let tensors: Vec<_> = inputs.iter().map(|input| input.tensor).collect();
        let tensor = self.builder.add_writing(&node.name, node.output(), operator, &tensors)?;
        let exclusive = self.read_once(node.output());
        self.values.insert(node.output(), Value { tensor, flat, exclusive });
        Ok(())
    }

    /// Adds a layer whose output is flat, as a matrix product's is.
    pub(super) fn flat_layer(
        &mut self,
        node: &Node<'a>,
        operator: Operator,
        input: Value,
    ) -> Result<(), ReadError> {
        self.layer(node, operator, &[Value { flat: true, ..input }])
    }

    pub(super) fn value(&self, node: &Node<'a>, index: usize) -> Result<Value, ReadError> {
        let name =
            node.input(index).ok_or_else(|| node.error(format!("input {index} is missing")))?;
        let missing =
            || ReadError::MissingValue { node: node.name.clone(), value: name.to_owned() };
        self.values.get(name).copied().ok_or_else(missing)
    }

    pub(super) fn image(&self, node: &Node<'a>, index: usize) -> Result<Value, ReadError> {
        match self.value(node, index)? {
            value if value.flat => {
                Err(node.error("it takes an image, and its input was flattened before"))
            }
            value => Ok(value),
        }
    }

    /// All inputs of a node that takes images and vectors, but neither mixed nor, since the graph
    /// keeps an image's shape, images that were flattened.
    pub(super) fn alike(&self, node: &Node<'a>) -> Result<Vec<Value>, ReadError> {
        let count = node.inputs().len();
        let values =
            (0..count).map(|index| self.value(node, index)).collect::<Result<Vec<_>, _>>()?;
        let flat = values.iter().filter(|value| value.flat).count();
        if flat != 0 && flat != count {
            return Err(node.error("some of its inputs were flattened before and some not"));
        }
        let is_flattened_image =
            |value: &&Value| value.flat && self.builder.shape(value.tensor).pixels() != 1;
        match values.iter().find(is_flattened_image) {
            None => Ok(values),
            Some(value) => {
                let shape: Shape = self.builder.shape(value.tensor);
                Err(node.error(format!(
                    "it takes an image of {shape} that was flattened, which is not supported"
                )))
            }
        }
    }

    pub(super) fn read_once(&self, value: &str) -> bool {
        self.readers.get(value) == Some(&1)
    }
}
