//! Files put together by hand: what other programs write and ours does not, and what is wrong.

use prost::Message;

use super::proto::{
    AttributeProto, DATA_LOCATION_EXTERNAL, DimensionProto, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
    data_type,
};
use super::read;
use crate::executor::Executor;
use crate::graph::{Activation, Graph, Operator, Padding, Shape};
use crate::input::synthetic_image;
use crate::reference::Reference;
use crate::tensor::Tensor;

/// A file of one image, `x`, and one result, `y`.
struct File(ModelProto);

impl File {
    /// `sides` are those of the image; −1 is a symbol.
    fn new(opset: i64, sides: &[i64]) -> Self {
        Self(ModelProto {
            ir_version: 8,
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: opset }],
            graph: Some(GraphProto {
                input: vec![value("x", sides)],
                output: vec![value("y", &[])],
                ..GraphProto::default()
            }),
            ..ModelProto::default()
        })
    }

    fn graph(&mut self) -> &mut GraphProto {
        self.0.graph.as_mut().unwrap()
    }

    /// A node `op`, without a name, that reads `inputs` and writes `output`.
    fn node(
        mut self,
        op: &str,
        inputs: &[&str],
        output: &str,
        attribute: Vec<AttributeProto>,
    ) -> Self {
        self.graph().node.push(NodeProto {
            op_type: op.to_owned(),
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output.to_owned()],
            attribute,
            ..NodeProto::default()
        });
        self
    }

    /// Constants in `float_data`, which our writer does not use.
    fn floats(mut self, name: &str, dims: &[i64], values: &[f32]) -> Self {
        self.graph().initializer.push(TensorProto {
            name: name.to_owned(),
            dims: dims.to_vec(),
            data_type: data_type::FLOAT,
            float_data: values.to_vec(),
            ..TensorProto::default()
        });
        self
    }

    /// Constants of some size, all different.
    fn any_floats(self, name: &str, dims: &[i64]) -> Self {
        let count = dims.iter().product::<i64>() as usize;
        let values =
            synthetic_image(Shape::vector(count), name.len() as u64, 9).unwrap().into_values();
        self.floats(name, dims, &values)
    }

    fn integers(mut self, name: &str, values: &[i64]) -> Self {
        self.graph().initializer.push(integers(name, values));
        self
    }

    fn read(&self) -> Graph {
        read(self.0.encode_to_vec()).unwrap()
    }

    #[track_caller]
    fn assert_refused(&self, words: &[&str]) {
        let error = read(self.0.encode_to_vec()).unwrap_err().to_string();
        words.iter().for_each(|word| assert!(error.contains(word), "no `{word}` in: {error}"));
    }
}

fn integers(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: vec![values.len() as i64],
        data_type: data_type::INT64,
        int64_data: values.to_vec(),
        ..TensorProto::default()
    }
}

fn value(name: &str, sides: &[i64]) -> ValueInfoProto {
    let side = |&side: &i64| match side {
        -1 => DimensionProto { dim_value: None, dim_param: Some("N".to_owned()) },
        side => DimensionProto { dim_value: Some(side), dim_param: None },
    };
    let shape = TensorShapeProto { dim: sides.iter().map(side).collect() };
    let tensor_type = TensorTypeProto { elem_type: data_type::FLOAT, shape: Some(shape) };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { tensor_type: Some(tensor_type) }),
    }
}

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), i: Some(value), ..AttributeProto::default() }
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { name: name.to_owned(), ints: values.to_vec(), ..AttributeProto::default() }
}

fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { name: name.to_owned(), f: Some(value), ..AttributeProto::default() }
}

fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto { name: name.to_owned(), s: Some(value.into()), ..AttributeProto::default() }
}

fn run(graph: &Graph, values: &[f32]) -> Vec<f32> {
    let image = Tensor::new(graph.input_shape(), values.to_vec()).unwrap();
    Reference::new(graph).unwrap().run(&image, &mut ()).unwrap().into_values()
}

fn kinds(graph: &Graph) -> Vec<&'static str> {
    graph.layers().iter().map(|layer| layer.operator.kind()).collect()
}

