//! Graph → ONNX file.

use std::collections::HashSet;

use prost::Message;
use prost::bytes::Bytes;

use super::error::WriteError;
use super::proto::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, attribute_type,
    data_type,
};
use crate::graph::{
    Activation, Extent, Graph, Layer, Operator, Padding, Quantisation, QuantisedConv2d, Shape,
    TensorId, Weights, Window,
};

/// IR version 8 (ONNX 1.10, 2021) with opset 13: old enough for every runtime in use.
const IR_VERSION: i64 = 8;
const OPSET: i64 = 13;

/// Protobuf's own limit on a message.
const MAX_FILE: usize = i32::MAX as usize;

/// `graph` as the bytes of an ONNX file. [`read`](super::read) makes the same graph of them.
///
/// Fused activations become nodes of their own, and a flattening node stands wherever an image
/// feeds a fully connected layer, since ONNX knows neither fusion nor implicit flattening.
///
/// # Errors
///
/// [`WriteError::AbsentWeights`] for a graph of structure alone, and [`WriteError::TooLarge`]
/// beyond protobuf's 2 GiB.
pub fn write(graph: &Graph) -> Result<Vec<u8>, WriteError> {
    let mut writer = Writer::new(graph);
    for layer in graph.layers() {
        writer.layer(layer)?;
    }
    let output = value_info(&graph.tensors()[graph.output().0].name, &writer.dims(graph.output()));
    let input = value_info(&graph.tensors()[graph.input().0].name, &writer.dims(graph.input()));
    let model = ModelProto {
        ir_version: IR_VERSION,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        producer_name: env!("CARGO_PKG_NAME").to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(GraphProto {
            node: writer.nodes,
            name: graph.name().to_owned(),
            initializer: writer.initializers,
            input: vec![input],
            output: vec![output],
        }),
    };
    match model.encoded_len() {
        size if size > MAX_FILE => {
            Err(WriteError::TooLarge { graph: graph.name().to_owned(), size })
        }
        _ => Ok(model.encode_to_vec()),
    }
}

/// How a tensor of the graph appears in the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Four sides: 1, C, H, W.
    Image,
    /// Two sides: 1, C·H·W.
    Flat,
}

struct Writer<'a> {
    graph: &'a Graph,
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
    forms: Vec<Form>,
    names: HashSet<String>,
}

impl<'a> Writer<'a> {
    fn new(graph: &'a Graph) -> Self {
        Self {
            graph,
            nodes: Vec::new(),
            initializers: Vec::new(),
            forms: vec![Form::Image; graph.tensors().len()],
            names: graph.tensors().iter().map(|tensor| tensor.name.clone()).collect(),
        }
    }

