//! Random layers against the oracle, with the kernels forced on wherever the CPU can run them.

use proptest::prelude::*;

use crate::executor::Executor;
use crate::graph::{
    Activation, Conv2d, Extent, FullyConnected, Graph, GraphBuilder, Operator, Padding, Shape,
    Window,
};
use crate::reference::Reference;
use crate::synthetic_image;
use crate::xnnpack::{Products, Xnnpack};

/// `count` constants of either sign, small enough that sums of `fan_in` stay near 1.
fn constants(count: usize, fan_in: usize, seed: u64) -> Vec<f32> {
    let values = synthetic_image(Shape::vector(count), seed, 0).unwrap().into_values();
    values.into_iter().map(|value| value / (fan_in as f32).sqrt()).collect()
}

/// Whether these kernels can be tested. Where they cannot, tests say so, and in CI fail.
fn runs_here() -> bool {
    let here = super::runs_here();
    if !here {
        assert!(std::env::var_os("CI").is_none(), "in CI: this CPU has no FMA3");
        eprintln!("SKIPPED: this CPU has no FMA3, so the kernels for it are not tested");
    }
    here
}

/// Fails unless these kernels give the oracle's result, within 1e-4 of its range, twice: the
/// second run finds what the first has left in the buffers.
fn assert_agrees(graph: &Graph, threads: usize) {
    if !runs_here() {
        return;
    }
    let mut ours = Xnnpack::with_products(graph, threads, Products::Ours).unwrap();
    let mut reference = Reference::new(graph).unwrap();
    for index in 0..2 {
        let image = synthetic_image(graph.input_shape(), 3, index).unwrap();
        let expected = reference.run(&image, &mut ()).unwrap();
        let actual = ours.run(&image, &mut ()).unwrap();
        let range = expected.values().iter().fold(1e-3_f32, |range, value| range.max(value.abs()));
        for (index, (actual, expected)) in actual.values().iter().zip(expected.values()).enumerate()
        {
            let error = (actual - expected).abs() / range;
            assert!(
                error <= 1e-4,
                "value {index} is {actual}, not {expected}: {:?}",
                graph.layers()
            );
        }
    }
}

fn activation() -> impl Strategy<Value = Activation> {
    prop_oneof![
        Just(Activation::Identity),
        Just(Activation::Relu),
        Just(Activation::RELU6),
        Just(Activation::Clip { min: -0.4, max: 0.3 }),
    ]
}

fn window() -> impl Strategy<Value = Window> {
    let extent = |least: usize, most: usize| {
        (least..=most, least..=most).prop_map(|(height, width)| Extent::new(height, width))
    };
    let padding = [0..4_usize, 0..4, 0..4, 0..4].prop_map(|[top, left, bottom, right]| Padding {
        top,
        left,
        bottom,
        right,
    });
    (extent(1, 5), extent(1, 3), extent(1, 2), padding).prop_map(
        |(kernel, stride, dilation, padding)| Window { kernel, stride, dilation, padding },
    )
}

/// A convolution of an image, and the image's shape.
fn convolution() -> impl Strategy<Value = (Conv2d, Shape)> {
    let groups = prop_oneof![3 => Just(1_usize), 1 => 2..4_usize];
    // Long runs are cut into blocks, so some must be long.
    let channels = prop_oneof![6 => 1..40_usize, 1 => 380..500_usize];
    let numbers = (groups, channels, 1..40_usize, 9..16_usize, 9..16_usize);
    (numbers, window(), activation(), any::<bool>(), 0..100_u64).prop_map(
        |((groups, inputs, outputs, height, width), window, activation, bias, seed)| {
            let fan_in = inputs * window.kernel.area();
            let conv = Conv2d {
                window,
                groups,
                input_channels: groups * inputs,
                output_channels: groups * outputs,
                weights: constants(groups * outputs * fan_in, fan_in, seed).into(),
                bias: bias.then(|| constants(groups * outputs, 4, seed + 1).into()),
                activation,
            };
            (conv, Shape::new(groups * inputs, height, width))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn convolutions((conv, shape) in convolution(), threads in 1..4_usize) {
        let mut builder = GraphBuilder::new("convolution", "image", shape).unwrap();
        let output = builder.add("conv", Operator::Conv2d(conv), &[builder.input()]).unwrap();
        assert_agrees(&builder.finish(output).unwrap(), threads);
    }

    /// Joined in place: read and written with gaps between pixels.
    #[test]
    fn convolutions_between_joined_tensors(
        first in 1..30_usize,
        (conv, shape) in convolution(),
        threads in 1..3_usize,
    ) {
        let mut builder = GraphBuilder::new("joined", "image", shape).unwrap();
        let image = builder.input();
        let pointwise = |outputs: usize, seed| Operator::Conv2d(Conv2d {
            window: Window::square(1, 1, 0),
            groups: 1,
            input_channels: shape.channels,
            output_channels: outputs,
            weights: constants(outputs * shape.channels, shape.channels, seed).into(),
            bias: None,
            activation: Activation::Identity,
        });
        let one = builder.add("one", pointwise(first, 7), &[image]).unwrap();
        let two = builder.add("two", pointwise(shape.channels, 8), &[image]).unwrap();
        let joined = builder.add("joined", Operator::Concat, &[one, two, image]).unwrap();
        // Reads the second part of the joined tensor where it lies.
        let conv = builder.add("conv", Operator::Conv2d(conv), &[two]).unwrap();
        let average = |builder: &mut GraphBuilder, name: &str, tensor| {
            builder.add(name, Operator::GlobalAveragePool, &[tensor]).unwrap()
        };
        let (left, right) =
            (average(&mut builder, "left", joined), average(&mut builder, "right", conv));
        let output = builder.add("output", Operator::Concat, &[left, right]).unwrap();
        assert_agrees(&builder.finish(output).unwrap(), threads);
    }

    #[test]
    fn fully_connected_layers(
        (channels, side, outputs) in (1..200_usize, 1..4_usize, 1..150_usize),
        (activation, bias) in (activation(), any::<bool>()),
        threads in 1..4_usize,
    ) {
        let shape = Shape::new(channels, side, side);
        let inputs = shape.elements();
        let dense = FullyConnected {
            input_features: inputs,
            output_features: outputs,
            weights: constants(outputs * inputs, inputs, 1).into(),
            bias: bias.then(|| constants(outputs, 4, 2).into()),
            activation,
        };
        let mut builder = GraphBuilder::new("dense", "image", shape).unwrap();
        let output =
            builder.add("dense", Operator::FullyConnected(dense), &[builder.input()]).unwrap();
        assert_agrees(&builder.finish(output).unwrap(), threads);
    }
}

/// What overflows must be seen to: NaN passes the bounds.
#[test]
fn infinities_are_not_hidden() {
    if !runs_here() {
        return;
    }
    let shape = Shape::new(2, 1, 1);
    let conv = Conv2d {
        window: Window::square(1, 1, 0),
        groups: 1,
        input_channels: 2,
        output_channels: 1,
        weights: vec![f32::INFINITY, f32::NEG_INFINITY].into(),
        bias: None,
        activation: Activation::Identity,
    };
    let mut builder = GraphBuilder::new("overflow", "image", shape).unwrap();
    let output = builder.add("conv", Operator::Conv2d(conv), &[builder.input()]).unwrap();
    let graph = builder.finish(output).unwrap();
    let image = crate::Tensor::new(shape, vec![1.0, 1.0]).unwrap();
    let mut ours = Xnnpack::with_products(&graph, 1, Products::Ours).unwrap();
    assert!(ours.run(&image, &mut ()).unwrap().values()[0].is_nan());
}
