//! A layer's constants.

use std::fmt;
use std::sync::Arc;

/// The constants of a layer, FP32 unless said otherwise, shared between the graph and whoever runs
/// it.
///
/// They may be *absent*: the count is known and the values are not. A graph of absent weights
/// has shapes and costs like any other and takes no memory, but no executor will run it.
#[derive(Clone, PartialEq)]
pub struct Weights<T = f32> {
    len: usize,
    values: Option<Arc<[T]>>,
}

impl<T> Weights<T> {
    /// `len` constants whose values are not known.
    pub fn absent(len: usize) -> Self {
        Self { len, values: None }
    }

    /// The number of constants.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no constants.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The constants, or `None` when they are absent.
    pub fn values(&self) -> Option<&[T]> {
        self.values.as_deref()
    }
}

impl<T> From<Vec<T>> for Weights<T> {
    fn from(values: Vec<T>) -> Self {
        Self { len: values.len(), values: Some(values.into()) }
    }
}

/// Shows how many there are, not the millions of values.
impl<T> fmt::Debug for Weights<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let presence = if self.values.is_some() { "" } else { " absent" };
        write!(f, "Weights({}{presence})", self.len)
    }
}
