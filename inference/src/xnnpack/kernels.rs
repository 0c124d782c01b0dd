//! The operators that XNNPACK lacks or refuses, but for local response normalisation, on pixels with their channels side by side.
//!
//! Each works on whole runs of channels, so that the compiler vectorises the innermost loop, and
//! spreads pixels over the pool. In every kernel each output pixel is written by one thread, and
//! the plan keeps inputs and outputs of a layer apart.

use std::ops::Range;

use super::arena::Pixels;
use super::thread_pool::ThreadPool;
use crate::graph::{Extent, Shape, Window};

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

/// What of the image is under a window.
struct Under {
    rows: Range<usize>,
    columns: Range<usize>,
    /// Positions of the window on the padded image.
    area: usize,
}

impl Under {
    /// The window that makes `pixel` of `output` of the image `input`.
    fn of(window: &Window, pixel: usize, input: Shape, output: Shape) -> Self {
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
        let (row, column) = (pixel / output.width, pixel % output.width);
        let Window { stride, kernel, padding, .. } = window;
        let (top, bottom, left, right) = (padding.top, padding.bottom, padding.left, padding.right);
        let (rows, height) = along(row, stride.height, kernel.height, top, input.height, bottom);
        let (columns, width) = along(column, stride.width, kernel.width, left, input.width, right);
        Under { rows, columns, area: height * width }
    }

    /// The pixels of the image, of so many columns.
    fn pixels(&self, width: usize) -> impl Iterator<Item = usize> {
        let columns = self.columns.clone();
        self.rows
            .clone()
            .flat_map(move |row| columns.clone().map(move |column| row * width + column))
    }
}

/// The largest value under a window that moves further than it reaches, which Debian 13's library
/// refuses.
pub(super) fn max_pool(pool: &ThreadPool, window: &Window, input: Pixels, output: Pixels) {
    for_each_pixel(pool, output, |pixel, largest| {
        largest.fill(f32::NEG_INFINITY);
        for pixel in Under::of(window, pixel, input.shape, output.shape).pixels(input.shape.width) {
            // SAFETY: no layer writes its input, and the window was clipped to it.
            let values = unsafe { input.channels(pixel) };
            largest
                .iter_mut()
                .zip(values)
                .for_each(|(largest, value)| *largest = largest.max(*value));
        }
    });
}

/// The mean under a window where the zeros of the padding count, which XNNPACK's never do.
pub(super) fn average_with_padding(
    pool: &ThreadPool,
    window: &Window,
    input: Pixels,
    output: Pixels,
) {
    for_each_pixel(pool, output, |pixel, sums| {
        let under = Under::of(window, pixel, input.shape, output.shape);
        sums.fill(0.0);
        for pixel in under.pixels(input.shape.width) {
            // SAFETY: as above.
            let values = unsafe { input.channels(pixel) };
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        let scale = 1.0 / under.area as f32;
        sums.iter_mut().for_each(|sum| *sum *= scale);
    });
}
