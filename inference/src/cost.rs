//! What a layer costs: arithmetic, bytes, and the matrix product inside it.
//!
//! Everything here follows from shapes alone, so it holds for a graph without weights too.
//!
//! **FLOPs.** A convolution or fully connected layer counts two per multiply–accumulate
//! (Williams, Waterman and Patterson, *Roofline*, CACM 52(4), 2009, count multiplications and
//! additions apart), and its bias none. The other layers are small and by convention count:
//!
//! | layer | FLOPs |
//! |---|---|
//! | pooling | one per value under a window: kernel area × outputs |
//! | global average pooling | one per input |
//! | local response normalisation | per value: 2 × size for the sum of squares, and 4 for scale, bias, power and product |
//! | addition, stand-alone clamp | one per output |
//! | softmax | four per value: maximum and difference, exponential, sum, quotient |
//! | concatenation | none |
//! | quantising, dequantising | two per value |
//!
//! Quantised layers count the same, of 8-bit integers: two for each multiply–accumulate, and two for
//! each value that is quantised or dequantised (a product or quotient, and a sum). Bringing the sums of
//! a quantised convolution back to steps counts none, as an activation does.
//!
//! A fused activation adds neither FLOPs nor bytes: it is applied to values still in registers.
//!
//! **Bytes** are those of the study's equation (1), "all the data required in the computation":
//! every input, weight, bias and output once, as if nothing stayed in a cache between layers and
//! nothing was fetched twice. A value or weight in 8-bit steps is one byte, whatever the element type of
//! the others; a quantised convolution's biases and scales are four. The operational intensity OI_t is FLOPs over these bytes.

use std::iter::Sum;
use std::ops::Add;

use crate::graph::{Graph, Layer, Operator, TensorId, Window};

/// The type that values and weights are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ElementType {
    /// IEEE 754 single precision, 4 bytes.
    #[default]
    F32,
    /// IEEE 754 half precision, 2 bytes.
    F16,
}

impl ElementType {
    /// Bytes of one value.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }
}

/// The cost of a layer, or the sum over several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Floating-point operations, counted as the [module](self) says.
    pub flops: u64,
    /// Bytes of the layer's inputs.
    pub input_bytes: u64,
    /// Bytes of its weights and biases.
    pub weight_bytes: u64,
    /// Bytes of its output.
    pub output_bytes: u64,
}

impl Cost {
    /// Inputs, weights and outputs, each moved once.
    pub fn bytes_theoretical(&self) -> u64 {
        self.input_bytes + self.weight_bytes + self.output_bytes
    }

    /// OI_t: FLOPs per theoretical byte. Zero for a cost of no bytes.
    pub fn operational_intensity(&self) -> f64 {
        match self.bytes_theoretical() {
            0 => 0.0,
            bytes => self.flops as f64 / bytes as f64,
        }
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            flops: self.flops + other.flops,
            input_bytes: self.input_bytes + other.input_bytes,
            weight_bytes: self.weight_bytes + other.weight_bytes,
            output_bytes: self.output_bytes + other.output_bytes,
        }
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

/// The cost of `layer`, a layer of `graph`, with values stored as `element`.
pub fn layer_cost(graph: &Graph, layer: &Layer, element: ElementType) -> Cost {
    let elements = |tensor: TensorId| graph.shape(tensor).elements() as u64;
    let bytes = |tensor: TensorId| {
        let in_steps = graph.tensors()[tensor.index()].steps.is_some();
        elements(tensor) * if in_steps { 1 } else { element.bytes() }
    };
    let inputs: u64 = layer.inputs.iter().map(|&tensor| elements(tensor)).sum();
    let output = elements(layer.output);
    let flops = match &layer.operator {
        Operator::Conv2d(_) | Operator::FullyConnected(_) | Operator::QuantisedConv2d(_) => {
            2 * macs(graph, layer)
        }
        Operator::MaxPool(pool) => output * pool.window.kernel.area() as u64,
        Operator::AveragePool(pool) => output * pool.window.kernel.area() as u64,
        Operator::GlobalAveragePool => inputs,
        Operator::LocalResponseNorm(norm) => output * (2 * norm.size as u64 + 4),
        Operator::Add(_) | Operator::Clamp(_) => output,
        Operator::Softmax => 4 * output,
        Operator::Concat => 0,
        Operator::Quantise(_) | Operator::Dequantise(_) => 2 * output,
    };
    Cost {
        flops,
        input_bytes: layer.inputs.iter().map(|&tensor| bytes(tensor)).sum(),
        weight_bytes: layer.operator.constant_bytes(element.bytes()),
        output_bytes: bytes(layer.output),
    }
}

/// The cost of every layer of `graph`, in order.
pub fn layer_costs(graph: &Graph, element: ElementType) -> Vec<Cost> {
    graph.layers().iter().map(|layer| layer_cost(graph, layer, element)).collect()
}

/// The cost of the whole of `graph`: the sum over its layers.
pub fn graph_cost(graph: &Graph, element: ElementType) -> Cost {
    layer_costs(graph, element).into_iter().sum()
}

/// Multiply–accumulates of a convolution or fully connected layer; 0 for any other.
pub fn macs(graph: &Graph, layer: &Layer) -> u64 {
    gemm(graph, layer).map_or(0, |gemm| gemm.macs())
}

/// Multiply–accumulates of all convolutions and fully connected layers of `graph`.
pub fn graph_macs(graph: &Graph) -> u64 {
    graph.layers().iter().map(|layer| macs(graph, layer)).sum()
}

/// A convolution or fully connected layer as the matrix products inside it: `groups` times an
/// M × K matrix of weights by a K × N matrix of inputs.
///
/// A cache model needs also how much neighbouring columns of the input matrix share, which the
/// window's fields give: rows of the image that one row of outputs reads are `kernel_height`
/// (dilated), and the next row of outputs advances by `stride_height` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gemm {
    /// Independent products.
    pub groups: usize,
    /// M: output channels of a group.
    pub m: usize,
    /// N: output pixels.
    pub n: usize,
    /// K: input channels of a group × kernel area.
    pub k: usize,
    /// Rows of the kernel; 1 for a fully connected layer.
    pub kernel_height: usize,
    /// Columns of the kernel; 1 for a fully connected layer.
    pub kernel_width: usize,
    /// Rows that the window advances; 1 for a fully connected layer.
    pub stride_height: usize,
    /// Columns that the window advances; 1 for a fully connected layer.
    pub stride_width: usize,
    /// Rows between neighbouring taps; 1 when dense.
    pub dilation_height: usize,
}

