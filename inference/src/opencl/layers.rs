//! The commands of each layer.

use super::Step;
use super::arguments::{Argument, TensorArgument};
use super::convolution::{bounds, convolution, fully_connected};
use super::queue::Range;
use super::site::Site;
use crate::executor::ExecutorError;
use crate::graph::{Activation, AveragePool, Layer, LocalResponseNorm, Operator};

/// What runs `layer`, from `inputs` to `output`.
pub(super) fn step(
    layer: &Layer,
    inputs: &[TensorArgument],
    output: TensorArgument,
    site: &Site<'_>,
) -> Result<Step, ExecutorError> {
    let input = inputs[0];
    match &layer.operator {
        Operator::Conv2d(conv) => convolution(conv, input, output, site),
        Operator::FullyConnected(dense) => fully_connected(dense, input, output, site),
        Operator::MaxPool(pool) => {
            spread("max_pool", &[input], output, &[Argument::Window(pool.window.into())], site)
        }
        Operator::AveragePool(pool) => average_pool(pool, input, output, site),
        Operator::GlobalAveragePool => {
            let blocks = (output.channels as usize).div_ceil(site.tiling.lanes);
            per_item("global_average_pool", input, output, blocks, site)
        }
        Operator::LocalResponseNorm(norm) => local_response_norm(norm, input, output, site),
        Operator::Concat => concat(inputs, output, site),
        Operator::Add(activation) => {
            spread("add", &inputs[..2], output, &bounds(*activation), site)
        }
        Operator::Clamp(activation) => {
            spread("clamp_values", &[input], output, &bounds(*activation), site)
        }
        Operator::Softmax => per_item("softmax", input, output, input.pixels(), site),
        // Networks of 8-bit steps are for CPUs, whose instructions multiply bytes.
        operator @ (Operator::Quantise(_)
        | Operator::Dequantise(_)
        | Operator::QuantisedConv2d(_)) => Err(ExecutorError::Refused {
            executor: super::NAME,
            layer: layer.name.clone(),
            operator: operator.kind(),
        }),
    }
}

/// A kernel whose work items share out the output's pixels and channels.
fn spread(
    kernel: &str,
    inputs: &[TensorArgument],
    output: TensorArgument,
    settings: &[Argument<'_>],
    site: &Site<'_>,
) -> Result<Step, ExecutorError> {
    let (share, range) = site.spread(output);
    let mut arguments = vec![Argument::Memory(site.arena)];
    arguments.extend(inputs.iter().map(|&input| Argument::Tensor(input)));
    arguments.extend([Argument::Memory(site.arena), Argument::Tensor(output)]);
    arguments.extend_from_slice(settings);
    arguments.push(share);
    Ok(Step::of(site.command(kernel, &arguments, range)?))
}

/// A kernel of so many work items, each of which knows its part.
fn per_item(
    kernel: &str,
    input: TensorArgument,
    output: TensorArgument,
    items: usize,
    site: &Site<'_>,
) -> Result<Step, ExecutorError> {
    let arguments = [
        Argument::Memory(site.arena),
        Argument::Tensor(input),
        Argument::Memory(site.arena),
        Argument::Tensor(output),
    ];
    let range = Range::new([items, 1, 1], [site.group(items)[0], 1, 1]);
    Ok(Step::of(site.command(kernel, &arguments, range)?))
}

fn average_pool(
    pool: &AveragePool,
    input: TensorArgument,
    output: TensorArgument,
    site: &Site<'_>,
) -> Result<Step, ExecutorError> {
    let count_padding = Argument::Int(i32::from(pool.count_include_pad));
    let settings = [Argument::Window(pool.window.into()), count_padding];
    spread("average_pool", &[input], output, &settings, site)
}

fn local_response_norm(
    norm: &LocalResponseNorm,
    input: TensorArgument,
    output: TensorArgument,
    site: &Site<'_>,
) -> Result<Step, ExecutorError> {
    // A reach beyond all channels sums them all.
    let reach = |channels: usize| Argument::Int(channels.min(input.channels as usize) as i32);
    let (before, after) = norm.reach();
    let settings = [
        reach(before),
        reach(after),
        Argument::Float(norm.alpha / norm.size as f32),
        Argument::Float(norm.beta),
        Argument::Float(norm.bias),
    ];
    spread("local_response_norm", &[input], output, &settings, site)
}

/// Copies those parts that were not written in place.
fn concat(
    inputs: &[TensorArgument],
    joined: TensorArgument,
    site: &Site<'_>,
) -> Result<Step, ExecutorError> {
    let mut step = Step::default();
    let mut channel = 0;
    for &input in inputs {
        let part = joined.part(channel, input.channels);
        if part.offset != input.offset {
            let copy = spread("clamp_values", &[input], part, &bounds(Activation::Identity), site)?;
            step.commands.extend(copy.commands);
        }
        channel += input.channels;
    }
    Ok(step)
}
