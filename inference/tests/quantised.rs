//! Networks in 8-bit steps: the executors against each other, against FP32, and through ONNX.

use proptest::prelude::*;
use wattline_inference::cost::{ElementType, graph_cost, graph_macs, layer_costs};
use wattline_inference::graph::{
    Extent, Graph, GraphBuilder, Operator, Padding, Quantisation, QuantisedConv2d, Shape, Window,
};
use wattline_inference::{Tensor, executor, npu, onnx, synthetic_image, zoo};

/// Numbers of one seed, spread over whole steps.
fn steps(count: usize, seed: u64) -> Vec<i8> {
    let drawn = synthetic_image(Shape::vector(count), seed, 0).unwrap();
    drawn.values().iter().map(|value| (value * 70.0) as i8).collect()
}

/// One quantised convolution between a layer that makes steps and one that undoes it.
fn network(shape: Shape, groups: usize, outputs: usize, window: Window, seed: u64) -> Graph {
    let input = Quantisation { scale: 0.021, zero_point: (seed % 200) as i8 };
    let reduction = shape.channels / groups * window.kernel.area();
    // Sums of random signs grow with the root of their length; the output's steps go along, so
    // that few of them are the first or the last.
    let output = Quantisation { scale: 0.2 * (reduction as f32).sqrt(), zero_point: -9 };
    let scales: Vec<f32> = (0..outputs).map(|channel| 0.01 + 0.003 * channel as f32).collect();
    let conv = QuantisedConv2d {
        window,
        groups,
        input_channels: shape.channels,
        output_channels: outputs,
        input,
        output,
        weights: steps(outputs * reduction, seed).into(),
        scales: scales.into(),
        bias: Some(
            (0..outputs as i32).map(|channel| 37 * channel - 400).collect::<Vec<_>>().into(),
        ),
    };
    let mut builder = GraphBuilder::new("net", "image", shape).unwrap();
    let image = builder.input();
    let quantised = builder.add("quantise", Operator::Quantise(input), &[image]).unwrap();
    let conv = builder.add("conv", Operator::QuantisedConv2d(conv), &[quantised]).unwrap();
    let result = builder.add("dequantise", Operator::Dequantise(output), &[conv]).unwrap();
    builder.finish(result).unwrap()
}

fn result(name: &str, graph: &Graph, image: &Tensor) -> Tensor {
    executor::open(name, graph, 2).unwrap().run(image, &mut ()).unwrap()
}

/// How many steps of `scale` the results of all executors are at most apart from the reference.
fn furthest_apart(graph: &Graph, scale: f32) -> f32 {
    let image = synthetic_image(graph.input_shape(), 3, 0).unwrap();
    let expected = result("reference", graph, &image);
    let apart = |name: &&str| {
        let actual = result(name, graph, &image);
        let pairs = actual.values().iter().zip(expected.values());
        pairs.map(|(a, b)| ((a - b) / scale).abs().round()).fold(0.0, f32::max)
    };
    // What OpenCL refuses, and in which words, is in the suite against ONNX Runtime.
    let names = executor::names();
    names.iter().filter(|name| **name != "opencl").map(apart).fold(0.0, f32::max)
}

