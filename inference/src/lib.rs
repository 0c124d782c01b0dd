//! Networks, cost model and executors.

mod clock;
pub mod cost;
mod emulated;
pub mod executor;
pub mod graph;
mod input;
mod model;
pub mod onnx;
pub mod reference;
mod tensor;
#[cfg(xnnpack)]
pub mod xnnpack;
pub mod zoo;

pub use clock::monotonic_ns;
pub use emulated::layer_shapes;
pub use input::synthetic_image;
pub use model::{Model, ModelError};
pub use tensor::{Tensor, TensorError};
