//! One suite for every executor that this build has: each must agree with the reference.

use wattline_inference::executor::{self, Executor, LayerObserver};
use wattline_inference::graph::{
    Activation, AveragePool, Conv2d, Extent, FullyConnected, Graph, GraphBuilder,
    LocalResponseNorm, MaxPool, Operator, Padding, Shape, TensorId, Weights, Window,
};
use wattline_inference::opencl::{self, Device, DeviceChoice};
use wattline_inference::{Tensor, monotonic_ns, synthetic_image, zoo};

/// The OpenCL device that tests run on. Where there is none they say so and go without, but for
/// CI, where that is a failure.
fn opencl_device() -> Option<Device> {
    match opencl::choose(&DeviceChoice::Best) {
        Ok(device) => Some(device),
        Err(error) if std::env::var_os("CI").is_some() => panic!("in CI: {error}"),
        Err(error) => {
            eprintln!("SKIPPED, the opencl executor is not tested: {error}");
            None
        }
    }
}

/// Each executor, on one thread and on two.
fn executors(graph: &Graph) -> Vec<Box<dyn Executor>> {
    let open = |name: &&str, threads| executor::open(name, graph, threads).unwrap();
    let names = executor::names();
    names.iter().flat_map(|name| [open(name, 1), open(name, 2)]).collect()
}

/// Fails unless every executor gives the reference's result, within 1e-4 of its range, for
/// several images in turn: the second runs in buffers that the first has used.
#[track_caller]
fn assert_agree(graph: &Graph) {
    let mut reference = executor::open("reference", graph, 1).unwrap();
    let images: Vec<_> =
        (0..2).map(|index| synthetic_image(graph.input_shape(), 5, index).unwrap()).collect();
    let expected: Vec<_> =
        images.iter().map(|image| reference.run(image, &mut ()).unwrap()).collect();
    for mut executor in executors(graph) {
        for (image, expected) in images.iter().zip(&expected).chain([(&images[0], &expected[0])]) {
            let actual = executor.run(image, &mut ()).unwrap();
            assert_close(graph, executor.name(), &actual, expected);
        }
    }
}

#[track_caller]
fn assert_close(graph: &Graph, executor: &str, actual: &Tensor, expected: &Tensor) {
    assert_eq!(actual.shape(), expected.shape());
    let largest = expected.values().iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    assert!(
        largest.is_finite() && largest > 0.0,
        "{}: the reference gives nothing to compare",
        graph.name()
    );
    for (index, (actual, expected)) in actual.values().iter().zip(expected.values()).enumerate() {
        let error = (actual - expected).abs() / largest;
        assert!(
            error <= 1e-4,
            "{} on {executor}: value {index} is {actual}, not {expected} ({error:.1e} of the range)",
            graph.name()
        );
    }
}

/// Constants like weights: of either sign, and of a size that keeps sums near 1.
fn constants(count: usize, fan_in: usize, index: u64) -> Weights {
    let values = synthetic_image(Shape::vector(count), 11, index).unwrap().into_values();
    let scale = 1.0 / (fan_in as f32).sqrt();
    values.into_iter().map(|value| value * scale).collect::<Vec<_>>().into()
}

fn conv(
    shape: Shape,
    output_channels: usize,
    groups: usize,
    window: Window,
    activation: Activation,
) -> Operator {
    let fan_in = shape.channels / groups * window.kernel.area();
    Operator::Conv2d(Conv2d {
        window,
        groups,
        input_channels: shape.channels,
        output_channels,
        weights: constants(output_channels * fan_in, fan_in, 0),
        bias: Some(constants(output_channels, 4, 1)),
        activation,
    })
}

fn dense(shape: Shape, output_features: usize, activation: Activation) -> Operator {
    let input_features = shape.elements();
    Operator::FullyConnected(FullyConnected {
        input_features,
        output_features,
        weights: constants(output_features * input_features, input_features, 2),
        bias: Some(constants(output_features, 4, 3)),
        activation,
    })
}

/// A network of one layer over an image of `shape`, which it reads as many times as it wants.
fn single(name: &str, shape: Shape, operator: Operator) -> Graph {
    let mut builder = GraphBuilder::new(name, "image", shape).unwrap();
    let output = builder.add("layer", operator, &[builder.input()]).unwrap();
    builder.finish(output).unwrap()
}

