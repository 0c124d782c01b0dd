//! The vocabulary that the networks are written in, and where their weights come from.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::graph::{
    Activation, Conv2d, FullyConnected, Graph, GraphBuilder, GraphError, LocalResponseNorm,
    MaxPool, Operator, Shape, TensorId, Weights, Window,
};

/// Where a network's weights come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum WeightSource {
    /// Nowhere: the structure alone is wanted.
    Absent,
    /// A generator of this seed.
    Seeded(u64),
}

/// He et al., *Delving deep into rectifiers*, 2015, equation 10: weights of variance
/// 2 / fan-in keep the mean square of activations from layer to layer when a ReLU follows.
pub(super) const HE_GAIN: f32 = 2.0;

/// Without a ReLU behind it, a layer keeps the mean square at variance 1 / fan-in.
pub(super) const LINEAR_GAIN: f32 = 1.0;

/// The bound of the biases: small, so as not to disturb the scale of activations, and not zero,
/// so that a bias forgotten is a bias noticed.
const BIAS_BOUND: f32 = 0.01;

/// A convolution, as far as it differs from the most common one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conv {
    pub(super) channels: usize,
    pub(super) window: Window,
    pub(super) groups: usize,
    pub(super) activation: Activation,
    /// Variance of the weights, times fan-in.
    pub(super) gain: f32,
}

impl Conv {
    /// `channels` outputs of a `kernel` × `kernel` window, with a ReLU.
    pub(super) fn new(channels: usize, kernel: usize, stride: usize, padding: usize) -> Self {
        Self {
            channels,
            window: Window::square(kernel, stride, padding),
            groups: 1,
            activation: Activation::Relu,
            gain: HE_GAIN,
        }
    }
}

/// A network being written down.
#[derive(Debug)]
pub(super) struct Recipe {
    graph: GraphBuilder,
    weights: WeightSource,
    /// Each tensor of constants draws from a stream of its own, so that one layer's size does
    /// not shift the next layer's numbers.
    next_stream: u64,
}

impl Recipe {
    pub(super) fn new(name: &str, input: Shape, weights: WeightSource) -> Result<Self, GraphError> {
        Ok(Self { graph: GraphBuilder::new(name, "image", input)?, weights, next_stream: 0 })
    }

    pub(super) fn finish(self, output: TensorId) -> Result<Graph, GraphError> {
        self.graph.finish(output)
    }

    pub(super) fn input(&self) -> TensorId {
        self.graph.input()
    }

    pub(super) fn channels(&self, tensor: TensorId) -> usize {
        self.graph.shape(tensor).channels
    }

    pub(super) fn conv(
        &mut self,
        name: &str,
        input: TensorId,
        conv: Conv,
    ) -> Result<TensorId, GraphError> {
        let input_channels = self.channels(input);
        let fan_in = input_channels / conv.groups * conv.window.kernel.area();
        let operator = Operator::Conv2d(Conv2d {
            window: conv.window,
            groups: conv.groups,
            input_channels,
            output_channels: conv.channels,
            weights: self.draw_weights(conv.channels * fan_in, fan_in, conv.gain),
            bias: Some(self.draw(conv.channels, BIAS_BOUND)),
            activation: conv.activation,
        });
        self.graph.add(name, operator, &[input])
    }

    pub(super) fn dense(
        &mut self,
        name: &str,
        input: TensorId,
        output_features: usize,
        activation: Activation,
    ) -> Result<TensorId, GraphError> {
        let input_features = self.graph.shape(input).elements();
        let gain = if activation == Activation::Identity { LINEAR_GAIN } else { HE_GAIN };
        let operator = Operator::FullyConnected(FullyConnected {
            input_features,
            output_features,
            weights: self.draw_weights(output_features * input_features, input_features, gain),
            bias: Some(self.draw(output_features, BIAS_BOUND)),
            activation,
        });
        self.graph.add(name, operator, &[input])
    }

    /// A max pool that rounds its output up, as Caffe's do.
    pub(super) fn max_pool(
        &mut self,
        name: &str,
        input: TensorId,
        window: Window,
    ) -> Result<TensorId, GraphError> {
        self.graph.add(name, Operator::MaxPool(MaxPool { window, ceil_mode: true }), &[input])
    }

    /// A max pool that rounds its output down, as PyTorch's do.
    pub(super) fn max_pool_floor(
        &mut self,
        name: &str,
        input: TensorId,
        window: Window,
    ) -> Result<TensorId, GraphError> {
        self.graph.add(name, Operator::MaxPool(MaxPool { window, ceil_mode: false }), &[input])
    }

    pub(super) fn global_average_pool(
        &mut self,
        name: &str,
        input: TensorId,
    ) -> Result<TensorId, GraphError> {
        self.graph.add(name, Operator::GlobalAveragePool, &[input])
    }

    /// The constants of AlexNet's paper in Caffe's form, which GoogLeNet took over.
    pub(super) fn local_response_norm(
        &mut self,
        name: &str,
        input: TensorId,
    ) -> Result<TensorId, GraphError> {
        let norm = LocalResponseNorm { size: 5, alpha: 1e-4, beta: 0.75, bias: 1.0 };
        self.graph.add(name, Operator::LocalResponseNorm(norm), &[input])
    }

    pub(super) fn concat(
        &mut self,
        name: &str,
        inputs: &[TensorId],
    ) -> Result<TensorId, GraphError> {
        self.graph.add(name, Operator::Concat, inputs)
    }

    pub(super) fn add_relu(
        &mut self,
        name: &str,
        left: TensorId,
        right: TensorId,
    ) -> Result<TensorId, GraphError> {
        self.graph.add(name, Operator::Add(Activation::Relu), &[left, right])
    }

    pub(super) fn softmax(&mut self, name: &str, input: TensorId) -> Result<TensorId, GraphError> {
        self.graph.add(name, Operator::Softmax, &[input])
    }

    /// Uniform weights of variance `gain` / `fan_in`: those of ±√(3 · variance).
    fn draw_weights(&mut self, count: usize, fan_in: usize, gain: f32) -> Weights {
        self.draw(count, (3.0 * gain / fan_in as f32).sqrt())
    }

    /// `count` numbers, uniform in ±`bound`.
    ///
    /// Uniform and not normal: it takes only additions and products, which every machine rounds
    /// alike, where a normal's logarithm comes from the C library.
    fn draw(&mut self, count: usize, bound: f32) -> Weights {
        let stream = self.next_stream;
        self.next_stream += 1;
        match self.weights {
            WeightSource::Absent => Weights::absent(count),
            WeightSource::Seeded(seed) => {
                let mut generator = ChaCha8Rng::seed_from_u64(seed);
                generator.set_stream(stream);
                let values: Vec<f32> =
                    (0..count).map(|_| (2.0 * generator.random::<f32>() - 1.0) * bound).collect();
                values.into()
            }
        }
    }
}