    fn layer(&mut self, layer: &Layer) -> Result<(), WriteError> {
        match &layer.operator {
            Operator::Conv2d(conv) => {
                let Extent { height, width } = conv.window.kernel;
                let dims = [conv.output_channels, conv.input_channels / conv.groups, height, width];
                let mut inputs = vec![
                    self.image(layer.inputs[0]),
                    self.constant(layer, "weights", &conv.weights, &dims)?,
                ];
                if let Some(bias) = &conv.bias {
                    inputs.push(self.constant(layer, "bias", bias, &[conv.output_channels])?);
                }
                let mut attributes = window_attributes(&conv.window);
                attributes.push(ints(
                    "dilations",
                    &[conv.window.dilation.height, conv.window.dilation.width],
                ));
                attributes.push(int("group", conv.groups));
                self.activated(layer, "Conv", inputs, attributes, conv.activation);
            }
            Operator::FullyConnected(dense) => {
                let dims = [dense.output_features, dense.input_features];
                let mut inputs = vec![
                    self.flat(layer.inputs[0]),
                    self.constant(layer, "weights", &dense.weights, &dims)?,
                ];
                if let Some(bias) = &dense.bias {
                    inputs.push(self.constant(layer, "bias", bias, &[dense.output_features])?);
                }
                self.forms[layer.output.0] = Form::Flat;
                self.activated(layer, "Gemm", inputs, vec![int("transB", 1)], dense.activation);
            }
            Operator::MaxPool(pool) => {
                let mut attributes = window_attributes(&pool.window);
                attributes.push(int("ceil_mode", pool.ceil_mode.into()));
                let inputs = vec![self.image(layer.inputs[0])];
                self.node(layer, "MaxPool", inputs, attributes);
            }
            Operator::AveragePool(pool) => {
                let mut attributes = window_attributes(&pool.window);
                attributes.push(int("ceil_mode", pool.ceil_mode.into()));
                attributes.push(int("count_include_pad", pool.count_include_pad.into()));
                let inputs = vec![self.image(layer.inputs[0])];
                self.node(layer, "AveragePool", inputs, attributes);
            }
            Operator::GlobalAveragePool => {
                let inputs = vec![self.image(layer.inputs[0])];
                self.node(layer, "GlobalAveragePool", inputs, Vec::new());
            }
            Operator::LocalResponseNorm(norm) => {
                let attributes = vec![
                    int("size", norm.size),
                    float("alpha", norm.alpha),
                    float("beta", norm.beta),
                    float("bias", norm.bias),
                ];
                let inputs = vec![self.image(layer.inputs[0])];
                self.node(layer, "LRN", inputs, attributes);
            }
            Operator::Concat => {
                let inputs = self.alike(layer);
                self.node(layer, "Concat", inputs, vec![int("axis", 1)]);
            }
            Operator::Add(activation) => {
                let inputs = self.alike(layer);
                self.activated(layer, "Add", inputs, Vec::new(), *activation);
            }
            Operator::Clamp(activation) => {
                let inputs = self.alike(layer);
                let output = self.name_of(layer.output);
                self.activation(&layer.name, inputs, output, *activation);
            }
            Operator::Softmax => {
                let inputs = self.alike(layer);
                self.node(layer, "Softmax", inputs, vec![int("axis", 1)]);
            }
            Operator::Quantise(to) => {
                let mut inputs = self.alike(layer);
                inputs.extend(self.steps(layer, "output", *to));
                self.node(layer, "QuantizeLinear", inputs, Vec::new());
            }
            Operator::Dequantise(from) => {
                let mut inputs = self.alike(layer);
                inputs.extend(self.steps(layer, "input", *from));
                self.node(layer, "DequantizeLinear", inputs, Vec::new());
            }
            Operator::QuantisedConv2d(conv) => self.quantised_conv(layer, conv)?,
        }
        Ok(())
    }

    /// A `QLinearConv`: image, weights and output, each with its scale and zero point, and a bias.
    fn quantised_conv(&mut self, layer: &Layer, conv: &QuantisedConv2d) -> Result<(), WriteError> {
        let Extent { height, width } = conv.window.kernel;
        let channels = [conv.output_channels];
        let dims = [conv.output_channels, conv.input_channels / conv.groups, height, width];
        let bytes = |steps: &[i8]| steps.iter().map(|&step| step as u8).collect::<Vec<_>>();
        let weights = bytes(self.present(layer, &conv.weights)?);
        let scales = self.present(layer, &conv.scales)?;
        let bias = conv.bias.as_ref().map(|bias| self.present(layer, bias)).transpose()?;

        let mut inputs = vec![self.image(layer.inputs[0])];
        inputs.extend(self.steps(layer, "input", conv.input));
        let zeros = vec![0; conv.output_channels];
        inputs.push(self.initializer(layer, "weights", &dims, data_type::INT8, weights));
        let scales = scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
        inputs.push(self.initializer(layer, "scales", &channels, data_type::FLOAT, scales));
        inputs.push(self.initializer(layer, "zeros", &channels, data_type::INT8, zeros));
        inputs.extend(self.steps(layer, "output", conv.output));
        if let Some(bias) = bias {
            let bias = bias.iter().flat_map(|bias| bias.to_le_bytes()).collect();
            inputs.push(self.initializer(layer, "bias", &channels, data_type::INT32, bias));
        }
        let mut attributes = window_attributes(&conv.window);
        let Extent { height, width } = conv.window.dilation;
        attributes.push(ints("dilations", &[height, width]));
        attributes.push(int("group", conv.groups));
        self.node(layer, "QLinearConv", inputs, attributes);
        Ok(())
    }

