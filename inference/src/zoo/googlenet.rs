//! GoogLeNet: Szegedy et al., *Going deeper with convolutions*, CVPR 2015, table 1, as Caffe's
//! `bvlc_googlenet` writes it down, without the two auxiliary heads that serve training alone.

use super::recipe::{Conv, Recipe};
use crate::graph::{Activation, GraphError, TensorId, Window};

/// One row of the paper's table: the channels of a module's four branches.
struct Inception {
    name: &'static str,
    one: usize,
    three_reduce: usize,
    three: usize,
    five_reduce: usize,
    five: usize,
    pool_projection: usize,
}

const fn inception(
    name: &'static str,
    [one, three_reduce, three, five_reduce, five, pool_projection]: [usize; 6],
) -> Inception {
    Inception { name, one, three_reduce, three, five_reduce, five, pool_projection }
}

const STAGE_3: [Inception; 2] =
    [inception("3a", [64, 96, 128, 16, 32, 32]), inception("3b", [128, 128, 192, 32, 96, 64])];

const STAGE_4: [Inception; 5] = [
    inception("4a", [192, 96, 208, 16, 48, 64]),
    inception("4b", [160, 112, 224, 24, 64, 64]),
    inception("4c", [128, 128, 256, 24, 64, 64]),
    inception("4d", [112, 144, 288, 32, 64, 64]),
    inception("4e", [256, 160, 320, 32, 128, 128]),
];

const STAGE_5: [Inception; 2] = [
    inception("5a", [256, 160, 320, 32, 128, 128]),
    inception("5b", [384, 192, 384, 48, 128, 128]),
];

pub(super) fn build(net: &mut Recipe) -> Result<TensorId, GraphError> {
    let pool = Window::square(3, 2, 0);

    let x = net.conv("conv1/7x7_s2", net.input(), Conv::new(64, 7, 2, 3))?;
    let x = net.max_pool("pool1/3x3_s2", x, pool)?;
    let x = net.local_response_norm("pool1/norm1", x)?;
    let x = net.conv("conv2/3x3_reduce", x, Conv::new(64, 1, 1, 0))?;
    let x = net.conv("conv2/3x3", x, Conv::new(192, 3, 1, 1))?;
    let x = net.local_response_norm("conv2/norm2", x)?;
    let x = net.max_pool("pool2/3x3_s2", x, pool)?;
    let x = stage(net, x, &STAGE_3)?;
    let x = net.max_pool("pool3/3x3_s2", x, pool)?;
    let x = stage(net, x, &STAGE_4)?;
    let x = net.max_pool("pool4/3x3_s2", x, pool)?;
    let x = stage(net, x, &STAGE_5)?;
    let x = net.global_average_pool("pool5/7x7_s1", x)?;
    let x = net.dense("loss3/classifier", x, 1000, Activation::Identity)?;
    net.softmax("prob", x)
}

fn stage(net: &mut Recipe, input: TensorId, modules: &[Inception]) -> Result<TensorId, GraphError> {
    modules.iter().try_fold(input, |x, module| branches(net, x, module))
}

fn branches(net: &mut Recipe, input: TensorId, module: &Inception) -> Result<TensorId, GraphError> {
    let name = |layer: &str| format!("inception_{}/{layer}", module.name);

    let one = net.conv(&name("1x1"), input, Conv::new(module.one, 1, 1, 0))?;
    let three = net.conv(&name("3x3_reduce"), input, Conv::new(module.three_reduce, 1, 1, 0))?;
    let three = net.conv(&name("3x3"), three, Conv::new(module.three, 3, 1, 1))?;
    let five = net.conv(&name("5x5_reduce"), input, Conv::new(module.five_reduce, 1, 1, 0))?;
    let five = net.conv(&name("5x5"), five, Conv::new(module.five, 5, 1, 2))?;
    let pool = net.max_pool(&name("pool"), input, Window::square(3, 1, 1))?;
    let pool = net.conv(&name("pool_proj"), pool, Conv::new(module.pool_projection, 1, 1, 0))?;
    net.concat(&name("output"), &[one, three, five, pool])
}
