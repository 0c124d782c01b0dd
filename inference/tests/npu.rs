//! The NPU's arithmetic against FP32.

use wattline_inference::cost::ElementType;
use wattline_inference::executor::{self, Executor, ExecutorError};
use wattline_inference::graph::{Activation, FullyConnected, Graph, GraphBuilder, Operator, Shape};
use wattline_inference::npu::Fp16;
use wattline_inference::reference::Reference;
use wattline_inference::{Tensor, synthetic_image, zoo};

/// The largest difference from FP32, as a share of the range of FP32's result, over two images.
fn error(graph: &Graph) -> f32 {
    let fastest = executor::names().last().copied().unwrap();
    let mut full = executor::open(fastest, graph, 2).unwrap();
    let mut half = Fp16::new(graph, &[], 2).unwrap();
    let errors = (0..2).map(|index| {
        let image = synthetic_image(graph.input_shape(), 3, index).unwrap();
        let expected = full.run(&image, &mut ()).unwrap();
        let actual = half.run(&image, &mut ()).unwrap();
        assert_eq!(actual.shape(), expected.shape());
        assert_eq!(actual.argmax(), expected.argmax(), "{}", graph.name());
        let values = expected.values();
        let range = values.iter().fold(f32::NEG_INFINITY, |most, &value| most.max(value))
            - values.iter().fold(f32::INFINITY, |least, &value| least.min(value));
        let differences = actual.values().iter().zip(values).map(|(a, b)| (a - b).abs());
        differences.fold(0.0, f32::max) / range
    });
    errors.fold(0.0, f32::max)
}

/// Within 1e-2, and more than a rounding of the result alone would make of it.
#[test]
fn networks_come_within_a_hundredth_of_fp32_and_not_closer_than_fp16_can() {
    for (name, side) in [("squeezenet", 64), ("googlenet", 115), ("resnet50", 64), ("alexnet", 67)]
    {
        let error = error(&zoo::graph_at(name, side, 1).unwrap());
        println!("{name} at {side}: {error:.1e} of the range");
        assert!(error <= 1e-2, "{name}: {error}");
        assert!(error >= 1e-5, "{name}: {error} is FP32, not FP16");
    }
}

/// A matrix–vector product of `values`, to one output.
fn dot(values: Vec<f32>) -> Graph {
    let shape = Shape::vector(values.len());
    let mut builder = GraphBuilder::new("dot", "image", shape).unwrap();
    let operator = Operator::FullyConnected(FullyConnected {
        input_features: values.len(),
        output_features: 1,
        weights: values.into(),
        bias: None,
        activation: Activation::Identity,
    });
    let output = builder.add("dot", operator, &[builder.input()]).unwrap();
    builder.finish(output).unwrap()
}

fn run(graph: &Graph, image: Vec<f32>) -> Result<f32, ExecutorError> {
    let image = Tensor::new(graph.input_shape(), image).unwrap();
    Ok(Fp16::new(graph, &[], 1)?.run(&image, &mut ())?.values()[0])
}

/// By hand: 0.1 becomes 1638/16384 on both sides, the square 0.009995… is rounded again.
#[test]
fn weights_image_and_result_are_rounded() {
    let tenth = 1638.0_f32 / 16384.0;
    let value = run(&dot(vec![0.1]), vec![0.1]).unwrap();
    // Between 2⁻⁷ and 2⁻⁶ FP16's steps are 2⁻¹⁷.
    let step = 2.0_f32.powi(-17);
    assert_eq!(value, (tenth * tenth / step).round() * step);
}

/// Whichever executor a build has: a third is 1365.33 steps of 2⁻¹².
#[test]
fn the_reference_rounds_what_layers_give() {
    let graph = dot(vec![1.0 / 3.0]);
    let image = Tensor::new(graph.input_shape(), vec![1.0]).unwrap();
    let mut half = Reference::new(&graph).unwrap().storing(ElementType::F16);
    assert_eq!(half.run(&image, &mut ()).unwrap().values(), [1365.0 / 4096.0]);
    let mut full = Reference::new(&graph).unwrap();
    assert_eq!(full.run(&image, &mut ()).unwrap().values(), [1.0 / 3.0]);
}

/// 2048 + 1 is a tie that FP16 rounds to 2048, so a sum in FP16 would never pass it.
#[test]
fn sums_are_of_fp32() {
    let mut values = vec![1.0; 65];
    values[0] = 2048.0;
    assert_eq!(run(&dot(values), vec![1.0; 65]).unwrap(), 2112.0);
}

#[test]
fn what_fp16_cannot_hold_names_the_layer() {
    let text = |result: Result<f32, ExecutorError>| result.unwrap_err().to_string();
    let what = |what| {
        format!("{what} of layer `dot` exceed what FP16 can hold, ±65504; run the network in FP32")
    };
    assert_eq!(text(run(&dot(vec![1e5]), vec![1.0])), what("weights"));
    assert_eq!(text(run(&dot(vec![1.0]), vec![1e5])), what("inputs"));
    assert_eq!(text(run(&dot(vec![300.0]), vec![300.0])), what("outputs"));
}

#[test]
fn refused_operators_are_named_with_their_node() {
    let refuses = ["depthwise_conv2d".to_owned()];
    let mobilenet = zoo::graph_at("mobilenet", 32, 1).unwrap();
    let first = mobilenet.layers().iter().find(|layer| layer.operator.is_depthwise()).unwrap();
    let error = Fp16::new(&mobilenet, &refuses, 1).unwrap_err().to_string();
    let expected = format!(
        "not supported: layer `{}` is a depthwise_conv2d, which `npu-fp16` refuses; \
         run the network on another component",
        first.name
    );
    assert_eq!(error, expected);
    assert!(Fp16::new(&zoo::graph_at("squeezenet", 64, 1).unwrap(), &refuses, 1).is_ok());
}