    /// The scale and the zero point of `side` of a layer, as constants.
    fn steps(&mut self, layer: &Layer, side: &str, steps: Quantisation) -> [String; 2] {
        let scale = steps.scale.to_le_bytes().to_vec();
        let zero_point = vec![steps.zero_point as u8];
        [
            self.initializer(layer, &format!("{side}_scale"), &[], data_type::FLOAT, scale),
            self.initializer(
                layer,
                &format!("{side}_zero_point"),
                &[],
                data_type::INT8,
                zero_point,
            ),
        ]
    }

    fn initializer(
        &mut self,
        layer: &Layer,
        what: &str,
        dims: &[usize],
        data_type: i32,
        raw: Vec<u8>,
    ) -> String {
        let name = self.fresh(&self.name_of(layer.output), what);
        self.initializers.push(tensor(&name, dims, data_type, raw));
        name
    }

    /// Writes `layer`'s node, and a second one for its activation if it has one.
    fn activated(
        &mut self,
        layer: &Layer,
        op_type: &str,
        input: Vec<String>,
        attribute: Vec<AttributeProto>,
        activation: Activation,
    ) {
        if activation == Activation::Identity {
            return self.node(layer, op_type, input, attribute);
        }
        let output = self.name_of(layer.output);
        let linear = self.fresh(&output, "linear");
        self.push(&layer.name, op_type, input, linear.clone(), attribute);
        self.activation(&format!("{}/activation", layer.name), vec![linear], output, activation);
    }

    fn activation(
        &mut self,
        name: &str,
        mut input: Vec<String>,
        output: String,
        activation: Activation,
    ) {
        match activation {
            Activation::Relu => self.push(name, "Relu", input, output, Vec::new()),
            Activation::Identity => self.push(name, "Identity", input, output, Vec::new()),
            Activation::Clip { min, max } => {
                for (bound, value) in [("min", min), ("max", max)] {
                    let name = self.fresh(&output, bound);
                    self.initializers.push(float_tensor(&name, &[], &[value]));
                    input.push(name);
                }
                self.push(name, "Clip", input, output, Vec::new());
            }
        }
    }

    fn node(
        &mut self,
        layer: &Layer,
        op_type: &str,
        input: Vec<String>,
        attribute: Vec<AttributeProto>,
    ) {
        let output = self.name_of(layer.output);
        self.push(&layer.name, op_type, input, output, attribute);
    }

    fn push(
        &mut self,
        name: &str,
        op_type: &str,
        input: Vec<String>,
        output: String,
        attribute: Vec<AttributeProto>,
    ) {
        self.nodes.push(NodeProto {
            input,
            output: vec![output],
            name: name.to_owned(),
            op_type: op_type.to_owned(),
            attribute,
            domain: String::new(),
        });
    }

    fn constant(
        &mut self,
        layer: &Layer,
        what: &str,
        weights: &Weights,
        dims: &[usize],
    ) -> Result<String, WriteError> {
        let values = self.present(layer, weights)?;
        let name = self.fresh(&self.name_of(layer.output), what);
        self.initializers.push(float_tensor(&name, dims, values));
        Ok(name)
    }

