//! Convolutions of our own, for x86 CPUs with FMA3 and without AVX-512.
//!
//! Debian 12's XNNPACK has assembly for ARM and good code for AVX-512, but its FP32 kernel for
//! FMA3 spills an accumulator in its innermost loop and reaches half of what the CPU could. Here a
//! convolution is an implicit matrix product over pixels with their channels side by side:
//!
//! - [`tile`]: the micro-kernel, 6 pixels × 16 output channels in registers;
//! - [`pack`]: weights in panels and blocks, so that a block stays in the first-level cache;
//! - [`indirection`]: pointers to what is under the window, instead of a copied matrix.
//!
//! The loops around the tile, from the inside out: tiles of a stretch of pixels, whose values stay
//! in the second-level cache; panels of output channels; blocks of the sum. Bias and bounds
//! are part of the first and the last block's tiles. Stretches and runs of panels are what
//! threads share out.
//!
//! Depthwise convolutions stay with the library, whose kernels for them do well.

mod indirection;
mod matrix_vector;
mod pack;
#[cfg(test)]
mod tests;
mod tile;

use std::fmt;
use std::ops::Range;
use std::ptr;

use super::arena::Pixels;
use super::thread_pool::ThreadPool;
use crate::graph::Conv2d;
use indirection::Rows;
pub(super) use matrix_vector::MatrixVector;
use pack::{Block, Packed};
use tile::{COLUMNS, ROWS, Tile};

/// Tiles whose pixels are taken together: 96 pixels × a block of 384 values are 147 kB of a
/// second-level cache of 256 kB or more.
const STRETCH: usize = 16;

/// Pieces of work for each thread, so that none waits long for the last.
const PIECES: usize = 8;

/// Whether this CPU can run these kernels.
pub(super) fn runs_here() -> bool {
    is_x86_feature_detected!("avx") && is_x86_feature_detected!("fma")
}

/// Whether this CPU is better served by these kernels than by the library's.
pub(super) fn wanted_here() -> bool {
    runs_here() && !is_x86_feature_detected!("avx512f")
}

/// A convolution bound to its buffers.
pub(super) struct Convolution {
    rows: Rows,
    blocks: Vec<Block>,
    /// The weights of each group.
    groups: Vec<Packed>,
    group_inputs: usize,
    group_outputs: usize,
    output: Pixels,
    bounds: (f32, f32),
}

/// Shows its size, not its millions of weights and pointers.
impl fmt::Debug for Convolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group_inputs, group_outputs, output, .. } = self;
        write!(f, "Convolution({group_inputs} to {group_outputs} channels, {})", output.shape)
    }
}

impl Convolution {
    /// `conv` from `input` to `output`, with `weights` and `bias` as the graph has them.
    pub(super) fn new(
        conv: &Conv2d,
        weights: &[f32],
        bias: Option<&[f32]>,
        input: Pixels,
        output: Pixels,
    ) -> Self {
        assert!(runs_here(), "chosen only where the CPU has FMA3");
        let rows = Rows::new(conv, input, output.shape);
        let blocks = pack::blocks(rows.runs, rows.len);
        let group_inputs = conv.input_channels / conv.groups;
        let group_outputs = conv.output_channels / conv.groups;
        let taps = conv.window.kernel.area();
        let group = |group: usize| {
            let first = group * group_outputs;
            let weight = |column: usize, run: usize, value: usize| {
                // Runs are of one tap or several, each with its channels side by side.
                let place = run * rows.len + value;
                let (tap, channel) = (place / group_inputs, place % group_inputs);
                weights[((first + column) * group_inputs + channel) * taps + tap]
            };
            let bias = |column: usize| bias.map_or(0.0, |bias| bias[first + column]);
            Packed::new(group_outputs, &blocks, weight, bias)
        };
        let groups = (0..conv.groups).map(group).collect();
        let bounds = conv.activation.bounds();
        Self { rows, blocks, groups, group_inputs, group_outputs, output, bounds }
    }

    /// Runs the convolution on its buffers.
    ///
    /// # Safety
    ///
    /// The arena of those buffers must be alive and reached by nothing else meanwhile.
    pub(super) unsafe fn run(&self, pool: &ThreadPool) {
        // SAFETY: the caller answers for it.
        unsafe { self.rows.fetch(pool) }
        let (tiles, panels) = (self.rows.tiles(), self.groups[0].panels());
        let stretches = tiles.div_ceil(STRETCH);
        let wanted = PIECES * pool.threads();
        let panel_runs = match pool.threads() {
            1 => 1,
            _ => wanted.div_ceil(stretches * self.groups.len()).min(panels),
        };
        let part = |index: usize, parts: usize, whole: usize| {
            index * whole / parts..(index + 1) * whole / parts
        };
        pool.for_each(self.groups.len() * panel_runs * stretches, 1, |pieces| {
            for piece in pieces {
                let stretch = part(piece % stretches, stretches, tiles);
                let panels = part(piece / stretches % panel_runs, panel_runs, panels);
                // SAFETY: the caller answers for the buffers; no two pieces have both a group, a
                // stretch and a panel in common, so each output is written by one thread.
                unsafe { self.run_piece(piece / stretches / panel_runs, stretch, panels) }
            }
        });
    }

    /// Computes the output channels of `panels` of a group, for the pixels of `tiles`.
    ///
    /// # Safety
    ///
    /// As of [`run`](Self::run); and nothing else may compute these outputs meanwhile.
    unsafe fn run_piece(&self, group: usize, tiles: Range<usize>, panels: Range<usize>) {
        let packed = &self.groups[group];
        let mut before = 0;
        for (index, block) in self.blocks.iter().enumerate() {
            let depth = block.runs * block.len;
            let last = index + 1 == self.blocks.len();
            for panel in panels.clone() {
                let columns = packed.columns(panel);
                let channel = group * self.group_outputs + panel * COLUMNS;
                for number in tiles.clone() {
                    let mut room = [ptr::null(); ROWS];
                    let (first, count, rows) = self.rows.tile(number, block.run, &mut room);
                    let start = first * self.output.stride + channel;
                    let tile = Tile {
                        rows,
                        runs: block.runs,
                        skip: group * self.group_inputs + block.skip,
                        len: block.len,
                        weights: packed.weights(before, depth, panel),
                        bias: if index == 0 { packed.bias(panel) } else { ptr::null() },
                        output: self.output.as_ptr().wrapping_add(start),
                        output_stride: self.output.stride,
                        columns,
                        bounds: if last { self.bounds } else { UNBOUNDED },
                    };
                    // SAFETY: the CPU was checked when the convolution was made. `Rows` gives
                    // pointers to what the blocks say; `Packed` has laid out as many weights; the
                    // output's pixels and channels are within its tensor.
                    unsafe { tile::kernel(count, columns)(&tile) }
                }
            }
            before += depth;
        }
    }
}

/// Bounds that let everything pass.
const UNBOUNDED: (f32, f32) = (f32::NEG_INFINITY, f32::INFINITY);
