//! What a layer can compute.

use super::{Quantisation, QuantisedConv2d, Weights, Window};

/// A clamp of every value, on its own or fused into the layer that makes the values.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Activation {
    /// Values pass unchanged.
    #[default]
    Identity,
    /// max(x, 0).
    Relu,
    /// x bounded to `min ..= max`; an infinite bound does not bind.
    Clip {
        /// The smallest value that passes.
        min: f32,
        /// The largest value that passes.
        max: f32,
    },
}

impl Activation {
    /// The clamp of MobileNet: `0 ..= 6`.
    pub const RELU6: Self = Self::Clip { min: 0.0, max: 6.0 };

    /// The smallest and the largest value that pass, infinite where there is no bound.
    pub fn bounds(self) -> (f32, f32) {
        match self {
            Self::Identity => (f32::NEG_INFINITY, f32::INFINITY),
            Self::Relu => (0.0, f32::INFINITY),
            Self::Clip { min, max } => (min, max),
        }
    }

    /// The value that the activation gives for `x`.
    pub fn apply(self, x: f32) -> f32 {
        match self {
            // Untouched, NaN too.
            Self::Identity => x,
            Self::Relu => x.max(0.0),
            Self::Clip { min, max } => x.max(min).min(max),
        }
    }
}

/// A two-dimensional convolution (cross-correlation, as everywhere in the field).
#[derive(Debug, Clone, PartialEq)]
pub struct Conv2d {
    /// How the kernel slides.
    pub window: Window,
    /// Channels are split into this many groups that do not see each other.
    pub groups: usize,
    /// Channels of the input.
    pub input_channels: usize,
    /// Channels of the output.
    pub output_channels: usize,
    /// Output channels × (input channels / groups) × kernel height × kernel width.
    pub weights: Weights,
    /// One per output channel.
    pub bias: Option<Weights>,
    /// Applied to the output.
    pub activation: Activation,
}

impl Conv2d {
    /// Length of one output's sum: input channels of a group × kernel area.
    pub fn reduction(&self) -> usize {
        (self.input_channels / self.groups).saturating_mul(self.window.kernel.area())
    }

    /// Whether each group has a single input channel, and there is more than one group.
    pub fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.groups == self.input_channels
    }
}

/// Every output is a weighted sum of every input.
#[derive(Debug, Clone, PartialEq)]
pub struct FullyConnected {
    /// Values of the input, counted over channels, rows and columns.
    pub input_features: usize,
    /// Values of the output.
    pub output_features: usize,
    /// Output features × input features; the inputs in channel, row, column order.
    pub weights: Weights,
    /// One per output feature.
    pub bias: Option<Weights>,
    /// Applied to the output.
    pub activation: Activation,
}

/// The largest value under a window; padding never wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxPool {
    /// How the window slides. Dense: `dilation` is 1.
    pub window: Window,
    /// Whether a last window may hang over the padded image's end.
    pub ceil_mode: bool,
}

/// The mean of the values under a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AveragePool {
    /// How the window slides. Dense: `dilation` is 1.
    pub window: Window,
    /// Whether a last window may hang over the padded image's end. The overhang itself is never
    /// counted, as in PyTorch.
    pub ceil_mode: bool,
    /// Whether the zeros of the padding count as values.
    pub count_include_pad: bool,
}

/// Local response normalisation over neighbouring channels (Krizhevsky et al., *ImageNet
/// classification with deep convolutional neural networks*, 2012, section 3.3), in ONNX's form:
/// `y = x / (bias + alpha / size * sum)^beta`, where `sum` is over the squares of the `size`
/// channels around x.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LocalResponseNorm {
    /// How many channels are summed: ⌊(size−1)/2⌋ before and ⌈(size−1)/2⌉ after.
    pub size: usize,
    /// Weight of the mean of squares.
    pub alpha: f32,
    /// The exponent.
    pub beta: f32,
    /// Added to the mean of squares.
    pub bias: f32,
}

impl LocalResponseNorm {
    /// How many channels before and after a channel are in its window.
    pub fn reach(&self) -> (usize, usize) {
        ((self.size - 1) / 2, self.size / 2)
    }
}