#[test]
fn convolutions_of_every_sort_agree_to_a_step() {
    let square = Window::square;
    let uneven = Window {
        kernel: Extent::new(2, 3),
        stride: Extent::new(2, 1),
        dilation: Extent::new(1, 2),
        padding: Padding { top: 1, left: 2, bottom: 0, right: 3 },
    };
    for (shape, groups, outputs, window) in [
        (Shape::new(3, 17, 13), 1, 8, square(3, 2, 1)),
        (Shape::new(16, 9, 9), 1, 33, square(1, 1, 0)),
        (Shape::new(24, 9, 11), 24, 24, square(3, 1, 1)),
        (Shape::new(24, 12, 12), 24, 24, square(3, 2, 1)),
        (Shape::new(8, 10, 10), 2, 6, square(3, 1, 1)),
        (Shape::new(6, 9, 9), 6, 12, square(5, 1, 2)),
        (Shape::new(4, 9, 12), 1, 5, uneven),
        (Shape::new(1024, 1, 1), 1, 100, square(1, 1, 0)),
    ] {
        let graph = network(shape, groups, outputs, window, 5);
        let scale = match &graph.layers()[1].operator {
            Operator::QuantisedConv2d(conv) => conv.output.scale,
            other => panic!("{other:?}"),
        };
        let apart = furthest_apart(&graph, scale);
        assert!(apart <= 1.0, "{shape} in {groups} groups, {window:?}: {apart} steps apart");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn random_convolutions_agree_to_a_step_and_survive_onnx(
        channels in 1_usize..20,
        side in 3_usize..12,
        outputs in 1_usize..20,
        kernel in 1_usize..4,
        stride in 1_usize..3,
        depthwise: bool,
        seed in 0_u64..1000,
    ) {
        let (groups, outputs) = if depthwise { (channels, channels) } else { (1, outputs) };
        let window = Window::square(kernel, stride, kernel / 2);
        let graph = network(Shape::new(channels, side, side), groups, outputs, window, seed);
        let scale = graph.tensors()[2].steps.unwrap().scale;
        prop_assert!(furthest_apart(&graph, scale) <= 1.0);
        prop_assert_eq!(onnx::read(onnx::write(&graph).unwrap()).unwrap(), graph);
    }

    #[test]
    fn damaged_files_never_panic(damage in prop::collection::vec((0.0_f64..1.0, any::<u8>()), 1..8)) {
        let graph = network(Shape::new(4, 5, 5), 1, 3, Window::square(3, 1, 1), 1);
        let mut file = onnx::write(&graph).unwrap();
        for (place, byte) in damage {
            let place = (place * file.len() as f64) as usize;
            file[place] = byte;
        }
        if let Ok(graph) = onnx::read(file) {
            let image = synthetic_image(graph.input_shape(), 1, 0).unwrap();
            if let Ok(mut reference) = executor::open("reference", &graph, 1) {
                let _ = reference.run(&image, &mut ());
            }
        }
    }
}

#[test]
fn mobilenet_has_conversions_of_its_own() {
    let graph = zoo::graph_structure("mobilenet-int8").unwrap();
    let count = |kind: &str| graph.layers().iter().filter(|it| it.operator.kind() == kind).count();
    assert_eq!(count("quantised_conv2d"), 15, "14 and the classifier");
    assert_eq!(count("quantised_depthwise_conv2d"), 13);
    assert_eq!((count("quantise"), count("dequantise")), (2, 2));
    assert_eq!((count("conv2d"), count("fully_connected")), (0, 0));
    let fp32 = zoo::graph_structure("mobilenet").unwrap();
    assert_eq!(graph.parameters(), fp32.parameters());
    assert_eq!(graph_macs(&graph), graph_macs(&fp32));
    // A quarter of the bytes, near enough: conversions and FP32 pooling add, as do the scales.
    let bytes = |graph| graph_cost(graph, ElementType::F32).bytes_theoretical() as f64;
    let ratio = bytes(&graph) / bytes(&fp32);
    assert!((0.25..0.30).contains(&ratio), "{ratio}");
    // 3 × 224 × 224 values, four bytes in and one out.
    let first = layer_costs(&graph, ElementType::F32)[0];
    assert_eq!((first.input_bytes, first.output_bytes), (4 * 150_528, 150_528));
    assert_eq!(first.flops, 2 * 150_528);
}

/// Seeded images on a small and on the full network: how often the likeliest class is the same as
/// in FP32, and how far the last steps of two executors are apart.
#[test]
fn mobilenet_agrees_with_itself_and_mostly_with_fp32() {
    const IMAGES: u64 = 20;
    let (quantised, fp32) = (
        zoo::graph_at("mobilenet-int8", 128, 1).unwrap(),
        zoo::graph_at("mobilenet", 128, 1).unwrap(),
    );
    let fastest = executor::names().last().copied().unwrap();
    let open = |name, graph| executor::open(name, graph, 2).unwrap();
    let mut reference = open("reference", &quantised);
    let (mut fast, mut exact) = (open(fastest, &quantised), open(fastest, &fp32));
    let (mut same, mut as_fp32, mut worst) = (0, 0, 0.0_f32);
    for index in 0..IMAGES {
        let image = synthetic_image(quantised.input_shape(), 9, index).unwrap();
        let expected = reference.run(&image, &mut ()).unwrap();
        let actual = fast.run(&image, &mut ()).unwrap();
        let fp32 = exact.run(&image, &mut ()).unwrap();
        same += u64::from(actual.argmax() == expected.argmax());
        as_fp32 += u64::from(actual.argmax() == fp32.argmax());
        let pairs = actual.values().iter().zip(expected.values());
        worst = worst.max(pairs.map(|(a, b)| (a / b).ln().abs()).fold(0.0, f32::max));
    }
    println!(
        "mobilenet-int8 over {IMAGES} images: likeliest class as the reference {same}, as FP32 {as_fp32}; \
         logits of the executors at most {worst:.4} apart"
    );
    assert_eq!(same, IMAGES, "the executors disagree");
    assert!(as_fp32 * 10 >= IMAGES * 7, "{as_fp32} of {IMAGES} classes are those of FP32");
}

/// What reads steps must be given those steps, and what computes in FP32 none.
#[test]
fn arithmetic_does_not_mix_unseen() {
    let steps = Quantisation { scale: 0.1, zero_point: 0 };
    let mut builder = GraphBuilder::new("net", "image", Shape::vector(4)).unwrap();
    let image = builder.input();
    let error =
        builder.add("early", Operator::Dequantise(steps), &[image]).unwrap_err().to_string();
    assert!(error.contains("early") && error.contains("quantise it before"), "{error}");
    let quantised = builder.add("quantise", Operator::Quantise(steps), &[image]).unwrap();
    let error = builder.add("softmax", Operator::Softmax, &[quantised]).unwrap_err().to_string();
    assert!(error.contains("softmax") && error.contains("dequantise it before"), "{error}");
    let other = Quantisation { zero_point: 1, ..steps };
    let error = builder.add("other", Operator::Dequantise(other), &[quantised]).unwrap_err();
    assert!(error.to_string().contains("steps of 0.1 around 0"), "{error}");
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e-40] {
        let broken = Quantisation { scale, zero_point: 0 };
        assert!(builder.add("broken", Operator::Quantise(broken), &[image]).is_err(), "{scale}");
    }
    let error = builder.finish(quantised).unwrap_err().to_string();
    assert!(error.contains("`quantise` is in 8-bit steps"), "{error}");
}

/// FP16 would round steps as if they were numbers.
#[test]
fn the_npus_arithmetic_refuses_steps() {
    let graph = network(Shape::new(4, 5, 5), 1, 3, Window::square(3, 1, 1), 1);
    let error = npu::Fp16::new(&graph, &[], 1).unwrap_err().to_string();
    assert!(error.contains("`quantise`") && error.contains("npu-fp16"), "{error}");
}
