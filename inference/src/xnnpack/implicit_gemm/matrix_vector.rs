//! Fully connected layers: a matrix times a vector, as fast as memory gives the matrix.
//!
//! Every weight is used once, so nothing is gained by packing: the graph's own weights are read,
//! several rows at a time, and there is no second copy of what is most of AlexNet's memory.

use std::arch::x86_64::{
    __m256, _MM_HINT_T0, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehl_ps, _mm_prefetch,
    _mm_shuffle_ps, _mm256_add_ps, _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_fmadd_ps,
    _mm256_loadu_ps, _mm256_setzero_ps,
};
use std::cell::UnsafeCell;
use std::fmt;

use super::tile::LANES;
use crate::graph::{Activation, FullyConnected, Weights};
use crate::xnnpack::arena::Pixels;
use crate::xnnpack::thread_pool::ThreadPool;

/// Rows of the matrix that are read side by side.
const ROWS: usize = 4;

/// Rows that a thread takes at a time.
const PIECE: usize = 16 * ROWS;

/// How far ahead of their use weights are asked for: 1 kB of each row.
const AHEAD: usize = 256;

/// A fully connected layer bound to its buffers.
pub(in crate::xnnpack) struct MatrixVector {
    weights: Weights,
    bias: Option<Weights>,
    input: Pixels,
    output: Pixels,
    activation: Activation,
    /// The input in the order of the weights: channel, row, column.
    vector: Box<[UnsafeCell<f32>]>,
}

// SAFETY: the vector is written only by `run`, whose caller answers for nothing else running.
unsafe impl Sync for MatrixVector {}

/// Shows its size.
impl fmt::Debug for MatrixVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MatrixVector({} to {})", self.input.shape, self.output.shape)
    }
}

impl MatrixVector {
    /// `dense`, whose weights are there, from `input` to `output`.
    pub(in crate::xnnpack) fn new(dense: &FullyConnected, input: Pixels, output: Pixels) -> Self {
        assert!(super::runs_here(), "chosen only where the CPU has FMA3");
        assert_eq!(dense.weights.len(), dense.input_features * dense.output_features);
        assert_eq!(dense.input_features, input.shape.elements());
        Self {
            weights: dense.weights.clone(),
            bias: dense.bias.clone(),
            input,
            output,
            activation: dense.activation,
            vector: (0..dense.input_features).map(|_| UnsafeCell::new(0.0)).collect(),
        }
    }

    /// Runs the layer on its buffers.
    ///
    /// # Safety
    ///
    /// The arena of those buffers must be alive and reached by nothing else meanwhile.
    pub(in crate::xnnpack) unsafe fn run(&self, pool: &ThreadPool) {
        let pixels = self.input.shape.pixels();
        let vector = UnsafeCell::raw_get(self.vector.as_ptr());
        for pixel in 0..pixels {
            // SAFETY: a pixel of the input, which nothing writes.
            let channels = unsafe { self.input.channels(pixel) };
            for (channel, &value) in channels.iter().enumerate() {
                // SAFETY: the vector has room for every value, and this executor alone reaches it.
                unsafe { *vector.add(channel * pixels + pixel) = value }
            }
        }
        // SAFETY: as long as the vector is, and not written again before the layer is done.
        let vector = unsafe { std::slice::from_raw_parts(vector, self.vector.len()) };
        let weights = self.weights.values().unwrap_or_default();
        let bias = self.bias.as_ref().and_then(Weights::values);
        pool.for_each(self.output.shape.channels, PIECE, |rows| {
            let mut row = rows.start;
            while row < rows.end {
                let count = ROWS.min(rows.end - row);
                let matrix = &weights[row * vector.len()..][..count * vector.len()];
                let sums: [f32; ROWS] = match count {
                    // SAFETY: the CPU was checked when the layer was made; as many weights as
                    // rows × values, by the slice.
                    ROWS => unsafe { products(matrix, vector) },
                    _ => std::array::from_fn(|index| {
                        let one = matrix.get(index * vector.len()..).unwrap_or_default();
                        // SAFETY: as above.
                        if one.is_empty() { 0.0 } else { unsafe { products::<1>(one, vector)[0] } }
                    }),
                };
                for (row, sum) in (row..row + count).zip(sums) {
                    let value = self.activation.apply(sum + bias.map_or(0.0, |bias| bias[row]));
                    // SAFETY: a value of the only pixel of the output, written by one thread.
                    unsafe { *self.output.as_ptr().add(row) = value }
                }
                row += count;
            }
        });
    }
}

/// The products of the first `R` rows of `matrix` with `vector`.
#[target_feature(enable = "avx,fma")]
unsafe fn products<const R: usize>(matrix: &[f32], vector: &[f32]) -> [f32; R] {
    assert!(matrix.len() >= R * vector.len());
    let len = vector.len();
    let (matrix, values) = (matrix.as_ptr(), vector.as_ptr());
    let mut sums: [[__m256; 2]; R] = [[_mm256_setzero_ps(); 2]; R];
    let whole = len / (2 * LANES) * (2 * LANES);
    for index in (0..whole).step_by(2 * LANES) {
        // SAFETY: two vectors from `index` on are within `whole`; asking ahead reads nothing.
        unsafe {
            let low = _mm256_loadu_ps(values.add(index));
            let high = _mm256_loadu_ps(values.add(index + LANES));
            for (row, [even, odd]) in sums.iter_mut().enumerate() {
                let weights = matrix.add(row * len + index);
                _mm_prefetch::<_MM_HINT_T0>(weights.wrapping_add(AHEAD).cast());
                *even = _mm256_fmadd_ps(_mm256_loadu_ps(weights), low, *even);
                *odd = _mm256_fmadd_ps(_mm256_loadu_ps(weights.add(LANES)), high, *odd);
            }
        }
    }
    std::array::from_fn(|row| {
        let [even, odd] = sums[row];
        let mut sum = total(_mm256_add_ps(even, odd));
        for index in whole..len {
            // SAFETY: within the row.
            sum += unsafe { *matrix.add(row * len + index) * *values.add(index) };
        }
        sum
    })
}

/// The sum of a vector's lanes.
#[target_feature(enable = "avx,fma")]
fn total(lanes: __m256) -> f32 {
    let four = _mm_add_ps(_mm256_castps256_ps128(lanes), _mm256_extractf128_ps::<1>(lanes));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
}