/// x of 2 channels and 1 pixel → convolution → batch normalisation (γ 2, β 1, mean 3, variance 4).
fn normalised() -> File {
    File::new(9, &[-1, 2, 1, 1])
        .floats("gamma", &[2], &[2.0, 2.0])
        .floats("beta", &[2], &[1.0, 1.0])
        .floats("mean", &[2], &[3.0, 3.0])
        .floats("variance", &[2], &[4.0, 4.0])
}

#[test]
fn batch_normalisation_is_folded_and_the_activation_after_it_fused() {
    let norm = vec![float("epsilon", 0.0)];
    let file = normalised()
        .floats("w", &[2, 2, 1, 1], &[1.0, 2.0, 3.0, 4.0])
        .node("Conv", &["x", "w"], "a", vec![])
        .node("BatchNormalization", &["a", "gamma", "beta", "mean", "variance"], "b", norm)
        .node("Relu", &["b"], "y", vec![]);
    let graph = file.read();
    assert_eq!(kinds(&graph), ["conv2d"]);
    assert_eq!(
        (graph.layers()[0].name.as_str(), graph.tensors()[1].name.as_str()),
        ("Conv:a", "y")
    );
    // x − 3, over 2, times 2, plus 1: two less than the convolution.
    assert_eq!(run(&graph, &[1.0, -1.5]), [0.0, 0.0]);
    assert_eq!(run(&graph, &[1.0, 1.0]), [1.0, 5.0]);
}

#[test]
fn batch_normalisation_that_cannot_be_folded_becomes_a_depthwise_convolution() {
    let norm = vec![float("epsilon", 0.0)];
    let graph = normalised()
        .node("BatchNormalization", &["x", "gamma", "beta", "mean", "variance"], "y", norm)
        .read();
    assert_eq!(kinds(&graph), ["depthwise_conv2d"]);
    assert_eq!(run(&graph, &[5.0, 7.0]), [3.0, 5.0]);
}

#[test]
fn what_something_else_reads_is_not_fused() {
    let graph = File::new(13, &[1, 1, 1, 2])
        .floats("w", &[1, 1, 1, 1], &[1.0])
        .node("Conv", &["x", "w"], "a", vec![])
        .node("Relu", &["a"], "b", vec![])
        .node("Add", &["a", "b"], "y", vec![])
        .read();
    assert_eq!(kinds(&graph), ["conv2d", "clamp", "add"]);
    assert_eq!(run(&graph, &[-1.0, 2.0]), [-1.0, 4.0]);

    // The same through another name for the same values.
    let graph = File::new(13, &[1, 1, 1, 2])
        .floats("w", &[1, 1, 1, 1], &[1.0])
        .node("Conv", &["x", "w"], "a", vec![])
        .node("Identity", &["a"], "alias", vec![])
        .node("Relu", &["alias"], "b", vec![])
        .node("Add", &["a", "b"], "y", vec![])
        .read();
    assert_eq!(run(&graph, &[-1.0, 2.0]), [-1.0, 4.0]);
}

#[test]
fn matrix_products_in_all_their_forms() {
    // Outputs 1·x₀ + 2·x₁ and 3·x₀ + 4·x₁, plus 10 and 20.
    let matmul = File::new(13, &[1, 2, 1, 1])
        .floats("w", &[2, 2], &[1.0, 3.0, 2.0, 4.0])
        .floats("b", &[2], &[10.0, 20.0])
        .node("Flatten", &["x"], "f", vec![])
        .node("MatMul", &["f", "w"], "a", vec![])
        .node("Add", &["b", "a"], "y", vec![]);
    let gemm = File::new(13, &[1, 2, 1, 1])
        .floats("w", &[2, 2], &[0.5, 1.0, 1.5, 2.0])
        .floats("b", &[1, 2], &[20.0, 40.0])
        .integers("shape", &[0, -1])
        .node("Reshape", &["x", "shape"], "f", vec![])
        .node(
            "Gemm",
            &["f", "w", "b"],
            "y",
            vec![float("alpha", 2.0), float("beta", 0.5), int("transB", 1)],
        );
    for file in [matmul, gemm] {
        let graph = file.read();
        assert_eq!(kinds(&graph), ["fully_connected"]);
        assert_eq!(run(&graph, &[1.0, 2.0]), [15.0, 31.0]);
    }
}

