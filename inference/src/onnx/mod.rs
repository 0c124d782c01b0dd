//! ONNX files: read into a [`Graph`](crate::graph::Graph), and written from one.
//!
//! [`read`] takes what inference on one image needs: operator sets 9 to 17, one image in, one
//! result out, FP32 or 8-bit weights inside the file, and the operators of [`SUPPORTED_OPERATORS`]. Shapes
//! are inferred here and not taken from the file. Along the way
//!
//! * `Flatten`, `Reshape`, `Dropout` and `Identity` disappear;
//! * batch normalisation is folded into the convolution before it, or becomes a depthwise 1 × 1
//!   convolution where there is none;
//! * an addition of constants becomes the bias of the layer before it;
//! * `Relu` and `Clip` are fused into the convolution, matrix product or addition before them,
//!   where nothing else reads what lies between;
//! * `QuantizeLinear`, `QLinearConv` and `DequantizeLinear` become layers of 8-bit steps, and a constant
//!   that is dequantised becomes FP32: a file in the QDQ form, whose convolutions stand between
//!   `DequantizeLinear` and `QuantizeLinear`, computes them in FP32, as it says;
//! * nodes that the result does not depend on are left out.
//!
//! A file that is damaged, hostile or merely unsupported gives a [`ReadError`] that names the
//! node or constant at fault. Nothing is allocated on the word of a file: constants are as long
//! as the bytes that are there, and shapes are bounded.

mod attributes;
mod constants;
mod error;
mod fold;
mod lower;
mod order;
mod proto;
mod quantised;
mod reader;
mod reshaping;
mod weighted;
mod writer;

#[cfg(test)]
mod tests;

pub use error::{ReadError, WriteError};
pub use lower::SUPPORTED_OPERATORS;
pub use reader::read;
pub use writer::write;
