//! MobileNet v1, width 1.0: Howard et al., *MobileNets: efficient convolutional neural networks
//! for mobile vision applications*, 2017, table 1. Batch normalisation is folded, and the
//! activations are clipped at 6, as in the authors' published models.

use super::recipe::{Conv, Recipe};
use crate::graph::{Activation, GraphError, TensorId};

/// Output channels and stride of the thirteen separable blocks.
const BLOCKS: [(usize, usize); 13] = [
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
];

pub(super) fn build(net: &mut Recipe) -> Result<TensorId, GraphError> {
    let relu6 = |conv: Conv| Conv { activation: Activation::RELU6, ..conv };

    let mut x = net.conv("conv1", net.input(), relu6(Conv::new(32, 3, 2, 1)))?;
    for (index, (channels, stride)) in BLOCKS.into_iter().enumerate() {
        let block = index + 2;
        let groups = net.channels(x);
        let depthwise = Conv { groups, ..Conv::new(groups, 3, stride, 1) };
        x = net.conv(&format!("conv{block}/dw"), x, relu6(depthwise))?;
        x = net.conv(&format!("conv{block}/pw"), x, relu6(Conv::new(channels, 1, 1, 0)))?;
    }
    let x = net.global_average_pool("pool", x)?;
    let x = net.dense("fc", x, 1000, Activation::Identity)?;
    net.softmax("prob", x)
}
