//! The operators that XNNPACK lacks or refuses, but for local response normalisation, on pixels with their channels side by side.
//!
//! Each works on whole runs of channels, so that the compiler vectorises the innermost loop, and
//! spreads pixels over the pool. In every kernel each output pixel is written by one thread, and
//! the plan keeps inputs and outputs of a layer apart.

use super::arena::Pixels;
use super::thread_pool::ThreadPool;
use crate::graph::{AveragePool, Extent};

/// Values that a thread takes at a time: enough to make a dispatch worth it.
pub(super) const TILE: usize = 16 * 1024;

/// Calls `kernel` with the channels of each pixel of `output` and the pixel's number.
fn for_each_pixel(pool: &ThreadPool, output: Pixels, kernel: impl Fn(usize, &mut [f32]) + Sync) {
    let tile = TILE / output.shape.channels.max(1);
    pool.for_each(output.shape.pixels(), tile, |pixels| {
        for pixel in pixels {
            // SAFETY: the arena outlives the layer's run, `pixel` is one of the tensor's, and no
            // other thread is given it, nor does the plan let the input overlap the output.
            kernel(pixel, unsafe { output.channels_mut(pixel) });
        }
    });
}

/// Copies `input` to `output`, of the same shape.
pub(super) fn copy(pool: &ThreadPool, input: Pixels, output: Pixels) {
    for_each_pixel(pool, output, |pixel, channels| {
        // SAFETY: no layer writes its input, and both tensors have as many pixels.
        channels.copy_from_slice(unsafe { input.channels(pixel) });
    });
}

/// Every `stride`-th pixel: what a pool with a window of one pixel amounts to.
pub(super) fn subsample(pool: &ThreadPool, stride: Extent, input: Pixels, output: Pixels) {
    for_each_pixel(pool, output, |pixel, channels| {
        let (row, column) = (pixel / output.shape.width, pixel % output.shape.width);
        let source = row * stride.height * input.shape.width + column * stride.width;
        // SAFETY: no layer writes its input, and the graph's shapes keep windows in the image.
        channels.copy_from_slice(unsafe { input.channels(source) });
    });
}

/// The mean under a window where the zeros of the padding count, which XNNPACK's never do.
pub(super) fn average_with_padding(
    pool: &ThreadPool,
    average: &AveragePool,
    input: Pixels,
    output: Pixels,
) {
    let window = average.window;
    let along = |position: usize,
                 stride: usize,
                 kernel: usize,
                 before: usize,
                 image: usize,
                 after: usize| {
        let start = position * stride;
        let end = (start + kernel).min(before + image + after);
        (start.max(before) - before..end.saturating_sub(before).min(image), end - start)
    };
    for_each_pixel(pool, output, |pixel, sums| {
        let (row, column) = (pixel / output.shape.width, pixel % output.shape.width);
        let (stride, kernel, padding) = (window.stride, window.kernel, window.padding);
        let (rows, height) = along(
            row,
            stride.height,
            kernel.height,
            padding.top,
            input.shape.height,
            padding.bottom,
        );
        let (columns, width) = along(
            column,
            stride.width,
            kernel.width,
            padding.left,
            input.shape.width,
            padding.right,
        );
        sums.fill(0.0);
        for row in rows {
            for column in columns.clone() {
                // SAFETY: no layer writes its input, and row and column were clipped to it.
                let values = unsafe { input.channels(row * input.shape.width + column) };
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
        }
        let scale = 1.0 / (height * width) as f32;
        sums.iter_mut().for_each(|sum| *sum *= scale);
    });
}
