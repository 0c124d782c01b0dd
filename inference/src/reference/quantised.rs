//! Operators on 8-bit steps, which the reference holds as the FP32 numbers −128 to 127: exactly.

use std::num::Wrapping;

use super::linear::{Geometry, convolution};
use crate::graph::{Quantisation, QuantisedConv2d, Shape};

/// The constants of a convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Constants<'a> {
    pub(super) weights: &'a [i8],
    pub(super) scales: &'a [f32],
    pub(super) bias: Option<&'a [i32]>,
}

/// FP32 → steps.
pub(super) fn quantise(to: Quantisation, input: &[f32]) -> Vec<f32> {
    input.iter().map(|&number| f32::from(to.quantise(number))).collect()
}

/// Steps → FP32.
pub(super) fn dequantise(from: Quantisation, input: &[f32]) -> Vec<f32> {
    input.iter().map(|&step| from.dequantise(step as i8)).collect()
}

/// Sums of products of steps in 32 bits, each brought back to a step.
pub(super) fn convolve(
    conv: &QuantisedConv2d,
    constants: Constants<'_>,
    input_shape: Shape,
    output_shape: Shape,
    input: &[f32],
) -> Vec<f32> {
    let integer = |&step: &i8| Wrapping(i32::from(step));
    let weights: Vec<_> = constants.weights.iter().map(integer).collect();
    let bias: Option<Vec<_>> =
        constants.bias.map(|bias| bias.iter().map(|&bias| Wrapping(bias)).collect());
    // Distances from zero, so that padding is zeros.
    let zero = i32::from(conv.input.zero_point);
    let input: Vec<_> = input.iter().map(|&step| Wrapping(step as i32 - zero)).collect();
    let geometry = Geometry {
        window: &conv.window,
        groups: conv.groups,
        input_channels: conv.input_channels,
        output_channels: conv.output_channels,
    };
    let sums = convolution(geometry, &weights, bias.as_deref(), input_shape, output_shape, &input);
    sums.chunks(output_shape.pixels())
        .zip(constants.scales)
        .flat_map(|(plane, scale)| {
            let multiplier = conv.input.scale * scale / conv.output.scale;
            plane.iter().map(move |sum| {
                let steps = (sum.0 as f32 * multiplier).round_ties_even();
                f32::from(conv.output.step(steps))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Window;

    /// By hand: two channels of one pixel, 1 × 1 kernels.
    #[test]
    fn a_convolution_worked_out_by_hand() {
        let conv = QuantisedConv2d {
            window: Window::square(1, 1, 0),
            groups: 1,
            input_channels: 2,
            output_channels: 3,
            input: Quantisation { scale: 0.5, zero_point: 1 },
            output: Quantisation { scale: 1.0, zero_point: -2 },
            weights: Vec::new().into(),
            scales: Vec::new().into(),
            bias: None,
        };
        let constants = Constants {
            weights: &[1, 2, 3, -4, 127, 127],
            scales: &[0.5, 1.0, 1.0],
            bias: Some(&[3, 0, 0]),
        };
        // Steps 5 and 3 lie 4 and 2 from zero. Sums: 4 + 4 + 3 = 11, 12 − 8 = 4, 762.
        // × ¼, ½, ½: 2.75 → 3, 2, 381; less two, the last bounded.
        let shape = Shape::vector(2);
        let steps = convolve(&conv, constants, shape, Shape::vector(3), &[5.0, 3.0]);
        assert_eq!(steps, [1.0, 0.0, 127.0]);
        // 4 + 4 + 2 = 10: 2.5 goes to the even 2.
        let constants = Constants { bias: Some(&[2, 0, 0]), ..constants };
        let steps = convolve(&conv, constants, shape, Shape::vector(3), &[5.0, 3.0]);
        assert_eq!(steps[0], 0.0);
    }
}
