//! ResNet-50: He et al., *Deep residual learning for image recognition*, CVPR 2016, table 1.
//!
//! This is v1.5, which halves the image in a block's 3 × 3 convolution, where the paper's v1
//! does it in the 1 × 1 before it: the form that torchvision, MLPerf and most published ONNX
//! files have, at 4.09 G MACs against v1's 3.86 G. Batch normalisation is folded into the
//! convolutions, as every inference engine does.

use super::recipe::{Conv, HE_GAIN, LINEAR_GAIN, Recipe};
use crate::graph::{Activation, GraphError, TensorId, Window};

/// Blocks, inner channels and stride of the four stages.
const STAGES: [(usize, usize, usize); 4] = [(3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2)];

/// A block's outer channels over its inner ones.
const EXPANSION: usize = 4;

/// Variance of the last convolution of a residual branch, relative to the usual: small, since 16
/// branches add up on one path and nothing normalises it once batch normalisation is folded
/// (Goyal et al., *Accurate, large minibatch SGD*, 2017, section 5.1, start these at zero).
const BRANCH_DAMPING: f32 = 0.1;

pub(super) fn build(net: &mut Recipe) -> Result<TensorId, GraphError> {
    let x = net.conv("conv1", net.input(), Conv::new(64, 7, 2, 3))?;
    let mut x = net.max_pool_floor("pool1", x, Window::square(3, 2, 1))?;
    for (stage, (blocks, channels, stride)) in STAGES.into_iter().enumerate() {
        for block in 0..blocks {
            let name = format!("layer{}.{block}", stage + 1);
            x = bottleneck(net, &name, x, channels, if block == 0 { stride } else { 1 })?;
        }
    }
    let x = net.global_average_pool("pool5", x)?;
    let x = net.dense("fc1000", x, 1000, Activation::Identity)?;
    net.softmax("prob", x)
}

fn bottleneck(
    net: &mut Recipe,
    name: &str,
    input: TensorId,
    channels: usize,
    stride: usize,
) -> Result<TensorId, GraphError> {
    let linear = |conv: Conv, gain| Conv { activation: Activation::Identity, gain, ..conv };
    let outer = channels * EXPANSION;

    let shortcut = if net.channels(input) == outer && stride == 1 {
        input
    } else {
        net.conv(
            &format!("{name}/downsample"),
            input,
            linear(Conv::new(outer, 1, stride, 0), LINEAR_GAIN),
        )?
    };
    let x = net.conv(&format!("{name}/conv1"), input, Conv::new(channels, 1, 1, 0))?;
    let x = net.conv(&format!("{name}/conv2"), x, Conv::new(channels, 3, stride, 1))?;
    let x = net.conv(
        &format!("{name}/conv3"),
        x,
        linear(Conv::new(outer, 1, 1, 0), HE_GAIN * BRANCH_DAMPING),
    )?;
    net.add_relu(&format!("{name}/add"), x, shortcut)
}