fn window(
    kernel: (usize, usize),
    stride: (usize, usize),
    dilation: usize,
    padding: [usize; 4],
) -> Window {
    let [top, left, bottom, right] = padding;
    Window {
        kernel: Extent::new(kernel.0, kernel.1),
        stride: Extent::new(stride.0, stride.1),
        dilation: Extent::square(dilation),
        padding: Padding { top, left, bottom, right },
    }
}

#[test]
fn convolutions() {
    let shape = Shape::new(6, 13, 11);
    for window in [
        Window::square(1, 1, 0),
        Window::square(1, 2, 0),
        Window::square(3, 1, 1),
        Window::square(3, 2, 1),
        Window::square(5, 1, 2),
        Window::square(7, 3, 0),
        window((1, 3), (2, 1), 1, [0, 1, 0, 1]),
        window((3, 3), (2, 2), 1, [0, 0, 1, 1]),
        window((3, 2), (1, 2), 2, [2, 1, 0, 3]),
    ] {
        for (groups, outputs) in [(1, 7), (2, 8), (3, 3), (6, 6), (6, 12)] {
            for activation in
                [Activation::Identity, Activation::Relu, Activation::Clip { min: -0.3, max: 0.2 }]
            {
                let name = format!("{window:?} in {groups} groups");
                assert_agree(&single(
                    &name,
                    shape,
                    conv(shape, outputs, groups, window, activation),
                ));
            }
        }
    }
}

#[test]
fn convolutions_without_bias() {
    let shape = Shape::new(3, 9, 9);
    let Operator::Conv2d(conv) = conv(shape, 16, 1, Window::square(3, 1, 1), Activation::Relu)
    else {
        unreachable!()
    };
    assert_agree(&single("no bias", shape, Operator::Conv2d(Conv2d { bias: None, ..conv })));
}

#[test]
fn fully_connected_layers_of_vectors_and_images() {
    for shape in [Shape::vector(37), Shape::new(5, 3, 4)] {
        for activation in [Activation::Identity, Activation::Relu] {
            assert_agree(&single("dense", shape, dense(shape, 10, activation)));
        }
    }
}

#[test]
fn pools() {
    let shape = Shape::new(19, 12, 15);
    for window in [
        Window::square(1, 1, 0),
        Window::square(1, 2, 0),
        Window::square(2, 2, 0),
        Window::square(3, 2, 0),
        Window::square(3, 2, 1),
        Window::square(3, 1, 1),
        Window::square(2, 3, 0),
        Window::square(5, 4, 2),
        window((2, 3), (2, 3), 1, [1, 0, 0, 2]),
        window((4, 1), (3, 1), 1, [0, 0, 3, 0]),
        window((12, 15), (1, 1), 1, [0; 4]),
    ] {
        for ceil_mode in [false, true] {
            let max = Operator::MaxPool(MaxPool { window, ceil_mode });
            assert_agree(&single(&format!("max {window:?} {ceil_mode}"), shape, max));
            for count_include_pad in [false, true] {
                let average =
                    Operator::AveragePool(AveragePool { window, ceil_mode, count_include_pad });
                let name = format!("average {window:?} {ceil_mode} {count_include_pad}");
                assert_agree(&single(&name, shape, average));
            }
        }
    }
}

#[test]
fn normalisation_activation_and_softmax() {
    for shape in [Shape::new(23, 5, 6), Shape::new(3, 2, 2), Shape::vector(1000)] {
        for (size, beta) in [(5, 0.75), (4, 0.75), (1, 0.5), (7, 1.25)] {
            let norm = LocalResponseNorm { size, alpha: 0.3, beta, bias: 1.5 };
            assert_agree(&single(&format!("{norm:?}"), shape, Operator::LocalResponseNorm(norm)));
        }
        for activation in [
            Activation::Relu,
            Activation::RELU6,
            Activation::Clip { min: -0.5, max: f32::INFINITY },
        ] {
            assert_agree(&single("clamp", shape, Operator::Clamp(activation)));
        }
        assert_agree(&single("softmax", shape, Operator::Softmax));
        assert_agree(&single("global average", shape, Operator::GlobalAveragePool));
    }
}

