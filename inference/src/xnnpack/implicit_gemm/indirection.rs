//! Where the values under a window lie: pointers instead of a copied matrix.
//!
//! The matrix that a convolution multiplies by its weights has a row for each output pixel. Rather
//! than copy it together, a buffer of pointers says where each stretch of each row lies in the
//! image, or that it is padding: a row of zeros (Dukhan, *The indirect convolution algorithm*,
//! arXiv:1907.02129, 2019). The buffer is made once; a window of one pixel that does not skip any
//! needs none.
//!
//! With few channels the stretches would be too short to be worth a pointer each. There the taps
//! of one row of the window, which lie side by side, are one stretch. Padding would interrupt it,
//! so the image is first copied into a frame of zeros.

use std::cell::UnsafeCell;

use super::tile::ROWS;
use crate::graph::{Conv2d, Padding, Shape};
use crate::xnnpack::arena::Pixels;
use crate::xnnpack::thread_pool::ThreadPool;

/// With fewer channels than this, a row of the window is read as one stretch.
const FEW_CHANNELS: usize = 32;

/// The rows of a convolution's matrix.
pub(super) struct Rows {
    source: Source,
    /// Stretches of each row.
    pub(super) runs: usize,
    /// Values of each stretch.
    pub(super) len: usize,
    pixels: usize,
    /// The image in a frame of zeros, where it is read from there.
    frame: Option<Frame>,
    /// What pointers to padding point to.
    _zeros: Box<[f32]>,
}

// SAFETY: what the pointers lead to is read and written only in the unsafe functions that run a
// layer, whose callers answer for nothing else doing so.
unsafe impl Sync for Rows {}

enum Source {
    /// Row after row, one stretch each.
    Direct(Pixels),
    /// For each tile, for each stretch, a pointer for each of the tile's pixels.
    Pointers(Box<[*const f32]>),
}

impl Rows {
    /// The rows for `conv` over `input`, giving `output` pixels.
    pub(super) fn new(conv: &Conv2d, input: Pixels, output: Shape) -> Self {
        let window = conv.window;
        let channels = conv.input_channels / conv.groups;
        let (kernel, pixels) = (window.kernel, output.pixels());
        let zeros: Box<[f32]> = vec![0.0; conv.input_channels].into();
        let plain = kernel.area() == 1 && window.padding.is_zero();
        if plain && window.stride.area() == 1 {
            let source = Source::Direct(input);
            return Self { source, runs: 1, len: channels, pixels, frame: None, _zeros: zeros };
        }
        let by_row = channels < FEW_CHANNELS
            && conv.groups == 1
            && window.dilation.width == 1
            && kernel.width > 1;
        let framed = by_row && !(window.padding.is_zero() && input.stride == channels);
        let frame = framed.then(|| Frame::new(input, window.padding));
        let (runs, len) = match by_row {
            true => (kernel.height, kernel.width * channels),
            false => (kernel.area(), channels),
        };
        // What is read, and how much of the padding is part of it.
        let (image, margin) = match &frame {
            Some(frame) => (frame.pixels(), Padding::default()),
            None => (input, window.padding),
        };
        let columns_of_run = if by_row { kernel.width } else { 1 };
        let pointer = |pixel: usize, run: usize| {
            let (row, column) = (pixel / output.width, pixel % output.width);
            let tap = run * columns_of_run;
            let row = row * window.stride.height + tap / kernel.width * window.dilation.height;
            let column = column * window.stride.width + tap % kernel.width * window.dilation.width;
            let inside = (margin.top..margin.top + image.shape.height).contains(&row)
                && (margin.left..margin.left + image.shape.width).contains(&column);
            if !inside {
                return zeros.as_ptr();
            }
            let source = (row - margin.top) * image.shape.width + column - margin.left;
            image.as_ptr().cast_const().wrapping_add(source * image.stride)
        };
        let pointers = tiles(pixels)
            .flat_map(|(first, count)| {
                let pointer = &pointer;
                (0..runs).flat_map(move |run| {
                    (first..first + count).map(move |pixel| pointer(pixel, run))
                })
            })
            .collect();
        Self { source: Source::Pointers(pointers), runs, len, pixels, frame, _zeros: zeros }
    }

