//! A layer's constants.

use std::fmt;
use std::sync::Arc;

/// The constants of a layer, shared between the graph and whoever runs it.
///
/// They may be *absent*: the count is known and the values are not. A graph of absent weights
/// has shapes and costs like any other and takes no memory, but no executor will run it.
#[derive(Clone, PartialEq)]
pub struct Weights {
    len: usize,
    values: Option<Arc<[f32]>>,
}

impl Weights {
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
    pub fn values(&self) -> Option<&[f32]> {
        self.values.as_deref()
    }
}

impl From<Vec<f32>> for Weights {
    fn from(values: Vec<f32>) -> Self {
        Self { len: values.len(), values: Some(values.into()) }
    }
}

/// Shows how many there are, not the millions of values.
impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let presence = if self.values.is_some() { "" } else { " absent" };
        write!(f, "Weights({}{presence})", self.len)
    }
}