#[test]
fn additions() {
    let shape = Shape::new(9, 7, 5);
    for activation in [Activation::Identity, Activation::Relu] {
        let mut builder = GraphBuilder::new("add", "image", shape).unwrap();
        let conv = conv(shape, 9, 1, Window::square(1, 1, 0), Activation::Identity);
        let left = builder.add("left", conv, &[builder.input()]).unwrap();
        let sum = builder.add("sum", Operator::Add(activation), &[left, builder.input()]).unwrap();
        let twice = builder.add("twice", Operator::Add(activation), &[sum, sum]).unwrap();
        assert_agree(&builder.finish(twice).unwrap());
    }
}

/// Joined tensors that can and cannot be written in place: the image itself, a sum, a tensor
/// joined twice, one joined and read elsewhere, a join of joins.
#[test]
fn concatenations() {
    let shape = Shape::new(4, 6, 7);
    let mut builder = GraphBuilder::new("concat", "image", shape).unwrap();
    let image = builder.input();
    let mut add = |name: &str, operator: Operator, inputs: &[TensorId]| {
        builder.add(name, operator, inputs).unwrap()
    };
    let layer = |outputs| conv(shape, outputs, 1, Window::square(3, 1, 1), Activation::Relu);
    let one = add("one", layer(5), &[image]);
    let two = add("two", layer(4), &[image]);
    let sum = add("sum", Operator::Add(Activation::Relu), &[two, image]);
    let pool = Operator::MaxPool(MaxPool { window: Window::square(3, 1, 1), ceil_mode: false });
    let pool = add("pool", pool, &[one]);
    let first = add("first", Operator::Concat, &[one, image, pool, sum, one]);
    let again = add("again", Operator::Concat, &[pool, two]);
    let third = add("third", Operator::Clamp(Activation::RELU6), &[image]);
    let joined = add("joined", Operator::Concat, &[first, third, again]);
    let alone = add("alone", Operator::Concat, &[joined]);
    let dense_input = Shape::new(4, 6, 7);
    let read_elsewhere = add("elsewhere", dense(dense_input, 3, Activation::Relu), &[third]);
    let average = add("average", Operator::GlobalAveragePool, &[alone]);
    let vectors = add("vectors", Operator::Concat, &[average, read_elsewhere]);
    let output = add("softmax", Operator::Softmax, &[vectors]);
    assert_agree(&builder.finish(output).unwrap());
}

/// The output of a network may be read by its layers, or be a join, or both.
#[test]
fn an_output_that_is_read_on_the_way() {
    let shape = Shape::new(4, 6, 7);
    let mut builder = GraphBuilder::new("output", "image", shape).unwrap();
    let conv = conv(shape, 4, 1, Window::square(3, 1, 1), Activation::Relu);
    let one = builder.add("one", conv, &[builder.input()]).unwrap();
    let joined = builder.add("joined", Operator::Concat, &[one, builder.input()]).unwrap();
    assert_agree(&builder.finish(joined).unwrap());
}

#[test]
fn alexnet() {
    assert_agree(&zoo::graph_at("alexnet", 115, 1).unwrap());
}

#[test]
fn googlenet() {
    assert_agree(&zoo::graph_at("googlenet", 96, 1).unwrap());
}

#[test]
fn mobilenet() {
    assert_agree(&zoo::graph_at("mobilenet", 96, 1).unwrap());
}

#[test]
fn resnet50() {
    assert_agree(&zoo::graph_at("resnet50", 96, 1).unwrap());
}

#[test]
fn squeezenet_at_full_size() {
    assert_agree(&zoo::graph("squeezenet", 1).unwrap());
}

/// A softmax compares classes whatever went on before; the layer before it must be of a sane
/// scale as well, neither vanished nor exploded, for the softmax to be a fair test.
#[test]
fn random_networks_neither_explode_nor_vanish() {
    for name in zoo::names() {
        let graph = zoo::graph_at(name, 115, 1).unwrap();
        let image = synthetic_image(graph.input_shape(), 1, 0).unwrap();
        let fastest = executor::names().last().copied().unwrap();
        let result = executor::open(fastest, &graph, 2).unwrap().run(&image, &mut ()).unwrap();
        let sum: f32 = result.values().iter().sum();
        let largest = result.values()[result.argmax().unwrap()];
        assert!((sum - 1.0).abs() < 1e-3, "{name}: probabilities sum to {sum}");
        // 1000 equal classes would give 0.001 each.
        assert!(largest > 0.0011 && largest < 0.99, "{name}: the likeliest class has {largest}");
    }
}

#[derive(Default)]
struct Heard(Vec<(usize, u64, u64)>);