#[test]
fn clips_of_both_ages() {
    let old = File::new(9, &[1, 1, 1, 3]).node(
        "Clip",
        &["x"],
        "y",
        vec![float("min", 0.0), float("max", 6.0)],
    );
    let new = File::new(13, &[1, 1, 1, 3])
        .floats("zero", &[], &[0.0])
        .floats("six", &[], &[6.0])
        .node("Clip", &["x", "zero", "six"], "y", vec![]);
    for file in [old, new] {
        let graph = file.read();
        assert_eq!(graph.layers()[0].operator, Operator::Clamp(Activation::RELU6));
        assert_eq!(run(&graph, &[-1.0, 3.0, 9.0]), [0.0, 3.0, 6.0]);
    }
    let relu = File::new(13, &[1, 1, 1, 3]).floats("zero", &[], &[0.0]).node(
        "Clip",
        &["x", "zero"],
        "y",
        vec![],
    );
    assert_eq!(relu.read().layers()[0].operator, Operator::Clamp(Activation::Relu));
    let upside_down = File::new(9, &[1, 1, 1, 3]).node(
        "Clip",
        &["x"],
        "y",
        vec![float("min", 6.0), float("max", 0.0)],
    );
    upside_down.assert_refused(&["Clip:y", "6 ..= 0"]);
}

#[test]
fn padding_that_keeps_the_size() {
    let padding = |mode: &str| {
        let attributes =
            vec![text("auto_pad", mode), ints("strides", &[2, 2]), ints("kernel_shape", &[3, 3])];
        let graph = File::new(13, &[1, 1, 6, 5]).node("MaxPool", &["x"], "y", attributes).read();
        assert_eq!(
            graph.output_shape(),
            if mode == "VALID" { Shape::new(1, 2, 2) } else { Shape::new(1, 3, 3) }
        );
        let Operator::MaxPool(pool) = graph.layers()[0].operator else { unreachable!() };
        pool.window.padding
    };
    assert_eq!(padding("SAME_UPPER"), Padding { top: 0, bottom: 1, left: 1, right: 1 });
    assert_eq!(padding("SAME_LOWER"), Padding { top: 1, bottom: 0, left: 1, right: 1 });
    assert_eq!(padding("VALID"), Padding::default());
    File::new(13, &[1, 1, 6, 5])
        .node(
            "MaxPool",
            &["x"],
            "y",
            vec![text("auto_pad", "WRONG"), ints("kernel_shape", &[3, 3])],
        )
        .assert_refused(&["auto_pad", "MaxPool:y", "WRONG"]);
}

#[test]
fn constants_from_nodes_and_shared_ones() {
    let shape = AttributeProto {
        name: "value".to_owned(),
        t: Some(integers("", &[1, 2])),
        ..AttributeProto::default()
    };
    let graph = File::new(13, &[1, 2, 1, 1])
        .any_floats("w", &[2, 2])
        .node("Identity", &["w"], "w2", vec![])
        .node("Constant", &[], "shape", vec![shape])
        .node("Reshape", &["x", "shape"], "f", vec![])
        .node("Gemm", &["f", "w", ""], "a", vec![int("transB", 1)])
        .node("Dropout", &["a"], "d", vec![])
        .node("Gemm", &["d", "w2"], "y", vec![int("transB", 1)])
        .read();
    assert_eq!(kinds(&graph), ["fully_connected", "fully_connected"]);
}

