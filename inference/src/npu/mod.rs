//! A network in the arithmetic of an NPU: FP16 between layers, FP32 within.
//!
//! - **Weights and the image** are rounded to IEEE binary16 once, to nearest, ties to even.
//! - **Within a layer** products of FP16 values are exact in FP32 and are summed in FP32. Matrix
//!   units whose arithmetic is published work so: the cube of Huawei's later Da Vinci NPUs (Liao et
//!   al., *DaVinci: a scalable architecture for neural network computing*, Hot Chips 31, 2019) and
//!   NVIDIA's tensor cores (Markidis et al., *NVIDIA tensor core programmability, performance &
//!   precision*, IPDPSW 2018), both of which also offer sums in FP16. The Kirin 970's NPU is a
//!   black box to the study and the width of its accumulators is not known to us; sums in FP16
//!   would lose more than is lost here.
//! - **Between layers** every value is rounded to binary16, after the fused activation.
//! - **A value beyond ±65504** is an error that names the layer, not an infinity that turns up in
//!   the result.
//! - **Operators on the component's list are refused**, the first such node being named, before
//!   anything is computed: the study could not deploy MobileNet for its depthwise convolutions.
//!
//! The result is that of the NPU's number format; its speed is that of the CPU underneath. So the
//! [`Emulator`] has its [`outputs()`] computed ahead of the timed run, and then takes for each image
//! the time that the model of the board gives it, asleep: what runs beside it loses no more than a
//! wake-up an image. On request it moves the bytes of each layer through real memory meanwhile, so
//! that its neighbours and the counters feel a component that is bound by bandwidth.
//!
//! ```
//! use wattline_inference::{executor::Executor, npu::Fp16, synthetic_image, zoo};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let graph = zoo::graph_at("squeezenet", 64, 1)?;
//! let mut npu = Fp16::new(&graph, &["depthwise_conv2d".to_owned()], 1)?;
//! let probabilities = npu.run(&synthetic_image(graph.input_shape(), 1, 0)?, &mut ())?;
//! assert_eq!(probabilities.shape().channels, 1000);
//! # Ok(())
//! # }
//! ```

mod bucket;
mod emulator;
pub(crate) mod half;
mod outputs;
mod pace;
mod report;
mod traffic;

use std::fmt;
use std::ops::Range;

use crate::cost::ElementType;
use crate::executor::{Executor, ExecutorError, LayerObserver, check_live, open_storing};
use crate::graph::{Graph, Weights};
use crate::tensor::Tensor;

pub use emulator::Emulator;
pub use outputs::{LARGEST_ERROR, Outputs, OutputsError, outputs};
pub use report::{Report, TrafficReport, Watch};
pub use traffic::{TrafficError, TrafficSettings};

/// The executor's name.
pub const NAME: &str = "npu-fp16";

/// Runs a network in FP16, on the fastest executor that this build has.
pub struct Fp16 {
    graph: Graph,
    inner: Box<dyn Executor>,
}

impl Fp16 {
    /// An executor of `graph` on `threads` threads of the CPU, for a component that refuses the
    /// operators `refuses`, named as [`Operator::kind`](crate::graph::Operator::kind) does.
    ///
    /// # Errors
    ///
    /// [`ExecutorError::Refused`] for the first layer whose operator is on the list,
    /// [`ExecutorError::BeyondFp16`] for weights that FP16 cannot hold, and what the executor
    /// underneath says.
    pub fn new(graph: &Graph, refuses: &[String], threads: usize) -> Result<Self, ExecutorError> {
        let refused = |kind: &'static str| refuses.iter().any(|refused| refused.as_str() == kind);
        if let Some(layer) = graph.layers().iter().find(|layer| refused(layer.operator.kind())) {
            return Err(ExecutorError::Refused {
                executor: NAME,
                layer: layer.name.clone(),
                operator: layer.operator.kind(),
            });
        }
        let graph = graph.clone().with_weights(rounded)?;
        let inner = open_storing(&graph, threads, ElementType::F16)?;
        Ok(Self { graph, inner })
    }
}

/// `weights` of `layer` as FP16 holds them; absent ones stay absent.
fn rounded(layer: &str, weights: &Weights) -> Result<Weights, ExecutorError> {
    let Some(values) = weights.values() else { return Ok(weights.clone()) };
    let mut values = values.to_vec();
    match half::round(&mut values) {
        true => Ok(values.into()),
        false => Err(ExecutorError::BeyondFp16 { what: "weights", layer: layer.to_owned() }),
    }
}

impl Executor for Fp16 {
    fn name(&self) -> &str {
        NAME
    }

    fn graph(&self) -> &Graph {
        &self.graph
    }

    fn run_layers(
        &mut self,
        layers: Range<usize>,
        live: &[Tensor],
        observer: &mut dyn LayerObserver,
    ) -> Result<Vec<Tensor>, ExecutorError> {
        check_live(&self.graph, &layers, live)?;
        let halves = live.iter().map(|tensor| {
            let mut values = tensor.values().to_vec();
            if half::round(&mut values) {
                return Ok(Tensor::of_checked(tensor.shape(), values));
            }
            let layer = self.graph.layers().get(layers.start);
            let layer = layer.map_or("", |layer| &layer.name).to_owned();
            Err(ExecutorError::BeyondFp16 { what: "inputs", layer })
        });
        let halves: Vec<_> = halves.collect::<Result<_, _>>()?;
        self.inner.run_layers(layers, &halves, observer)
    }
}

impl fmt::Debug for Fp16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fp16")
            .field("network", &self.graph.name())
            .field("on", &self.inner.name())
            .finish()
    }
}
