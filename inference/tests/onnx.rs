//! ONNX files: written and read back, hand-made, cut short, and damaged.

use proptest::prelude::*;
use wattline_inference::graph::{
    Activation, AveragePool, Conv2d, Extent, FullyConnected, Graph, GraphBuilder,
    LocalResponseNorm, MaxPool, Operator, Padding, Shape, TensorId, Weights, Window,
};
use wattline_inference::{onnx, synthetic_image, zoo};

/// A small network with every operator in it.
fn specimen() -> Graph {
    let mut builder = GraphBuilder::new("specimen", "image", Shape::new(3, 12, 12)).unwrap();
    let mut state = Growing { tensors: vec![builder.input()], serial: 0 };
    for (choice, activation) in
        [(0, 1), (5, 0), (1, 2), (2, 0), (3, 0), (6, 0), (7, 1), (8, 1), (4, 0), (9, 2), (10, 0)]
    {
        state.grow(&mut builder, choice, activation);
    }
    finish(builder, state)
}

/// A network that grows by one layer at a time.
struct Growing {
    /// What may still be read, in the order in which it was made.
    tensors: Vec<TensorId>,
    serial: usize,
}

impl Growing {
    /// Adds the layer that `choice` stands for, if it fits the last tensor.
    fn grow(&mut self, builder: &mut GraphBuilder, choice: usize, activation: usize) {
        let last = self.tensors[self.tensors.len() - 1];
        let shape = builder.shape(last);
        self.serial += 1;
        let activation =
            [Activation::Identity, Activation::Relu, Activation::Clip { min: -1.0, max: 2.0 }]
                [activation % 3];
        let conv = |window: Window, groups: usize, output_channels: usize, bias: bool| {
            let fan_in = shape.channels / groups * window.kernel.area();
            Operator::Conv2d(Conv2d {
                window,
                groups,
                input_channels: shape.channels,
                output_channels,
                weights: self.constants(output_channels * fan_in),
                bias: bias.then(|| self.constants(output_channels)),
                activation,
            })
        };
        let uneven = Window {
            kernel: Extent::new(2, 3),
            stride: Extent::new(2, 1),
            dilation: Extent::new(1, 2),
            padding: Padding { top: 1, left: 2, bottom: 0, right: 3 },
        };
        let mut inputs = vec![last];
        let operator = match choice {
            0 => conv(Window::square(3, 1, 1), 1, 4, true),
            1 => conv(uneven, 1, 6, false),
            2 => conv(Window::square(3, 1, 1), shape.channels, shape.channels, true),
            3 => Operator::MaxPool(MaxPool { window: Window::square(3, 2, 1), ceil_mode: true }),
            4 => Operator::GlobalAveragePool,
            5 => Operator::LocalResponseNorm(LocalResponseNorm {
                size: 5,
                alpha: 0.1,
                beta: 0.75,
                bias: 1.0,
            }),
            6 => Operator::AveragePool(AveragePool {
                window: Window::square(2, 1, 1),
                ceil_mode: false,
                count_include_pad: self.serial.is_multiple_of(2),
            }),
            7 => {
                inputs.push(last);
                Operator::Concat
            }
            8 => {
                inputs.push(last);
                Operator::Add(activation)
            }
            9 => Operator::FullyConnected(FullyConnected {
                input_features: shape.elements(),
                output_features: 5,
                weights: self.constants(5 * shape.elements()),
                bias: Some(self.constants(5)),
                activation,
            }),
            _ => Operator::Softmax,
        };
        // Some do not fit what is left of the image; the next may.
        if let Ok(output) = builder.add(&format!("layer{}", self.serial), operator, &inputs) {
            self.tensors.push(output);
        }
    }

    fn constants(&self, count: usize) -> Weights {
        synthetic_image(Shape::vector(count), 3, self.serial as u64).unwrap().into_values().into()
    }
}

fn finish(mut builder: GraphBuilder, mut state: Growing) -> Graph {
    state.grow(&mut builder, 10, 0);
    builder.finish(state.tensors[state.tensors.len() - 1]).unwrap()
}

fn error_of(file: Vec<u8>) -> String {
    onnx::read(file).unwrap_err().to_string()
}

#[test]
fn every_operator_survives_the_round_trip() {
    let graph = specimen();
    let kinds: Vec<_> = graph.layers().iter().map(|layer| layer.operator.kind()).collect();
    for kind in [
        "conv2d",
        "depthwise_conv2d",
        "fully_connected",
        "max_pool",
        "average_pool",
        "global_average_pool",
        "local_response_norm",
        "concat",
        "add",
        "softmax",
    ] {
        assert!(kinds.contains(&kind), "no {kind} among {kinds:?}");
    }
    assert_eq!(onnx::read(onnx::write(&graph).unwrap()).unwrap(), graph);
}

#[test]
fn every_network_of_the_zoo_survives_the_round_trip() {
    for name in zoo::names() {
        let graph = zoo::graph_at(name, 80, 3).unwrap();
        assert!(onnx::read(onnx::write(&graph).unwrap()).unwrap() == graph, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_networks_survive_the_round_trip(
        channels in 1_usize..7,
        height in 1_usize..14,
        width in 1_usize..14,
        choices in prop::collection::vec((0_usize..11, 0_usize..3), 1..12),
    ) {
        let mut builder = GraphBuilder::new("random", "image", Shape::new(channels, height, width)).unwrap();
        let mut state = Growing { tensors: vec![builder.input()], serial: 0 };
        for (choice, activation) in choices {
            state.grow(&mut builder, choice, activation);
        }
        let graph = finish(builder, state);
        prop_assert_eq!(onnx::read(onnx::write(&graph).unwrap()).unwrap(), graph);
    }

    #[test]
    fn damaged_files_are_refused_or_read_but_never_panic(
        damage in prop::collection::vec((0.0_f64..1.0, any::<u8>()), 1..8),
    ) {
        let mut file = onnx::write(&specimen()).unwrap();
        for (place, byte) in damage {
            let place = (place * file.len() as f64) as usize;
            file[place] = byte;
        }
        let _ = onnx::read(file);
    }

    #[test]
    fn arbitrary_bytes_never_panic(file in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = onnx::read(file);
    }
}

/// Every single byte of the structure (weights aside, which hold any number) set to values that
/// flip signs, zero dimensions and stretch lengths.
#[test]
fn no_single_byte_can_cause_a_panic() {
    let file = onnx::write(&specimen()).unwrap();
    for place in 0..file.len() {
        for byte in [0x00, 0x01, 0x7f, 0x80, 0xff] {
            let mut damaged = file.clone();
            damaged[place] = byte;
            let _ = onnx::read(damaged);
        }
    }
}

#[test]
fn a_file_cut_short_is_said_to_be() {
    let file = onnx::write(&specimen()).unwrap();
    for cut in (0..200).map(|part| file.len() * part / 200) {
        let error = error_of(file[..cut].to_vec());
        let expected = ["empty", "cut short", "not an ONNX file", "no graph", "operator set"];
        assert!(expected.iter().any(|words| error.contains(words)), "cut at {cut}: {error}");
    }
}

#[test]
fn what_is_not_onnx_is_said_not_to_be() {
    assert_eq!(error_of(Vec::new()), "the file is empty");
    assert!(error_of(b"\x89PNG\r\n\x1a\n not a network".to_vec()).contains("not an ONNX file"));
    assert!(error_of(b"{\"nodes\": []}".to_vec()).contains("not an ONNX file"));
}
