//! Post-training quantisation: a network whose convolutions compute in 8-bit steps, made from one
//! that computes in FP32.
//!
//! The scheme is that of Jacob et al., *Quantization and training of neural networks for efficient
//! integer-arithmetic-only inference*, CVPR 2018, with a scale for each output channel of the
//! weights (Krishnamoorthi, *Quantizing deep convolutional networks for efficient inference*, 2018,
//! section 2.3): weights are symmetric, ±127 steps; activations have a zero point and reach over the
//! range that images of a calibration gave; biases are 32-bit integers in the steps of the sums.
//!
//! Convolutions, and matrix products over a single pixel as the 1 × 1 convolutions that they are,
//! read and write steps. Everything else stays FP32, with a layer that dequantises before it and one
//! that quantises after it, as in the study's pipeline. A fused ReLU costs nothing: steps end where
//! it would clamp.

use std::collections::HashMap;

use crate::executor::ExecutorError;
use crate::graph::{
    Conv2d, FullyConnected, Graph, GraphBuilder, GraphError, Layer, Operator, Quantisation,
    QuantisedConv2d, TensorId, Weights, Window,
};
use crate::reference::Reference;
use crate::tensor::Tensor;

/// The smallest and largest value of each tensor of a graph, over some images.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranges(Vec<(f32, f32)>);

impl Ranges {
    /// What the tensors of `graph` range over when it is shown `images`, at least one, computed by
    /// the reference: alike on every machine.
    ///
    /// # Errors
    ///
    /// [`ExecutorError`] when the graph is structure alone, or an image of another shape.
    pub fn calibrate(graph: &Graph, images: &[Tensor]) -> Result<Self, ExecutorError> {
        let reference = Reference::new(graph)?;
        let mut ranges = vec![(0.0_f32, 0.0_f32); graph.tensors().len()];
        for image in images {
            reference.visit(image, &mut |tensor, values| {
                let (min, max) = &mut ranges[tensor.index()];
                values.iter().for_each(|&value| {
                    *min = min.min(value);
                    *max = max.max(value);
                });
            })?;
        }
        Ok(Self(ranges))
    }
}

/// `graph` with its convolutions in 8-bit steps, under `name`. Without ranges the result has the
/// structure and no numbers, which a graph without weights has in any case.
///
/// # Errors
///
/// [`GraphError`], when the result does not fit together: a sum of too many products, say.
pub fn quantise(graph: &Graph, name: &str, ranges: Option<&Ranges>) -> Result<Graph, GraphError> {
    let image = &graph.tensors()[graph.input().index()];
    let builder = GraphBuilder::new(name, &image.name, image.shape)?;
    let mut rewriting =
        Rewriting { graph, ranges, builder, fp32: HashMap::new(), steps: HashMap::new() };
    rewriting.fp32.insert(graph.input(), rewriting.builder.input());
    for layer in graph.layers() {
        rewriting.layer(layer)?;
    }
    let output = rewriting.in_fp32(graph.output())?;
    rewriting.builder.finish(output)
}

struct Rewriting<'a> {
    graph: &'a Graph,
    ranges: Option<&'a Ranges>,
    builder: GraphBuilder,
    /// Tensors of the old graph as FP32 and as steps in the new one, where they exist.
    fp32: HashMap<TensorId, TensorId>,
    steps: HashMap<TensorId, TensorId>,
}

impl Rewriting<'_> {
    fn layer(&mut self, layer: &Layer) -> Result<(), GraphError> {
        let conv = match &layer.operator {
            Operator::Conv2d(conv) => Some(conv.clone()),
            Operator::FullyConnected(dense) if self.graph.shape(layer.inputs[0]).pixels() == 1 => {
                Some(as_convolution(dense))
            }
            _ => None,
        };
        // Steps reach from the smallest to the largest value that the activation let through, and
        // zero. A clamp that lets no zero through is not what they end at.
        let conv = conv.filter(|conv| {
            let (min, max) = conv.activation.bounds();
            min <= 0.0 && max >= 0.0
        });
        if let Some(conv) = conv {
            let input = self.in_steps(layer.inputs[0])?;
            let (from, to) = (self.quantisation(layer.inputs[0]), self.quantisation(layer.output));
            let operator = Operator::QuantisedConv2d(quantised(&conv, from, to));
            let output = self.builder.add(&layer.name, operator, &[input])?;
            self.steps.insert(layer.output, output);
        } else {
            let inputs = layer.inputs.iter().map(|&input| self.in_fp32(input));
            let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
            let output = self.builder.add(&layer.name, layer.operator.clone(), &inputs)?;
            self.fp32.insert(layer.output, output);
        }
        Ok(())
    }

    /// A tensor of the old graph as steps, behind a layer that makes them where there are none.
    fn in_steps(&mut self, tensor: TensorId) -> Result<TensorId, GraphError> {
        if let Some(&steps) = self.steps.get(&tensor) {
            return Ok(steps);
        }
        let operator = Operator::Quantise(self.quantisation(tensor));
        let name = format!("{}/quantise", self.graph.tensors()[tensor.index()].name);
        let steps = self.builder.add(&name, operator, &[self.fp32[&tensor]])?;
        self.steps.insert(tensor, steps);
        Ok(steps)
    }

    /// A tensor of the old graph as FP32, behind a layer that makes it of steps where there is none.
    fn in_fp32(&mut self, tensor: TensorId) -> Result<TensorId, GraphError> {
        if let Some(&fp32) = self.fp32.get(&tensor) {
            return Ok(fp32);
        }
        let operator = Operator::Dequantise(self.quantisation(tensor));
        let name = format!("{}/dequantise", self.graph.tensors()[tensor.index()].name);
        let fp32 = self.builder.add(&name, operator, &[self.steps[&tensor]])?;
        self.fp32.insert(tensor, fp32);
        Ok(fp32)
    }

    fn quantisation(&self, tensor: TensorId) -> Quantisation {
        self.ranges.map_or(Quantisation::UNKNOWN, |Ranges(ranges)| {
            let (min, max) = ranges[tensor.index()];
            Quantisation::covering(min, max)
        })
    }
}