impl LayerObserver for Heard {
    fn layer(&mut self, index: usize, start_ns: u64, end_ns: u64) {
        self.0.push((index, start_ns, end_ns));
    }
}

#[test]
fn observers_hear_every_layer_once_in_order() {
    let graph = zoo::graph_at("squeezenet", 64, 1).unwrap();
    let image = synthetic_image(graph.input_shape(), 1, 0).unwrap();
    for mut executor in executors(&graph) {
        let mut heard = Heard::default();
        executor.run(&image, &mut heard).unwrap();
        assert!(heard.0.iter().map(|&(index, ..)| index).eq(0..graph.layers().len()));
        assert!(heard.0.iter().all(|(_, start, end)| start <= end));
        assert!(heard.0.windows(2).all(|pair| pair[0].2 <= pair[1].1));
    }
}

/// What an image's time is not a layer's is its way in and out. Of several images one is not
/// disturbed between layers; the reference takes seconds for each, and nothing else.
#[test]
fn layers_make_up_the_image() {
    const IMAGES: usize = 60;
    let graph = zoo::graph("squeezenet", 1).unwrap();
    let image = synthetic_image(graph.input_shape(), 1, 0).unwrap();
    for mut executor in executors(&graph).into_iter().filter(|it| it.name() != "reference") {
        let mut shares = (0..IMAGES).map(|_| {
            let mut heard = Heard::default();
            executor.between_images().unwrap();
            let start_ns = monotonic_ns();
            executor.run(&image, &mut heard).unwrap();
            let end_ns = monotonic_ns();
            assert!(heard.0.iter().all(|&(_, start, end)| start >= start_ns && end <= end_ns));
            let in_layers: u64 = heard.0.iter().map(|(_, start, end)| end - start).sum();
            in_layers as f64 / (end_ns - start_ns) as f64
        });
        let mut most = 0.0_f64;
        let enough = shares.any(|share| {
            most = most.max(share);
            share >= 0.98
        });
        drop(shares);
        assert!(enough, "{}: layers sum to at most {most:.4} of an image", executor.name());
    }
}

#[test]
fn images_that_do_not_fit_are_refused() {
    let shape = Shape::new(2, 3, 3);
    let graph = single("net", shape, Operator::Softmax);
    for mut executor in executors(&graph) {
        let small = synthetic_image(Shape::new(2, 3, 2), 0, 0).unwrap();
        let error = executor.run(&small, &mut ()).unwrap_err().to_string();
        assert_eq!(error, "the network takes an image of 1×2×3×3, and was given 1×2×3×2");
        let mut values = vec![0.0; 18];
        values[7] = f32::NAN;
        let error =
            executor.run(&Tensor::new(shape, values).unwrap(), &mut ()).unwrap_err().to_string();
        assert!(error.contains("value 7") && error.contains("NaN"), "{error}");
    }
}

#[test]
fn what_cannot_be_opened_says_why() {
    let structure = zoo::graph_structure("squeezenet").unwrap();
    for name in executor::names() {
        let error = executor::open(name, &structure, 1).err().unwrap().to_string();
        assert!(error.contains("`conv1` has no weights"), "{error}");
        assert!(executor::open(name, &structure, 0).is_err());
    }
    let error = executor::open("tensorrt", &structure, 1).err().unwrap().to_string();
    assert!(error.contains("tensorrt") && error.contains("reference"), "{error}");
}

/// Where the library is installed, the executor must have been built: nothing above may pass
/// because there was nothing to compare.
#[test]
fn executors_are_listed_as_they_were_built() {
    let [reference, opencl, xnnpack] = executor::available();
    assert_eq!(reference.missing, None);
    assert_eq!(opencl.missing.is_none(), opencl_device().is_some());
    assert_eq!(xnnpack.missing.is_none(), cfg!(xnnpack));
}

/// Records must not call kernels XNNPACK's that are not.
#[test]
fn descriptions_say_whose_kernels_compute() {
    for name in executor::names() {
        let description = executor::description(name);
        assert!(description.starts_with(name), "{description}");
    }
    #[cfg(all(xnnpack, target_arch = "x86_64"))]
    {
        let ours = is_x86_feature_detected!("fma") && !is_x86_feature_detected!("avx512f");
        assert_eq!(executor::description("xnnpack").contains("wattline's FMA3 kernels"), ours);
    }
}