#[test]
fn images_of_unknown_or_unsupported_form_are_refused() {
    let pool = |sides: &[i64]| File::new(13, sides).node("GlobalAveragePool", &["x"], "y", vec![]);
    pool(&[2, 3, 4, 4]).assert_refused(&["`x`", "2 images"]);
    pool(&[1, 3, -1, 4]).assert_refused(&["`x`", "not a number"]);
    pool(&[1, 3, 4]).assert_refused(&["`x`", "3 sides"]);
    pool(&[1, 3, 0, 4]).assert_refused(&["`x`"]);
    pool(&[1, i64::MAX, 2, 2]).assert_refused(&["`x`"]);
    pool(&[1, 1 << 20, 1 << 20, 1]).assert_refused(&["`x`", "values"]);
    let mut two = pool(&[1, 3, 4, 4]);
    two.graph().input.push(value("z", &[1, 3, 4, 4]));
    two.assert_refused(&["2 inputs", "x, z"]);
    let mut none = pool(&[1, 3, 4, 4]);
    none.graph().output.clear();
    none.assert_refused(&["0 outputs"]);
}

#[test]
fn operators_and_attributes_that_are_not_known_are_named() {
    let lstm = File::new(13, &[1, 1, 2, 2]).node("LSTM", &["x"], "y", vec![]);
    lstm.assert_refused(&["LSTM:y", "LSTM", "AveragePool, BatchNormalization"]);
    let mut custom = File::new(13, &[1, 1, 2, 2]).node("Relu", &["x"], "y", vec![]);
    custom.graph().node[0].domain = "com.example".to_owned();
    custom.assert_refused(&["com.example.Relu"]);
    let attribute = File::new(13, &[1, 1, 2, 2]).node("Relu", &["x"], "y", vec![int("slope", 1)]);
    attribute.assert_refused(&["slope", "Relu:y"]);
    let dilated = vec![ints("kernel_shape", &[2, 2]), ints("dilations", &[2, 2])];
    File::new(13, &[1, 1, 9, 9])
        .node("MaxPool", &["x"], "y", dilated)
        .assert_refused(&["MaxPool:y", "dilated"]);
    let three_dimensional = vec![ints("kernel_shape", &[2, 2, 2])];
    File::new(13, &[1, 1, 9, 9])
        .node("MaxPool", &["x"], "y", three_dimensional)
        .assert_refused(&["kernel_shape", "3"]);
    let negative = vec![ints("kernel_shape", &[2, 2]), ints("pads", &[-1, 0, 0, 0])];
    File::new(13, &[1, 1, 9, 9])
        .node("MaxPool", &["x"], "y", negative)
        .assert_refused(&["pads", "-1"]);
    for axes in [&[1][..], &[2], &[0, 2, 3]] {
        File::new(9, &[1, 2, 9, 9])
            .node("ReduceMean", &["x"], "y", vec![ints("axes", axes)])
            .assert_refused(&["ReduceMean:y", &format!("{axes:?}")]);
    }
    File::new(9, &[1, 2, 9, 9])
        .node("ReduceMean", &["x"], "y", vec![])
        .assert_refused(&["ReduceMean:y", "[0, 1, 2, 3]"]);
    File::new(13, &[1, 2, 9, 9])
        .integers("axes", &[2, 3])
        .node("Squeeze", &["x", "axes"], "y", vec![])
        .assert_refused(&["Squeeze:y", "[2, 3]", "1×2×9×9"]);
    File::new(9, &[1, 2, 1, 1])
        .node("Squeeze", &["x"], "y", vec![ints("axes", &[4])])
        .assert_refused(&["Squeeze:y", "axis 4"]);
    File::new(9, &[1, 2, 1, 1])
        .node("Unsqueeze", &["x"], "y", vec![ints("axes", &[2, 3])])
        .assert_refused(&["Unsqueeze:y", "[2, 3]"]);
    let mut training = File::new(13, &[1, 1, 2, 2]).any_floats("ratio", &[]);
    training.graph().initializer.push(TensorProto {
        name: "training".to_owned(),
        data_type: data_type::BOOL,
        raw_data: vec![1].into(),
        ..TensorProto::default()
    });
    training
        .node("Dropout", &["x", "ratio", "training"], "y", vec![])
        .assert_refused(&["Dropout:y", "training"]);
    for opset in [8, 18, i64::MAX, -1] {
        File::new(opset, &[1, 1, 2, 2])
            .node("Relu", &["x"], "y", vec![])
            .assert_refused(&["operator set", "9 to 17"]);
    }
}

