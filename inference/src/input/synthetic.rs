//! Images that are drawn, not photographed.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::graph::Shape;
use crate::tensor::{Tensor, TensorError};

/// Image number `index` of the endless stream of images of `seed`, alike on every machine.
///
/// Values are uniform in ±√3, so of mean 0 and variance 1, as an image is after the usual
/// normalisation. What they are changes neither time nor energy, as long as they are ordinary
/// numbers; that images differ lets a co-execution run notice results in the wrong order.
///
/// # Errors
///
/// [`TensorError`] when `shape` is empty or beyond
/// [`MAX_ELEMENTS`](crate::graph::MAX_ELEMENTS).
pub fn synthetic_image(shape: Shape, seed: u64, index: u64) -> Result<Tensor, TensorError> {
    let elements = shape.checked_elements().ok_or(TensorError { values: 0, shape })?;
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(index);
    let bound = 3.0_f32.sqrt();
    let values = (0..elements).map(|_| (2.0 * generator.random::<f32>() - 1.0) * bound).collect();
    Tensor::new(shape, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_repeatable_distinct_and_normalised() {
        let shape = Shape::new(3, 64, 64);
        let image = synthetic_image(shape, 1, 0).unwrap();
        assert_eq!(image, synthetic_image(shape, 1, 0).unwrap());
        assert_ne!(image, synthetic_image(shape, 1, 1).unwrap());
        assert_ne!(image, synthetic_image(shape, 2, 0).unwrap());
        let count = image.values().len() as f32;
        let mean = image.values().iter().sum::<f32>() / count;
        let variance = image.values().iter().map(|value| value * value).sum::<f32>() / count;
        assert!(
            mean.abs() < 0.05 && (variance - 1.0).abs() < 0.05,
            "mean {mean}, variance {variance}"
        );
    }

    #[test]
    fn an_impossible_shape_is_refused() {
        assert!(synthetic_image(Shape::new(0, 1, 1), 0, 0).is_err());
        assert!(synthetic_image(Shape::new(usize::MAX, 2, 2), 0, 0).is_err());
    }
}
