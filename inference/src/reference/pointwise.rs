//! Operators that work within a pixel, across its channels.

use crate::graph::{LocalResponseNorm, Shape};

/// Each value over a power of the mean square of the channels around it.
pub(super) fn local_response_norm(
    norm: &LocalResponseNorm,
    shape: Shape,
    input: &[f32],
) -> Vec<f32> {
    let (before, after) = norm.reach();
    let pixels = shape.pixels();
    let normalised = |(index, &value): (usize, &f32)| {
        let (channel, pixel) = (index / pixels, index % pixels);
        let window = channel.saturating_sub(before)..(channel + after + 1).min(shape.channels);
        let squares: f32 = window.map(|channel| input[channel * pixels + pixel].powi(2)).sum();
        value / (norm.bias + norm.alpha / norm.size as f32 * squares).powf(norm.beta)
    };
    input.iter().enumerate().map(normalised).collect()
}

/// exp(x) over the sum of exp(x), over the channels of each pixel.
pub(crate) fn softmax(shape: Shape, input: &[f32]) -> Vec<f32> {
    let pixels = shape.pixels();
    let mut output = vec![0.0; input.len()];
    for pixel in 0..pixels {
        let channels = || input.iter().skip(pixel).step_by(pixels);
        // Less the largest, so that no exponential overflows.
        let largest = channels().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = channels().map(|value| (value - largest).exp()).sum();
        let results = output.iter_mut().skip(pixel).step_by(pixels);
        results.zip(channels()).for_each(|(result, value)| *result = (value - largest).exp() / sum);
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_normalisation_worked_out_by_hand() {
        let norm = LocalResponseNorm { size: 3, alpha: 3.0, beta: 0.5, bias: 1.0 };
        let values = local_response_norm(&norm, Shape::new(3, 1, 1), &[1.0, 2.0, 3.0]);
        // Sums of squares: 1 + 4, 1 + 4 + 9, 4 + 9.
        let expected = [1.0 / 6.0_f32.sqrt(), 2.0 / 15.0_f32.sqrt(), 3.0 / 14.0_f32.sqrt()];
        values
            .iter()
            .zip(expected)
            .for_each(|(value, expected)| assert!((value - expected).abs() < 1e-6));
    }

    #[test]
    fn a_softmax_is_per_pixel_and_does_not_overflow() {
        let values = softmax(Shape::new(2, 1, 2), &[1000.0, 0.0, 1000.0, 3.0_f32.ln()]);
        let expected = [0.5, 0.25, 0.5, 0.75];
        values
            .iter()
            .zip(expected)
            .for_each(|(value, expected)| assert!((value - expected).abs() < 1e-6));
    }
}