/// What a layer computes.
#[derive(Debug, Clone, PartialEq)]
pub enum Operator {
    /// Two-dimensional convolution, grouped and depthwise too.
    Conv2d(Conv2d),
    /// Matrix–vector product.
    FullyConnected(FullyConnected),
    /// Largest value under a window.
    MaxPool(MaxPool),
    /// Mean under a window.
    AveragePool(AveragePool),
    /// Mean of each channel: the output is 1 × 1 pixel.
    GlobalAveragePool,
    /// Normalisation over neighbouring channels.
    LocalResponseNorm(LocalResponseNorm),
    /// The inputs' channels one after the other.
    Concat,
    /// The sum of two tensors of one shape, then the activation.
    Add(Activation),
    /// An activation that could not be fused into the layer before it.
    Clamp(Activation),
    /// exp(x) over the sum of exp(x), over the channels of each pixel.
    Softmax,
    /// FP32 values → 8-bit steps.
    Quantise(Quantisation),
    /// 8-bit steps → FP32 values.
    Dequantise(Quantisation),
    /// Two-dimensional convolution of 8-bit steps.
    QuantisedConv2d(QuantisedConv2d),
}

impl Operator {
    /// The kind of layer, for people and traces: `conv2d`, `depthwise_conv2d`,
    /// `fully_connected`, `max_pool`, …
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Conv2d(conv) if conv.is_depthwise() => "depthwise_conv2d",
            Self::Conv2d(_) => "conv2d",
            Self::FullyConnected(_) => "fully_connected",
            Self::MaxPool(_) => "max_pool",
            Self::AveragePool(_) => "average_pool",
            Self::GlobalAveragePool => "global_average_pool",
            Self::LocalResponseNorm(_) => "local_response_norm",
            Self::Concat => "concat",
            Self::Add(_) => "add",
            Self::Clamp(_) => "clamp",
            Self::Softmax => "softmax",
            Self::Quantise(_) => "quantise",
            Self::Dequantise(_) => "dequantise",
            Self::QuantisedConv2d(conv) if conv.is_depthwise() => "quantised_depthwise_conv2d",
            Self::QuantisedConv2d(_) => "quantised_conv2d",
        }
    }

    /// Whether this is a depthwise convolution, which some accelerators refuse.
    pub fn is_depthwise(&self) -> bool {
        match self {
            Self::Conv2d(conv) => conv.is_depthwise(),
            Self::QuantisedConv2d(conv) => conv.is_depthwise(),
            _ => false,
        }
    }

    /// The number of weights and biases.
    pub fn parameters(&self) -> u64 {
        let (weights, biases) = self.constants();
        weights + biases
    }

    /// The number of weights, and that of biases.
    fn constants(&self) -> (u64, u64) {
        let (weights, biases) = match self {
            Self::Conv2d(conv) => (conv.weights.len(), conv.bias.as_ref().map(Weights::len)),
            Self::FullyConnected(dense) => {
                (dense.weights.len(), dense.bias.as_ref().map(Weights::len))
            }
            Self::QuantisedConv2d(conv) => {
                (conv.weights.len(), conv.bias.as_ref().map(Weights::len))
            }
            _ => (0, None),
        };
        (weights as u64, biases.unwrap_or(0) as u64)
    }

    /// Bytes of all constants, where those that are not quantised take `element_bytes` each.
    /// Quantised weights take one, their biases and scales four.
    pub fn constant_bytes(&self, element_bytes: u64) -> u64 {
        let (weights, biases) = self.constants();
        match self {
            Self::QuantisedConv2d(conv) => weights + 4 * (biases + conv.scales.len() as u64),
            _ => (weights + biases) * element_bytes,
        }
    }

    /// The fused activation, where the operator has room for one.
    pub fn activation_mut(&mut self) -> Option<&mut Activation> {
        match self {
            Self::Conv2d(conv) => Some(&mut conv.activation),
            Self::FullyConnected(dense) => Some(&mut dense.activation),
            Self::Add(activation) => Some(activation),
            _ => None,
        }
    }

    /// The fused activation, or the clamp that the operator itself is.
    pub fn activation(&self) -> Activation {
        match self {
            Self::Conv2d(conv) => conv.activation,
            Self::FullyConnected(dense) => dense.activation,
            Self::Add(activation) | Self::Clamp(activation) => *activation,
            _ => Activation::Identity,
        }
    }
}
