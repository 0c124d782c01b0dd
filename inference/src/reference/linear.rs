//! Sums of products: convolution and matrix–vector product.

use std::ops::{AddAssign, Mul, Range};

use crate::graph::{Conv2d, Shape, Window};

/// What a convolution does with shapes, whatever it computes in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry<'a> {
    pub(super) window: &'a Window,
    pub(super) groups: usize,
    pub(super) input_channels: usize,
    pub(super) output_channels: usize,
}

impl<'a> From<&'a Conv2d> for Geometry<'a> {
    fn from(conv: &'a Conv2d) -> Self {
        Self {
            window: &conv.window,
            groups: conv.groups,
            input_channels: conv.input_channels,
            output_channels: conv.output_channels,
        }
    }
}

/// Numbers that are multiplied and summed: FP32, or 32-bit integers.
pub(super) trait Number: Copy + Default + Mul<Output = Self> + AddAssign {}

impl<T: Copy + Default + Mul<Output = T> + AddAssign> Number for T {}

/// `input` convolved with `weights`, plus `bias`.
///
/// Every tap of the kernel adds its multiple of a shifted image: the innermost loop then runs
/// along a row, which the compiler vectorises, and is still the textbook's sum.
pub(super) fn convolution<T: Number>(
    conv: Geometry<'_>,
    weights: &[T],
    bias: Option<&[T]>,
    input_shape: Shape,
    output_shape: Shape,
    input: &[T],
) -> Vec<T> {
    let group_inputs = conv.input_channels / conv.groups;
    let group_outputs = conv.output_channels / conv.groups;
    let taps = conv.window.kernel.area();
    let mut output = Vec::with_capacity(output_shape.elements());
    let mut plane = vec![T::default(); output_shape.pixels()];
    for channel in 0..conv.output_channels {
        plane.fill(bias.map_or(T::default(), |bias| bias[channel]));
        let first_input = channel / group_outputs * group_inputs;
        for group_channel in 0..group_inputs {
            let start = (first_input + group_channel) * input_shape.pixels();
            let image = &input[start..start + input_shape.pixels()];
            let kernel = &weights[(channel * group_inputs + group_channel) * taps..][..taps];
            add_plane(conv.window, kernel, input_shape, image, output_shape, &mut plane);
        }
        output.extend_from_slice(&plane);
    }
    output
}

/// Adds one input channel's share to one output channel.
fn add_plane<T: Number>(
    window: &Window,
    kernel: &[T],
    image_shape: Shape,
    image: &[T],
    plane_shape: Shape,
    plane: &mut [T],
) {
    let Window { kernel: extent, stride, dilation, padding } = window;
    for (tap, &weight) in kernel.iter().enumerate() {
        let (tap_row, tap_column) =
            (tap / extent.width * dilation.height, tap % extent.width * dilation.width);
        let rows =
            inside(tap_row, stride.height, padding.top, image_shape.height, plane_shape.height);
        let columns =
            inside(tap_column, stride.width, padding.left, image_shape.width, plane_shape.width);
        if columns.is_empty() {
            continue;
        }
        let first_column = columns.start * stride.width + tap_column - padding.left;
        for row in rows {
            let image_row = row * stride.height + tap_row - padding.top;
            let from = &image[image_row * image_shape.width..][first_column..image_shape.width];
            let to = &mut plane[row * plane_shape.width..][columns.clone()];
            if stride.width == 1 {
                to.iter_mut().zip(from).for_each(|(sum, &value)| *sum += weight * value);
            } else {
                to.iter_mut()
                    .zip(from.iter().step_by(stride.width))
                    .for_each(|(sum, &value)| *sum += weight * value);
            }
        }
    }
}

/// The outputs, along one direction, for which a tap falls inside the image.
fn inside(tap: usize, stride: usize, padding: usize, image: usize, outputs: usize) -> Range<usize> {
    let start = padding.saturating_sub(tap).div_ceil(stride);
    let end = (image + padding).saturating_sub(tap).div_ceil(stride).min(outputs);
    start..end.max(start)
}

/// `weights`, outputs × inputs, times `input`, plus `bias`.
pub(super) fn matrix_vector(
    weights: &[f32],
    bias: Option<&[f32]>,
    input: &[f32],
    outputs: usize,
) -> Vec<f32> {
    let row = |output: usize| {
        let products =
            weights[output * input.len()..].iter().zip(input).map(|(weight, value)| weight * value);
        products.sum::<f32>() + bias.map_or(0.0, |bias| bias[output])
    };
    (0..outputs).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Activation;

    fn conv(window: Window, groups: usize, channels: usize) -> Conv2d {
        Conv2d {
            window,
            groups,
            input_channels: channels,
            output_channels: channels,
            weights: Vec::new().into(),
            bias: None,
            activation: Activation::Identity,
        }
    }

    /// By hand: a 3 × 3 image of 1 to 9 under a 2 × 2 kernel of 1, 2, 3, 4.
    #[test]
    fn a_convolution_worked_out_by_hand() {
        let input: Vec<f32> = (1..=9).map(|value| value as f32).collect();
        let kernel = [1.0, 2.0, 3.0, 4.0];
        let (image, output) = (Shape::new(1, 3, 3), Shape::new(1, 2, 2));
        let dense = conv(Window::square(2, 1, 0), 1, 1);
        // 1·1 + 2·2 + 3·4 + 4·5 = 37, and so on; the bias adds ½.
        let values = convolution((&dense).into(), &kernel, Some(&[0.5]), image, output, &input);
        assert_eq!(values, [37.5, 47.5, 67.5, 77.5]);
        // With a row and column of zeros around and stride 2: the corners, then the middle.
        let padded = conv(Window::square(2, 2, 1), 1, 1);
        let values = convolution((&padded).into(), &kernel, None, image, output, &input);
        assert_eq!(values, [4.0, 3.0 * 2.0 + 4.0 * 3.0, 2.0 * 4.0 + 4.0 * 7.0, 77.0]);
    }

    /// By hand: each channel sees itself alone.
    #[test]
    fn groups_do_not_see_each_other() {
        let depthwise = conv(Window::square(1, 1, 0), 2, 2);
        let shape = Shape::new(2, 1, 2);
        let values = convolution(
            (&depthwise).into(),
            &[10.0, 100.0],
            None,
            shape,
            shape,
            &[1.0, 2.0, 3.0, 4.0],
        );
        assert_eq!(values, [10.0, 20.0, 300.0, 400.0]);
    }

    #[test]
    fn a_matrix_times_a_vector() {
        let values = matrix_vector(&[1.0, 2.0, 3.0, 4.0], Some(&[0.5, 0.0]), &[5.0, 6.0], 2);
        assert_eq!(values, [17.5, 39.0]);
    }
}
