//! The micro-kernel: a tile of up to 6 pixels × 16 output channels, held in registers.
//!
//! AVX has sixteen vector registers of eight values. Six pixels × two vectors are twelve sums;
//! two more registers hold weights and one a value broadcast from a pixel. Each step along the sum
//! is then 12 fused multiply-adds for 8 loads, which two FMA units and two load ports both do
//! in six cycles or fewer, and twelve independent sums hide an FMA's latency of four or five.

use std::arch::x86_64::{
    __m256, _mm256_broadcast_ss, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_maskload_ps, _mm256_maskstore_ps, _mm256_max_ps, _mm256_min_ps, _mm256_set1_ps,
    _mm256_setzero_ps, _mm256_storeu_ps,
};

/// Pixels of the largest tile.
pub(super) const ROWS: usize = 6;

/// Values in a vector.
pub(super) const LANES: usize = 8;

/// Output channels of the widest tile.
pub(super) const COLUMNS: usize = 2 * LANES;

/// What a tile is computed from, and where it goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile {
    /// For each run of values, in turn, a pointer to it for each of the tile's pixels.
    pub(super) rows: *const *const f32,
    /// How many runs are summed over.
    pub(super) runs: usize,
    /// Values to skip at the start of each run.
    pub(super) skip: usize,
    /// Values of each run that are summed over.
    pub(super) len: usize,
    /// For each value of each run, a weight for each column.
    pub(super) weights: *const f32,
    /// What the sums start from, one a column; null to go on from what `output` holds.
    pub(super) bias: *const f32,
    /// The first pixel's first column.
    pub(super) output: *mut f32,
    /// Values from one pixel of the output to the next.
    pub(super) output_stride: usize,
    /// Columns to write. The last vector may be partly filled; its weights are there in full.
    pub(super) columns: usize,
    /// The bounds of what is written.
    pub(super) bounds: (f32, f32),
}

/// Computes a [`Tile`] of a certain size.
///
/// # Safety
///
/// The CPU has AVX and FMA3. Every pointer of the tile is good for what the tile's numbers say:
/// `runs` × pixels pointers in `rows`, each good for `skip + len` values; `runs × len` times as
/// many weights as the vectors have lanes, and as many of `bias` unless it is null; `columns`
/// values of each pixel of the output, which nothing else reads or writes meanwhile.
pub(super) type Kernel = unsafe fn(&Tile);

/// The kernel for `rows` pixels and `columns` channels, each from 1 to the largest tile's.
pub(super) fn kernel(rows: usize, columns: usize) -> Kernel {
    const KERNELS: [[Kernel; 2]; ROWS] = [
        [tile::<1, 1>, tile::<1, 2>],
        [tile::<2, 1>, tile::<2, 2>],
        [tile::<3, 1>, tile::<3, 2>],
        [tile::<4, 1>, tile::<4, 2>],
        [tile::<5, 1>, tile::<5, 2>],
        [tile::<6, 1>, tile::<6, 2>],
    ];
    KERNELS[rows - 1][columns.div_ceil(LANES) - 1]
}

/// See [`Kernel`], which says what a caller answers for.
#[target_feature(enable = "avx,fma")]
unsafe fn tile<const R: usize, const V: usize>(tile: &Tile) {
    // SAFETY: the caller answers for the tile's pointers.
    let mut sums: [[__m256; V]; R] = unsafe { start(tile) };
    let mut weights = tile.weights;
    for run in 0..tile.runs {
        // SAFETY: there are `runs` times as many pointers as pixels, good for `skip` values and more.
        let rows: [*const f32; R] =
            std::array::from_fn(|row| unsafe { (*tile.rows.add(run * R + row)).add(tile.skip) });
        for index in 0..tile.len {
            // SAFETY: `index` is below the run's length, and each of its values has weights for
            // every lane.
            unsafe {
                let lanes: [__m256; V] =
                    std::array::from_fn(|vector| _mm256_loadu_ps(weights.add(vector * LANES)));
                weights = weights.add(V * LANES);
                for row in 0..R {
                    let value = _mm256_broadcast_ss(&*rows[row].add(index));
                    for vector in 0..V {
                        sums[row][vector] =
                            _mm256_fmadd_ps(value, lanes[vector], sums[row][vector]);
                    }
                }
            }
        }
    }
    // SAFETY: the caller answers for the tile's pointers.
    unsafe { finish(tile, sums) }
}

/// The sums so far: the bias, or what the output holds.
#[target_feature(enable = "avx,fma")]
#[inline]
unsafe fn start<const R: usize, const V: usize>(tile: &Tile) -> [[__m256; V]; R] {
    let mut sums = [[_mm256_setzero_ps(); V]; R];
    for (row, sums) in sums.iter_mut().enumerate() {
        for (vector, sum) in sums.iter_mut().enumerate() {
            let first = vector * LANES;
            // SAFETY: the bias has a value for each lane, the output for each column, and lanes
            // beyond the columns are masked out.
            *sum = unsafe {
                if !tile.bias.is_null() {
                    _mm256_loadu_ps(tile.bias.add(first))
                } else {
                    let output = tile.output.add(row * tile.output_stride + first);
                    if tile.columns >= first + LANES {
                        _mm256_loadu_ps(output)
                    } else {
                        let mask = mask(tile.columns - first);
                        _mm256_maskload_ps(output, _mm256_loadu_si256(mask.cast()))
                    }
                }
            };
        }
    }
    sums
}

/// Writes the sums, bounded.
#[target_feature(enable = "avx,fma")]
#[inline]
unsafe fn finish<const R: usize, const V: usize>(tile: &Tile, sums: [[__m256; V]; R]) {
    let (min, max) = (_mm256_set1_ps(tile.bounds.0), _mm256_set1_ps(tile.bounds.1));
    for (row, sums) in sums.iter().enumerate() {
        for (vector, &sum) in sums.iter().enumerate() {
            let first = vector * LANES;
            // Of a number and NaN, these give their second operand: NaN stays NaN.
            let bounded = _mm256_min_ps(max, _mm256_max_ps(min, sum));
            // SAFETY: the output has a value for each column, and lanes beyond are masked out.
            unsafe {
                let output = tile.output.add(row * tile.output_stride + first);
                if tile.columns >= first + LANES {
                    _mm256_storeu_ps(output, bounded);
                } else {
                    let mask = mask(tile.columns - first);
                    _mm256_maskstore_ps(output, _mm256_loadu_si256(mask.cast()), bounded);
                }
            }
        }
    }
}

/// Eight masks, of which the first `lanes`, less than all, are set.
fn mask(lanes: usize) -> *const i32 {
    static MASKS: [i32; 2 * LANES] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    MASKS[LANES - lanes..].as_ptr()
}
