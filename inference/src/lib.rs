//! Networks, cost model and executors.

pub mod cost;
pub mod graph;
pub mod onnx;
pub mod zoo;
