//! What the NPU will answer, computed before anything is timed.

use std::sync::Arc;

use super::Fp16;
use crate::executor::{self, Executor, ExecutorError};
use crate::graph::Graph;
use crate::tensor::Tensor;

/// The most that FP16 may differ from FP32, as a share of the range of FP32's output.
pub const LARGEST_ERROR: f64 = 1e-2;

/// The results of some images in FP16, and how far they are from FP32.
#[derive(Debug, Clone, PartialEq)]
pub struct Outputs {
    /// One for each image, in order.
    pub tensors: Arc<[Tensor]>,
    /// The largest difference from FP32 of any value of any image, as a share of the range (largest
    /// less smallest value) of FP32's output for that image.
    pub largest_error: f64,
}

/// Why there are no outputs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputsError {
    /// One of the executors cannot run the network.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    /// FP16 is too coarse for the network.
    #[error(
        "in FP16 the output for image {image} differs from FP32's by {error:.1e} of its range, more than \
         {LARGEST_ERROR}; run the network on another component"
    )]
    TooCoarse {
        /// The image's place, from 0.
        image: usize,
        /// The difference.
        error: f64,
    },
}

/// Runs `graph` on every image, in FP16 and, with the executor called `full`, in FP32. `refuses`
/// is as for [`Fp16::new`]; `step` hears of each image that is done.
///
/// # Errors
/// [`OutputsError`].
pub fn outputs(
    graph: &Graph,
    refuses: &[String],
    images: &[Tensor],
    full: &str,
    threads: usize,
    mut step: impl FnMut(),
) -> Result<Outputs, OutputsError> {
    // One executor at a time: each holds the weights.
    let mut full = executor::open(full, graph, threads)?;
    let expected =
        images.iter().map(|image| full.run(image, &mut ())).collect::<Result<Vec<_>, _>>()?;
    drop(full);
    let mut half = Fp16::new(graph, refuses, threads)?;
    let mut tensors = Vec::with_capacity(images.len());
    let mut largest_error = 0.0f64;
    for (index, (image, expected)) in images.iter().zip(&expected).enumerate() {
        let actual = half.run(image, &mut ())?;
        let error = error(expected, &actual);
        if error.is_nan() || error > LARGEST_ERROR {
            return Err(OutputsError::TooCoarse { image: index, error });
        }
        largest_error = largest_error.max(error);
        tensors.push(actual);
        step();
    }
    Ok(Outputs { tensors: tensors.into(), largest_error })
}

/// The largest difference, as a share of the range of what is expected.
fn error(expected: &Tensor, actual: &Tensor) -> f64 {
    let values = expected.values();
    let range = values.iter().fold(f32::NEG_INFINITY, |most, &value| most.max(value))
        - values.iter().fold(f32::INFINITY, |least, &value| least.min(value));
    let differences = values.iter().zip(actual.values()).map(|(a, b)| (a - b).abs());
    // One that is no number is not passed over.
    let larger = |most: f32, it: f32| if it > most || it.is_nan() { it } else { most };
    let largest = differences.fold(0.0, larger);
    // Outputs that are all the same have no range: then only no difference at all will do.
    if largest == 0.0 { 0.0 } else { f64::from(largest) / f64::from(range) }
}