#[test]
fn constants_that_are_missing_or_contradict_themselves_are_named() {
    let conv = |file: File| file.node("Conv", &["x", "w"], "y", vec![]);
    let start = || File::new(13, &[1, 2, 4, 4]);
    conv(start()).assert_refused(&["Conv:y", "`w`", "no such initialiser"]);
    conv(start().floats("w", &[2, 2, 1, 1], &[1.0; 3])).assert_refused(&[
        "`w`",
        "3 values",
        "ask for 4",
    ]);
    conv(start().floats("w", &[1 << 40, 2, 1, 1], &[1.0; 3]))
        .assert_refused(&["`w`", "1099511627776"]);
    conv(start().floats("w", &[i64::MAX, i64::MAX, 4, 4], &[])).assert_refused(&["`w`"]);
    conv(start().floats("w", &[2, -2, 1, 1], &[1.0; 4])).assert_refused(&["`w`", "-2"]);
    conv(start().floats("w", &[0, 2, 1, 1], &[])).assert_refused(&["1×0×4×4"]);
    conv(start().floats("w", &[2, 3, 1, 1], &[1.0; 6])).assert_refused(&[
        "Conv:y",
        "[2, 3, 1, 1]",
        "1×2×4×4",
    ]);
    conv(start().floats("w", &[2, 2, 9, 9], &[1.0; 324])).assert_refused(&[
        "Conv:y",
        "9×9",
        "1×2×4×4",
    ]);
    conv(start().floats("w", &[1, 2, 1, 1], &[1.0, f32::NAN]))
        .assert_refused(&["`w`", "position 1"]);
    let mut outside = conv(start().floats("w", &[2, 2, 1, 1], &[]));
    outside.graph().initializer[0].data_location = DATA_LOCATION_EXTERNAL;
    outside.assert_refused(&["`w`", "outside the file"]);
    let mut half = conv(start().any_floats("w", &[2, 2, 1, 1]));
    half.graph().initializer[0].data_type = 10;
    half.assert_refused(&["`w`", "data type 10", "FP32"]);
}

#[test]
fn graphs_that_do_not_hang_together_are_refused() {
    let shape = || File::new(13, &[1, 2, 4, 4]);
    shape().node("Relu", &["nothing"], "y", vec![]).assert_refused(&["Relu:y", "`nothing`"]);
    shape().node("Relu", &["x"], "z", vec![]).assert_refused(&["`y`"]);
    shape()
        .node("Relu", &["x"], "y", vec![])
        .node("Relu", &["x"], "y", vec![])
        .assert_refused(&["`y`", "more than once"]);
    shape()
        .node("Relu", &["x"], "x", vec![])
        .node("Relu", &["x"], "y", vec![])
        .assert_refused(&["`x`"]);
    shape()
        .node("Relu", &["b"], "a", vec![])
        .node("Relu", &["a"], "b", vec![])
        .node("Relu", &["b"], "y", vec![])
        .assert_refused(&["circle", "Relu:a", "Relu:b"]);
    shape().node("Identity", &["x"], "y", vec![]).assert_refused(&["no layer"]);
    shape()
        .node("GlobalAveragePool", &["x"], "small", vec![])
        .node("Add", &["x", "small"], "y", vec![])
        .assert_refused(&["Add:y", "1×2×4×4", "1×2×1×1"]);
    shape()
        .node("Flatten", &["x"], "f", vec![])
        .node("Softmax", &["f"], "y", vec![])
        .assert_refused(&["Softmax:y", "flattened"]);
    shape().node("Softmax", &["x"], "y", vec![]).assert_refused(&["axis", "-1"]);
    File::new(9, &[1, 2, 4, 4])
        .node("Softmax", &["x"], "y", vec![])
        .assert_refused(&["Softmax:y", "operator set 9"]);
    shape()
        .integers("s", &[1, 4, 4, 2])
        .node("Reshape", &["x", "s"], "y", vec![])
        .assert_refused(&["Reshape:y"]);
    shape()
        .any_floats("c", &[2, 4, 4])
        .node("Add", &["x", "c"], "y", vec![])
        .assert_refused(&["Add:y", "[2, 4, 4]"]);
}
