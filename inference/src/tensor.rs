//! Values and their shape.

use crate::graph::Shape;

/// The values do not fill the shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{values} values do not fill a tensor of {shape}, which takes {}", shape.elements())]
pub struct TensorError {
    /// How many values there are.
    pub values: usize,
    /// The shape they were to fill.
    pub shape: Shape,
}

/// An FP32 tensor of one image, in channel, row, column order (NCHW with N = 1).
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Shape,
    values: Vec<f32>,
}

impl Tensor {
    /// `values`, in channel, row, column order, as a tensor of `shape`.
    ///
    /// # Errors
    ///
    /// [`TensorError`] unless there are exactly as many values as `shape` takes.
    pub fn new(shape: Shape, values: Vec<f32>) -> Result<Self, TensorError> {
        if shape.checked_elements() == Some(values.len()) {
            Ok(Self { shape, values })
        } else {
            Err(TensorError { values: values.len(), shape })
        }
    }

    /// An executor's result, whose length follows from the graph.
    pub(crate) fn of_checked(shape: Shape, values: Vec<f32>) -> Self {
        debug_assert_eq!(shape.elements(), values.len());
        Self { shape, values }
    }

    /// The tensor's shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The values, in channel, row, column order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The values, in channel, row, column order, to keep.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// The position of the largest value: for a classifier, the class. The first of several, and
    /// `None` if every value is NaN.
    pub fn argmax(&self) -> Option<usize> {
        let numbers = self.values.iter().enumerate().filter(|(_, value)| !value.is_nan());
        numbers
            .fold(None, |best: Option<(usize, f32)>, (index, &value)| match best {
                Some((_, largest)) if largest >= value => best,
                _ => Some((index, value)),
            })
            .map(|(index, _)| index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_must_fill_the_shape() {
        let error = Tensor::new(Shape::new(1, 2, 3), vec![0.0; 5]).unwrap_err();
        assert_eq!(error.to_string(), "5 values do not fill a tensor of 1×1×2×3, which takes 6");
    }

    #[test]
    fn the_first_of_the_largest_wins() {
        let tensor = Tensor::new(Shape::vector(4), vec![f32::NAN, 2.0, 3.0, 3.0]).unwrap();
        assert_eq!(tensor.argmax(), Some(2));
    }
}
