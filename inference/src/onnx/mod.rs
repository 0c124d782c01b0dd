//! ONNX files.

mod error;
mod proto;
mod writer;

pub use error::WriteError;
pub use writer::write;
