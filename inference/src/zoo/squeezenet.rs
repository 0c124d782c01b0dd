//! SqueezeNet v1.0: Iandola et al., *SqueezeNet: AlexNet-level accuracy with 50× fewer parameters
//! and <0.5 MB model size*, 2016, table 1, at 224 × 224 and with the sizes of torchvision's
//! `squeezenet1_0` (no padding but in the 3 × 3 convolutions, pools rounding up).

use super::recipe::{Conv, Recipe};
use crate::graph::{GraphError, TensorId, Window};

/// Variance of the classifier's weights, times fan-in: small, since its inputs are all positive
/// and vary little over the image, so that the mean over pixels would leave logits far apart and
/// one random class a probability of 1.
const CLASSIFIER_GAIN: f32 = 0.1;

pub(super) fn build(net: &mut Recipe) -> Result<TensorId, GraphError> {
    let pool = Window::square(3, 2, 0);

    let x = net.conv("conv1", net.input(), Conv::new(96, 7, 2, 0))?;
    let x = net.max_pool("pool1", x, pool)?;
    let x = fire(net, "fire2", x, 16, 64)?;
    let x = fire(net, "fire3", x, 16, 64)?;
    let x = fire(net, "fire4", x, 32, 128)?;
    let x = net.max_pool("pool4", x, pool)?;
    let x = fire(net, "fire5", x, 32, 128)?;
    let x = fire(net, "fire6", x, 48, 192)?;
    let x = fire(net, "fire7", x, 48, 192)?;
    let x = fire(net, "fire8", x, 64, 256)?;
    let x = net.max_pool("pool8", x, pool)?;
    let x = fire(net, "fire9", x, 64, 256)?;
    let x = net.conv("conv10", x, Conv { gain: CLASSIFIER_GAIN, ..Conv::new(1000, 1, 1, 0) })?;
    let x = net.global_average_pool("pool10", x)?;
    net.softmax("prob", x)
}

/// A squeeze to few channels, then two expansions side by side.
fn fire(
    net: &mut Recipe,
    name: &str,
    input: TensorId,
    squeeze: usize,
    expand: usize,
) -> Result<TensorId, GraphError> {
    let x = net.conv(&format!("{name}/squeeze1x1"), input, Conv::new(squeeze, 1, 1, 0))?;
    let one = net.conv(&format!("{name}/expand1x1"), x, Conv::new(expand, 1, 1, 0))?;
    let three = net.conv(&format!("{name}/expand3x3"), x, Conv::new(expand, 3, 1, 1))?;
    net.concat(&format!("{name}/concat"), &[one, three])
}