    /// Brings the image to where it is read from.
    ///
    /// # Safety
    ///
    /// The arena must be alive, and nothing may write the input or read these rows meanwhile.
    pub(super) unsafe fn fetch(&self, pool: &ThreadPool) {
        if let Some(frame) = &self.frame {
            // SAFETY: the caller answers for it.
            unsafe { frame.fill(pool) }
        }
    }

    /// How many tiles the pixels make.
    pub(super) fn tiles(&self) -> usize {
        self.pixels.div_ceil(ROWS)
    }

    /// The pixels of tile `tile`, as the first and the count, and the pointers to the stretches
    /// of its rows from `run` on. `room` holds them where there is no buffer.
    pub(super) fn tile(
        &self,
        tile: usize,
        run: usize,
        room: &mut [*const f32; ROWS],
    ) -> (usize, usize, *const *const f32) {
        let (first, count) = tile_pixels(self.pixels, tile);
        match &self.source {
            Source::Direct(input) => {
                for (row, pointer) in room.iter_mut().enumerate().take(count) {
                    *pointer =
                        input.as_ptr().cast_const().wrapping_add((first + row) * input.stride);
                }
                (first, count, room.as_ptr())
            }
            Source::Pointers(pointers) => {
                (first, count, pointers[first * self.runs + run * count..].as_ptr())
            }
        }
    }
}

/// The first pixel and the count of each tile.
fn tiles(pixels: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..pixels.div_ceil(ROWS)).map(move |tile| tile_pixels(pixels, tile))
}

/// `pixels` spread evenly over as few tiles as there can be: two of five rows are faster than one
/// of six and one of four, as few sums do not hide the latency of their additions.
fn tile_pixels(pixels: usize, tile: usize) -> (usize, usize) {
    let tiles = pixels.div_ceil(ROWS);
    let edge = |tile: usize| tile * pixels / tiles;
    (edge(tile), edge(tile + 1) - edge(tile))
}

/// A copy of an image with its padding around it.
struct Frame {
    values: Box<[UnsafeCell<f32>]>,
    input: Pixels,
    padding: Padding,
    width: usize,
    height: usize,
}

// SAFETY: as `Rows`.
unsafe impl Sync for Frame {}

impl Frame {
    fn new(input: Pixels, padding: Padding) -> Self {
        let width = padding.left + input.shape.width + padding.right;
        let height = padding.top + input.shape.height + padding.bottom;
        let len = width * height * input.shape.channels;
        let values = (0..len).map(|_| UnsafeCell::new(0.0)).collect();
        Self { values, input, padding, width, height }
    }

    /// The framed image.
    fn pixels(&self) -> Pixels {
        let shape = Shape { height: self.height, width: self.width, ..self.input.shape };
        Pixels::of(UnsafeCell::raw_get(self.values.as_ptr()), shape)
    }

    /// Copies the image in; the frame around it stays zero.
    ///
    /// # Safety
    ///
    /// As of [`Rows::fetch`].
    unsafe fn fill(&self, pool: &ThreadPool) {
        let (framed, input) = (self.pixels(), self.input);
        let Shape { width, height, .. } = input.shape;
        pool.for_each(height, height.div_ceil(8), |rows| {
            for row in rows {
                for column in 0..width {
                    let inner = (row + self.padding.top) * self.width + column + self.padding.left;
                    // SAFETY: pixels that are there, each written by one thread; the caller
                    // answers for the rest.
                    unsafe {
                        framed
                            .channels_mut(inner)
                            .copy_from_slice(input.channels(row * width + column));
                    }
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_the_pixels_and_are_nearly_even() {
        for pixels in 1..200 {
            let mut next = 0;
            for (first, count) in tiles(pixels) {
                assert_eq!(first, next);
                assert!((1..=ROWS).contains(&count) && count >= pixels / pixels.div_ceil(ROWS));
                next += count;
            }
            assert_eq!(next, pixels);
        }
    }
}