    fn present<'b, T>(
        &self,
        layer: &Layer,
        weights: &'b Weights<T>,
    ) -> Result<&'b [T], WriteError> {
        weights.values().ok_or_else(|| WriteError::AbsentWeights {
            graph: self.graph.name().to_owned(),
            layer: layer.name.clone(),
        })
    }

    /// The inputs of an operator that takes either form, brought to one; the output is like them.
    fn alike(&mut self, layer: &Layer) -> Vec<String> {
        let flat = layer.inputs.iter().all(|input| self.forms[input.0] == Form::Flat);
        if flat {
            self.forms[layer.output.0] = Form::Flat;
        }
        layer
            .inputs
            .iter()
            .map(|&input| if flat { self.flat(input) } else { self.image(input) })
            .collect()
    }

    /// The name of `tensor` as an image, behind a reshaping node if it is flat.
    fn image(&mut self, tensor: TensorId) -> String {
        let name = self.name_of(tensor);
        if self.forms[tensor.0] == Form::Image {
            return name;
        }
        let dims = self.graph.shape(tensor).dims();
        let (image, shape) = (self.fresh(&name, "image"), self.fresh(&name, "shape"));
        self.initializers.push(int64_tensor(&shape, &dims));
        self.push(&image, "Reshape", vec![name, shape], image.clone(), Vec::new());
        image
    }

    /// The name of `tensor` as a row of values, behind a flattening node if it is an image.
    fn flat(&mut self, tensor: TensorId) -> String {
        let name = self.name_of(tensor);
        if self.forms[tensor.0] == Form::Flat {
            return name;
        }
        let flat = self.fresh(&name, "flat");
        self.push(&flat, "Flatten", vec![name], flat.clone(), vec![int("axis", 1)]);
        flat
    }

    fn name_of(&self, tensor: TensorId) -> String {
        self.graph.tensors()[tensor.0].name.clone()
    }

    fn dims(&self, tensor: TensorId) -> Vec<usize> {
        let shape: Shape = self.graph.shape(tensor);
        match self.forms[tensor.0] {
            Form::Image => shape.dims().to_vec(),
            Form::Flat => vec![1, shape.elements()],
        }
    }

    /// A name that nothing in the file has yet: `base.suffix`, primed as often as it takes.
    fn fresh(&mut self, base: &str, suffix: &str) -> String {
        let mut name = format!("{base}.{suffix}");
        while !self.names.insert(name.clone()) {
            name.push('\'');
        }
        name
    }
}

fn window_attributes(window: &Window) -> Vec<AttributeProto> {
    let Padding { top, left, bottom, right } = window.padding;
    vec![
        ints("kernel_shape", &[window.kernel.height, window.kernel.width]),
        ints("strides", &[window.stride.height, window.stride.width]),
        ints("pads", &[top, left, bottom, right]),
    ]
}

fn int(name: &str, value: usize) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        i: Some(value as i64),
        kind: attribute_type::INT,
        ..AttributeProto::default()
    }
}

fn ints(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        ints: values.iter().map(|&value| value as i64).collect(),
        kind: attribute_type::INTS,
        ..AttributeProto::default()
    }
}

fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        f: Some(value),
        kind: attribute_type::FLOAT,
        ..AttributeProto::default()
    }
}

fn float_tensor(name: &str, dims: &[usize], values: &[f32]) -> TensorProto {
    let mut raw = Vec::with_capacity(4 * values.len());
    raw.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    tensor(name, dims, data_type::FLOAT, raw)
}

fn int64_tensor(name: &str, values: &[usize]) -> TensorProto {
    let raw = values.iter().flat_map(|&value| (value as i64).to_le_bytes()).collect();
    tensor(name, &[values.len()], data_type::INT64, raw)
}

fn tensor(name: &str, dims: &[usize], data_type: i32, raw: Vec<u8>) -> TensorProto {
    TensorProto {
        dims: dims.iter().map(|&side| side as i64).collect(),
        data_type,
        name: name.to_owned(),
        raw_data: Bytes::from(raw),
        ..TensorProto::default()
    }
}

fn value_info(name: &str, dims: &[usize]) -> ValueInfoProto {
    let dim = dims
        .iter()
        .map(|&side| DimensionProto { dim_value: Some(side as i64), dim_param: None })
        .collect();
    let tensor_type =
        TensorTypeProto { elem_type: data_type::FLOAT, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { tensor_type: Some(tensor_type) }),
    }
}
