//! AlexNet: Krizhevsky, Sutskever and Hinton, *ImageNet classification with deep convolutional
//! neural networks*, NIPS 2012, as Caffe's `bvlc_alexnet` writes it down.
//!
//! The original and not torchvision's: the study ran Arm Compute Library's example, which loads
//! the Caffe model, with its grouped convolutions (a remnant of two GPUs) and its local response
//! normalisations. Torchvision's has one tower, no normalisation, and 0.71 G MACs distributed
//! otherwise.

use super::recipe::{Conv, Recipe};
use crate::graph::{Activation, GraphError, TensorId, Window};

pub(super) fn build(net: &mut Recipe) -> Result<TensorId, GraphError> {
    let grouped =
        |channels, kernel, padding| Conv { groups: 2, ..Conv::new(channels, kernel, 1, padding) };
    let pool = Window::square(3, 2, 0);

    let x = net.conv("conv1", net.input(), Conv::new(96, 11, 4, 0))?;
    let x = net.local_response_norm("norm1", x)?;
    let x = net.max_pool("pool1", x, pool)?;
    let x = net.conv("conv2", x, grouped(256, 5, 2))?;
    let x = net.local_response_norm("norm2", x)?;
    let x = net.max_pool("pool2", x, pool)?;
    let x = net.conv("conv3", x, Conv::new(384, 3, 1, 1))?;
    let x = net.conv("conv4", x, grouped(384, 3, 1))?;
    let x = net.conv("conv5", x, grouped(256, 3, 1))?;
    let x = net.max_pool("pool5", x, pool)?;
    let x = net.dense("fc6", x, 4096, Activation::Relu)?;
    let x = net.dense("fc7", x, 4096, Activation::Relu)?;
    let x = net.dense("fc8", x, 1000, Activation::Identity)?;
    net.softmax("prob", x)
}
