//! Weights, laid out once in the order in which the tiles read them.
//!
//! A convolution is a matrix product: pixels × (taps × channels) by (taps × channels) × output
//! channels. The output channels are cut into panels as wide as a tile and the sum into blocks,
//! so that a panel's block of weights stays in the first-level cache while all the pixels at hand
//! pass by it (Goto and van de Geijn, *Anatomy of high-performance matrix multiplication*, ACM
//! TOMS 34(3), 2008). Block by block, panel by panel, value by value: memory is read in one sweep.

use super::tile::{COLUMNS, LANES};

/// The longest stretch of the sum between two visits to the output: with 16 columns its weights
/// take 24 kB of a first-level cache of 32 kB.
const BLOCK: usize = 384;

/// A cache line, for its alignment: a vector that straddles two lines takes two loads.
#[repr(C, align(64))]
#[derive(Debug, Clone, Copy)]
pub(super) struct Line(pub(super) [f32; 16]);

/// A stretch of the sum: of some runs, which lie side by side, all or some values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    /// The first run.
    pub(super) run: usize,
    /// How many runs.
    pub(super) runs: usize,
    /// Values to skip at the start of each run.
    pub(super) skip: usize,
    /// Values of each run.
    pub(super) len: usize,
}

/// `runs` runs of `len` values, as blocks: several short runs, or parts of a long one.
pub(super) fn blocks(runs: usize, len: usize) -> Vec<Block> {
    if len > BLOCK {
        let parts = len.div_ceil(BLOCK);
        let edge = |part: usize| part * len / parts;
        let block =
            |run, part| Block { run, runs: 1, skip: edge(part), len: edge(part + 1) - edge(part) };
        return (0..runs).flat_map(|run| (0..parts).map(move |part| block(run, part))).collect();
    }
    let parts = runs.div_ceil(BLOCK / len);
    let edge = |part: usize| part * runs / parts;
    (0..parts)
        .map(|part| Block { run: edge(part), runs: edge(part + 1) - edge(part), skip: 0, len })
        .collect()
}

/// The weights of one group of a convolution, packed, and its bias.
pub(super) struct Packed {
    weights: Vec<Line>,
    bias: Vec<Line>,
    columns: usize,
}

impl Packed {
    /// `weight(column, run, value)` for each output channel and each value of `blocks`, and
    /// `bias(column)`.
    pub(super) fn new(
        columns: usize,
        blocks: &[Block],
        weight: impl Fn(usize, usize, usize) -> f32,
        bias: impl Fn(usize) -> f32,
    ) -> Self {
        let depth: usize = blocks.iter().map(|block| block.runs * block.len).sum();
        let mut values = Filler::of(depth * columns.next_multiple_of(LANES));
        for block in blocks {
            for first in (0..columns).step_by(COLUMNS) {
                let width = COLUMNS.min((columns - first).next_multiple_of(LANES));
                for run in block.run..block.run + block.runs {
                    for value in block.skip..block.skip + block.len {
                        for column in first..first + width {
                            // Columns that are not there fill up the last vector.
                            let there = column < columns;
                            values.push(if there { weight(column, run, value) } else { 0.0 });
                        }
                    }
                }
            }
        }
        let mut biases = Filler::of(columns.next_multiple_of(COLUMNS));
        (0..columns).for_each(|column| biases.push(bias(column)));
        Self { weights: values.lines, bias: biases.lines, columns }
    }

    /// How many panels the output channels make.
    pub(super) fn panels(&self) -> usize {
        self.columns.div_ceil(COLUMNS)
    }

    /// How many output channels panel `panel` has.
    pub(super) fn columns(&self, panel: usize) -> usize {
        COLUMNS.min(self.columns - panel * COLUMNS)
    }

    /// The weights of `panel` in a block of `depth` values that `before` values come before.
    pub(super) fn weights(&self, before: usize, depth: usize, panel: usize) -> *const f32 {
        let start = before * self.columns.next_multiple_of(LANES) + panel * COLUMNS * depth;
        debug_assert!(start < self.weights.len() * 16);
        // SAFETY: within the weights, as `new` has laid them out.
        unsafe { self.weights.as_ptr().cast::<f32>().add(start) }
    }

    /// The bias of `panel`, a value for each lane.
    pub(super) fn bias(&self, panel: usize) -> *const f32 {
        self.bias[panel].0.as_ptr()
    }
}

/// Lines being filled from the front; zeros at the end.
struct Filler {
    lines: Vec<Line>,
    len: usize,
}

impl Filler {
    fn of(values: usize) -> Self {
        Self { lines: vec![Line([0.0; 16]); values.div_ceil(16)], len: 0 }
    }

    fn push(&mut self, value: f32) {
        self.lines[self.len / 16].0[self.len % 16] = value;
        self.len += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_the_sum_once_in_order() {
        for (runs, len) in [(1, 1), (1, 384), (1, 385), (9, 512), (9, 64), (121, 3), (3, 1000)] {
            let blocks = blocks(runs, len);
            assert!(blocks.iter().all(|block| (1..=BLOCK).contains(&(block.runs * block.len))));
            let visited = blocks.iter().flat_map(|block| {
                (block.run..block.run + block.runs).flat_map(move |run| {
                    (block.skip..block.skip + block.len).map(move |value| (run, value))
                })
            });
            let all = (0..runs).flat_map(|run| (0..len).map(move |value| (run, value)));
            assert!(visited.eq(all), "{runs} runs of {len}");
        }
    }

    #[test]
    fn weights_lie_block_by_block_and_panel_by_panel() {
        let blocks = blocks(2, 300);
        let tell =
            |column: usize, run: usize, value: usize| (column * 1000 + run * 300 + value) as f32;
        let packed = Packed::new(21, &blocks, tell, |column| column as f32);
        assert_eq!((packed.panels(), packed.columns(0), packed.columns(1)), (2, 16, 5));
        // SAFETY: reads weights and biases that are there, as the layout under test says.
        unsafe {
            let second = packed.weights(300, 300, 1);
            assert_eq!(*second.add(7 * 8 + 4), tell(20, 1, 7));
            assert_eq!(*second.add(7 * 8 + 5), 0.0);
            assert_eq!(*packed.weights(0, 300, 0).add(299 * 16 + 15), tell(15, 0, 299));
            assert_eq!(*packed.bias(1).add(4), 20.0);
        }
    }
}
