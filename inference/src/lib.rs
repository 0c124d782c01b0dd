//! Networks, what they cost, and what runs them.
//!
//! A network is a [`Graph`](graph::Graph): layers in the order in which they run, with shapes,
//! and weights that may be left out. It comes from an ONNX file ([`onnx`]) or from the [`zoo`] of
//! the study's five networks. Everything else walks that graph layer by layer: the cost model
//! ([`cost`]) and the executors ([`executor`]), which report each layer's start and end on the
//! clock that all of wattline's files are stamped with.
//!
//! ```
//! use wattline_inference::{Model, executor, synthetic_image};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let model = Model::open("squeezenet", 1)?;
//! let mut executor = executor::open("reference", &model.graph, 1)?;
//! let image = synthetic_image(model.graph.input_shape(), 1, 0)?;
//! let probabilities = executor.run(&image, &mut ())?;
//! assert_eq!(probabilities.shape().channels, 1000);
//! # Ok(())
//! # }
//! ```
//!
//! Costs need no weights, and take microseconds:
//!
//! ```
//! use wattline_inference::cost::{ElementType, gemm, layer_cost};
//! use wattline_inference::zoo;
//!
//! let alexnet = zoo::graph_structure("alexnet").unwrap();
//! let fc6 = alexnet.layers().iter().find(|layer| layer.name == "fc6").unwrap();
//! let cost = layer_cost(&alexnet, fc6, ElementType::F32);
//! assert_eq!(cost.flops, 2 * 9216 * 4096);
//! // Two FLOPs for each weight of four bytes: as memory-bound as a layer can be.
//! assert!((cost.operational_intensity() - 0.5).abs() < 0.001);
//! assert_eq!(gemm(&alexnet, fc6).unwrap().n, 1);
//! ```
//!
//! # Executors
//!
//! | name | what it is | there |
//! |---|---|---|
//! | `reference` | plain Rust, slow: the oracle of the tests | always |
//! | `opencl` | OpenCL kernels, FP32 or FP16: the GPUs; see [`opencl`] | where a device is |
//! | `xnnpack` | XNNPACK's operators, threads, SIMD: the CPU clusters | built where the library is |
//! | `npu-fp16` | FP16 as an NPU computes it, on one of the others; see [`npu`] | always |
//!
//! The `xnnpack` executor needs XNNPACK and pthreadpool as Debian 12 or 13 has them
//! (`apt install libxnnpack-dev libpthreadpool-dev`). The build script looks for them where the C
//! compiler would; `WATTLINE_XNNPACK_DIR` names another prefix, and set to nothing builds without.
//! [`executor::available`] says what a build has, and why it lacks the rest.
//!
//! On x86 CPUs with FMA3 and without AVX-512, convolutions and fully connected layers of the
//! `xnnpack` executor run on kernels of this crate, which are faster there;
//! [`executor::description`] says whose kernels compute. `make bench` measures beside ONNX Runtime,
//! ncnn and MNN.
//!
//! [`executor::open`] opens the first three; the fourth also wants the list of operators that the NPU
//! refuses, and is made by [`npu::Fp16::new`]. [`npu::Emulator`] runs images in the time of a board's
//! model instead, and [`roofline`] measures or models what bounds a component.

pub mod affinity;
pub mod classes;
mod clock;
pub mod coexecution;
pub mod cost;
mod emulated;
pub mod executor;
pub mod graph;
pub mod input;
mod model;
pub mod npu;
pub mod onnx;
pub mod opencl;
mod plan;
mod probes;
pub mod quantise;
pub mod reference;
pub mod roofline;
mod streams;
mod tensor;
#[cfg(xnnpack)]
pub mod xnnpack;
pub mod zoo;

pub use clock::monotonic_ns;
pub use emulated::layer_shapes;
pub use input::synthetic_image;
pub use model::{Model, ModelError};
pub use tensor::{Tensor, TensorError};
