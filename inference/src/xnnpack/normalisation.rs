//! Local response normalisation, which XNNPACK lacks.
//!
//! `value / (bias + alpha / size · Σ squares)^beta`, the sum over `size` channels around each one. A
//! power is a function call, which does not vectorise; AlexNet's and GoogLeNet's ¾ is two square
//! roots, which do: s^¾ = √s · √√s. What a program is compiled for has vectors of four values on
//! x86-64; where the CPU has AVX2 the same code is used compiled for that, on eight.

use super::arena::Pixels;
use super::kernels::TILE;
use super::thread_pool::ThreadPool;
use crate::graph::LocalResponseNorm;

/// The window of the networks that have such layers, which is unrolled.
const USUAL_SIZE: usize = 5;

/// Runs a layer: in pieces of pixels, each a thread's own.
pub(super) fn local_response_norm(
    pool: &ThreadPool,
    norm: &LocalResponseNorm,
    input: Pixels,
    output: Pixels,
) {
    let channels = input.shape.channels;
    let (before, after) = norm.reach();
    let normalise = best_here();
    pool.for_each(input.shape.pixels(), TILE / channels.max(1), |pixels| {
        // Squares with zeros on both sides: then the window's sum is that of shifted slices.
        let mut squares = vec![0.0_f32; before + channels + after];
        for pixel in pixels {
            // SAFETY: no layer writes its input, and `pixel` is one of its pixels.
            let values = unsafe { input.channels(pixel) };
            // SAFETY: this thread alone was given `pixel`, and the plan keeps output from input.
            let results = unsafe { output.channels_mut(pixel) };
            normalise(norm, values, &mut squares, results);
        }
    });
}

/// Normalises the channels of a pixel: values, room for their squares, results.
type Normalise = fn(&LocalResponseNorm, &[f32], &mut [f32], &mut [f32]);

fn best_here() -> Normalise {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the CPU has what the function was compiled for.
        return |norm, values, squares, results| unsafe {
            normalise_avx2(norm, values, squares, results);
        };
    }
    normalise
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn normalise_avx2(
    norm: &LocalResponseNorm,
    values: &[f32],
    squares: &mut [f32],
    results: &mut [f32],
) {
    normalise(norm, values, squares, results);
}

#[inline(always)]
fn normalise(norm: &LocalResponseNorm, values: &[f32], squares: &mut [f32], results: &mut [f32]) {
    let (before, _) = norm.reach();
    let inside = &mut squares[before..][..values.len()];
    inside.iter_mut().zip(values).for_each(|(square, value)| *square = value * value);
    if norm.size == USUAL_SIZE {
        sum_usual(squares, results);
    } else {
        results.fill(0.0);
        for shift in 0..norm.size {
            results.iter_mut().zip(&squares[shift..]).for_each(|(sum, square)| *sum += square);
        }
    }
    let alpha = norm.alpha / norm.size as f32;
    let sums = results.iter_mut().zip(values);
    if norm.beta == 0.75 {
        sums.for_each(|(result, value)| {
            let root = (norm.bias + alpha * *result).sqrt();
            *result = value / (root * root.sqrt());
        });
    } else {
        sums.for_each(|(result, value)| {
            *result = value / (norm.bias + alpha * *result).powf(norm.beta);
        });
    }
}

/// The sums under windows of [`USUAL_SIZE`] squares, in one go.
#[inline(always)]
fn sum_usual(squares: &[f32], sums: &mut [f32]) {
    let [one, two, three, four, five] =
        std::array::from_fn(|shift| &squares[shift..][..sums.len()]);
    let (one, two, three) = (one.iter(), two.iter(), three.iter());
    let parts = one.zip(two).zip(three).zip(four.iter().zip(five));
    for (sum, (((a, b), c), (d, e))) in sums.iter_mut().zip(parts) {
        *sum = a + b + c + d + e;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By the formula, in FP64.
    fn expected(norm: &LocalResponseNorm, values: &[f32], channel: usize) -> f64 {
        let (before, after) = norm.reach();
        let window = channel.saturating_sub(before)..(channel + after + 1).min(values.len());
        let sum: f64 = values[window].iter().map(|&value| f64::from(value).powi(2)).sum();
        let scale = f64::from(norm.bias) + f64::from(norm.alpha) / norm.size as f64 * sum;
        f64::from(values[channel]) / scale.powf(norm.beta.into())
    }

    proptest! {
        /// Whatever window and power, on every way that this CPU has.
        #[test]
        fn is_the_formula(
            values in prop::collection::vec(-50.0..50.0f32, 1..70),
            size in prop_oneof![Just(USUAL_SIZE), 1..12usize],
            beta in prop_oneof![Just(0.75f32), 0.1..2.0f32],
            bias in 0.5..2.0f32,
            alpha in 0.0..1.0f32,
        ) {
            let norm = LocalResponseNorm { size, alpha, beta, bias };
            let (before, after) = norm.reach();
            for way in [normalise as Normalise, best_here()] {
                let mut results = vec![f32::NAN; values.len()];
                way(&norm, &values, &mut vec![0.0; before + values.len() + after], &mut results);
                for (channel, &result) in results.iter().enumerate() {
                    let expected = expected(&norm, &values, channel);
                    let error = (f64::from(result) - expected).abs();
                    prop_assert!(error <= 1e-5 * expected.abs() + 1e-30, "{result} {expected}");
                }
            }
        }
    }
}