fn as_convolution(dense: &FullyConnected) -> Conv2d {
    Conv2d {
        window: Window::square(1, 1, 0),
        groups: 1,
        input_channels: dense.input_features,
        output_channels: dense.output_features,
        weights: dense.weights.clone(),
        bias: dense.bias.clone(),
        activation: dense.activation,
    }
}

fn quantised(conv: &Conv2d, input: Quantisation, output: Quantisation) -> QuantisedConv2d {
    let channels = conv.output_channels;
    let (weights, scales) = match conv.weights.values() {
        None => (Weights::absent(conv.weights.len()), Weights::absent(channels)),
        Some(values) => {
            let (steps, scales) = symmetric(values, channels);
            (steps.into(), scales.into())
        }
    };
    let bias = conv.bias.as_ref().map(|bias| match (bias.values(), scales_of(&scales)) {
        (Some(values), Some(scales)) => {
            let steps = |(bias, scale): (&f32, &f32)| {
                // `as` saturates; a step of a sum is far below any bias's 32 bits.
                (bias / (input.scale * scale)).round_ties_even() as i32
            };
            values.iter().zip(scales).map(steps).collect::<Vec<_>>().into()
        }
        _ => Weights::absent(bias.len()),
    });
    QuantisedConv2d {
        window: conv.window,
        groups: conv.groups,
        input_channels: conv.input_channels,
        output_channels: channels,
        input,
        output,
        weights,
        scales,
        bias,
    }
}

fn scales_of(scales: &Weights) -> Option<&[f32]> {
    scales.values()
}

/// Weights as steps around zero, ±127 for the largest of each channel, and what those are worth.
fn symmetric(values: &[f32], channels: usize) -> (Vec<i8>, Vec<f32>) {
    let mut steps = Vec::with_capacity(values.len());
    let mut scales = Vec::with_capacity(channels);
    for channel in values.chunks(values.len() / channels) {
        let largest = channel.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let scale = if (largest / 127.0).is_normal() { largest / 127.0 } else { 1.0 };
        steps.extend(channel.iter().map(|value| (value / scale).round_ties_even() as i8));
        scales.push(scale);
    }
    (steps, scales)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Activation, Shape};

    #[test]
    fn each_channel_has_steps_of_its_own() {
        let (steps, scales) = symmetric(&[1.0, -127.0, 0.5, 0.25, 0.0, 0.0], 3);
        assert_eq!(steps, [1, -127, 127, 64, 0, 0]);
        assert_eq!(scales, [1.0, 0.5 / 127.0, 1.0]);
    }

    /// FP32 layers stand between conversions, and a tensor read twice is converted once.
    #[test]
    fn conversions_stand_where_the_arithmetic_changes() {
        let shape = Shape::new(2, 4, 4);
        let conv = |activation| {
            Operator::Conv2d(Conv2d {
                window: Window::square(1, 1, 0),
                groups: 1,
                input_channels: 2,
                output_channels: 2,
                weights: Weights::absent(4),
                bias: Some(Weights::absent(2)),
                activation,
            })
        };
        let mut builder = GraphBuilder::new("net", "image", shape).unwrap();
        let one = builder.add("one", conv(Activation::Relu), &[builder.input()]).unwrap();
        let two = builder.add("two", conv(Activation::Identity), &[one]).unwrap();
        let sum = builder.add("sum", Operator::Add(Activation::Identity), &[one, two]).unwrap();
        let odd = conv(Activation::Clip { min: 1.0, max: 2.0 });
        let clipped = builder.add("clipped", odd, &[sum]).unwrap();
        let graph = builder.finish(clipped).unwrap();
        let kinds: Vec<_> = quantise(&graph, "net-int8", None)
            .unwrap()
            .layers()
            .iter()
            .map(|layer| (layer.name.clone(), layer.operator.kind()))
            .collect();
        let expected = [
            ("image/quantise", "quantise"),
            ("one", "quantised_conv2d"),
            ("two", "quantised_conv2d"),
            ("one/dequantise", "dequantise"),
            ("two/dequantise", "dequantise"),
            ("sum", "add"),
            // What clamps away from zero stays FP32.
            ("clipped", "conv2d"),
        ];
        assert!(kinds.iter().map(|(name, kind)| (name.as_str(), *kind)).eq(expected), "{kinds:?}");
    }
}