impl Gemm {
    /// Multiply–accumulates of all groups together.
    pub fn macs(&self) -> u64 {
        [self.groups, self.m, self.n, self.k]
            .iter()
            .fold(1, |product: u64, &side| product.saturating_mul(side as u64))
    }

    /// Rows of the image, kernel extent less stride, that two neighbouring rows of outputs both
    /// read: the halo that a cache keeps or fetches again.
    pub fn halo_rows(&self) -> usize {
        ((self.kernel_height - 1) * self.dilation_height + 1).saturating_sub(self.stride_height)
    }
}

/// The matrix product inside `layer`, a layer of `graph`; `None` for layers without one.
pub fn gemm(graph: &Graph, layer: &Layer) -> Option<Gemm> {
    match &layer.operator {
        Operator::Conv2d(conv) => Some(conv_gemm(
            &conv.window,
            conv.groups,
            conv.output_channels,
            conv.reduction(),
            graph.shape(layer.output).pixels(),
        )),
        Operator::QuantisedConv2d(conv) => Some(conv_gemm(
            &conv.window,
            conv.groups,
            conv.output_channels,
            conv.reduction(),
            graph.shape(layer.output).pixels(),
        )),
        Operator::FullyConnected(dense) => Some(Gemm {
            groups: 1,
            m: dense.output_features,
            n: 1,
            k: dense.input_features,
            kernel_height: 1,
            kernel_width: 1,
            stride_height: 1,
            stride_width: 1,
            dilation_height: 1,
        }),
        _ => None,
    }
}

fn conv_gemm(
    window: &Window,
    groups: usize,
    output_channels: usize,
    reduction: usize,
    output_pixels: usize,
) -> Gemm {
    let Window { kernel, stride, dilation, .. } = window;
    Gemm {
        groups,
        m: output_channels / groups,
        n: output_pixels,
        k: reduction,
        kernel_height: kernel.height,
        kernel_width: kernel.width,
        stride_height: stride.height,
        stride_width: stride.width,
        dilation_height: dilation.height,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Activation, Conv2d, GraphBuilder, MaxPool, Shape, Weights};

    fn graph() -> Graph {
        let mut builder = GraphBuilder::new("net", "image", Shape::new(4, 6, 6)).unwrap();
        let conv = Operator::Conv2d(Conv2d {
            window: Window::square(3, 2, 1),
            groups: 2,
            input_channels: 4,
            output_channels: 8,
            weights: Weights::absent(8 * 2 * 9),
            bias: Some(Weights::absent(8)),
            activation: Activation::Relu,
        });
        let conv = builder.add("conv", conv, &[builder.input()]).unwrap();
        let pool = Operator::MaxPool(MaxPool { window: Window::square(2, 1, 0), ceil_mode: false });
        let pool = builder.add("pool", pool, &[conv]).unwrap();
        builder.finish(pool).unwrap()
    }

    #[test]
    fn a_convolution_counts_two_flops_per_mac_and_every_byte_once() {
        let graph = graph();
        let cost = layer_cost(&graph, &graph.layers()[0], ElementType::F32);
        // 8 channels × 3×3 pixels, each a sum over 2 channels × 3×3 taps.
        assert_eq!(cost.flops, 2 * 8 * 9 * 18);
        assert_eq!(cost.input_bytes, 4 * 144);
        assert_eq!(cost.weight_bytes, 4 * (144 + 8));
        assert_eq!(cost.output_bytes, 4 * 72);
        let half = layer_cost(&graph, &graph.layers()[0], ElementType::F16);
        assert_eq!(half.bytes_theoretical() * 2, cost.bytes_theoretical());
    }

    #[test]
    fn a_pool_counts_the_values_it_looks_at() {
        let graph = graph();
        let cost = layer_cost(&graph, &graph.layers()[1], ElementType::F32);
        assert_eq!(cost.flops, 4 * 8 * 2 * 2);
        assert_eq!(cost.weight_bytes, 0);
        assert_eq!(gemm(&graph, &graph.layers()[1]), None);
    }

    #[test]
    fn the_product_inside_a_grouped_convolution() {
        let graph = graph();
        let gemm = gemm(&graph, &graph.layers()[0]).unwrap();
        assert_eq!((gemm.groups, gemm.m, gemm.n, gemm.k), (2, 4, 9, 18));
        assert_eq!(gemm.halo_rows(), 1);
        assert_eq!(graph_macs(&graph), 8 * 9 * 18);
    }

    #[test]
    fn costs_add_up() {
        let graph = graph();
        let total = graph_cost(&graph, ElementType::F32);
        let layers = layer_costs(&graph, ElementType::F32);
        assert_eq!(total, layers[0] + layers[1]);
        assert!(total.operational_intensity() > 0.0);
        assert_eq!(Cost::default().operational_intensity(), 0.0);
    }
}
