//! Convolutions and matrix-vector products: the layers with weights.

use super::Step;
use super::arguments::{Argument, TensorArgument, WalkArgument};
use super::queue::Range;
use super::site::Site;
use crate::executor::{ExecutorError, present};
use crate::graph::{Activation, Conv2d, FullyConnected, Padding, Shape, Weights, Window};

/// Multiply-accumulates that a CPU's work item takes at least, some ten microseconds' worth.
const ITEM_MACS: usize = 256 * 1024;

/// Pixels of a row that a depthwise convolution takes together: `ACROSS` of depthwise.cl.
const ACROSS: i32 = 4;

/// The bounds that an activation clamps to.
pub(super) fn bounds(activation: Activation) -> [Argument<'static>; 2] {
    let (low, high) = activation.bounds();
    [Argument::Float(low), Argument::Float(high)]
}

fn values<'a>(
    weights: &'a Option<Weights>,
    layer: &str,
) -> Result<Option<&'a [f32]>, ExecutorError> {
    weights.as_ref().map(|weights| present(weights, layer)).transpose()
}

/// The image of a convolution with its padding, when that has to be laid out.
fn padded(conv: &Conv2d, input: Shape) -> Option<Shape> {
    let Padding { top, left, bottom, right } = conv.window.padding;
    let shape = Shape::new(input.channels, top + input.height + bottom, left + input.width + right);
    (!conv.window.padding.is_zero() && !is_plain_depthwise(conv)).then_some(shape)
}

/// Whether each output channel is of the input channel of the same number.
fn is_plain_depthwise(conv: &Conv2d) -> bool {
    conv.is_depthwise() && conv.output_channels == conv.groups
}

/// Values of scratch that a convolution needs.
pub(super) fn scratch_len(conv: &Conv2d, input: Shape) -> usize {
    padded(conv, input).map_or(0, Shape::elements)
}

/// Any convolution.
pub(super) fn convolution(
    conv: &Conv2d,
    input: TensorArgument,
    output: TensorArgument,
    site: &Site<'_>,
) -> Result<Step, ExecutorError> {
    if is_plain_depthwise(conv) {
        return depthwise(conv, input, output, site);
    }
    let lanes = site.tiling.lanes;
    let (group_inputs, group_outputs) =
        (conv.input_channels / conv.groups, conv.output_channels / conv.groups);
    let area = conv.window.kernel.area();
    let weights = present(&conv.weights, site.layer)?;
    let packed = pack(weights, group_outputs, lanes, conv.reduction(), |term| {
        // The walk goes position by position, channels innermost.
        term % group_inputs * area + term / group_inputs
    });
    let weights = site.weights(&packed)?;
    let biases = site.biases(values(&conv.bias, site.layer)?, conv.output_channels, conv.groups)?;

    let mut commands = Vec::new();
    let shape = Shape::new(input.channels as usize, input.height as usize, input.width as usize);
    let (image, input) = match padded(conv, shape) {
        Some(shape) => {
            let bordered = TensorArgument::alone(shape);
            let Padding { top, left, .. } = conv.window.padding;
            let (share, range) = site.spread(bordered);
            let arguments = [
                Argument::Memory(site.arena),
                Argument::Tensor(input),
                Argument::Memory(site.scratch),
                Argument::Tensor(bordered),
                Argument::Int(top as i32),
                Argument::Int(left as i32),
                share,
            ];
            commands.push(site.command("pad", &arguments, range)?);
            (site.scratch, bordered)
        }
        None => (site.arena, input),
    };

    let blocks = group_outputs.div_ceil(lanes);
    let tiles = output.pixels().div_ceil(site.tiling.pixels);
    let tile_macs = conv.reduction() * lanes * site.tiling.pixels;
    let (run, range) = if site.is_cpu() {
        let run = ITEM_MACS.div_ceil(tile_macs).min(tiles);
        (run, Range::new([tiles.div_ceil(run), blocks, conv.groups], [1; 3]))
    } else {
        (1, Range::new([tiles, blocks, conv.groups], site.group(8)))
    };
    let [low, high] = bounds(conv.activation);
    let arguments = [
        Argument::Memory(image),
        Argument::Tensor(input),
        Argument::Memory(&weights),
        Argument::Memory(&biases),
        Argument::Memory(site.arena),
        Argument::Tensor(output),
        Argument::Walk(walk(conv, input, run)),
        low,
        high,
    ];
    commands.push(site.command("convolution", &arguments, range)?);
    Ok(Step { commands, constants: vec![weights, biases] })
}

/// How the kernel walks through an unpadded `input`.
fn walk(conv: &Conv2d, input: TensorArgument, tiles: usize) -> WalkArgument {
    let Window { kernel, stride, dilation, .. } = conv.window;
    let (pixel, row) = (input.stride, input.stride * input.width);
    let group_inputs = conv.input_channels / conv.groups;
    // Neighbouring pixels of the window lie side by side without gaps.
    let whole_rows = conv.groups == 1 && dilation.width == 1 && input.stride == input.channels;
    let (steps_across, run) = match whole_rows {
        true => (1, kernel.width * group_inputs),
        false => (kernel.width, group_inputs),
    };
    WalkArgument {
        steps_down: kernel.height as i32,
        steps_across: steps_across as i32,
        down: dilation.height as i32 * row,
        across: dilation.width as i32 * pixel,
        run: run as i32,
        tile_down: stride.height as i32 * row,
        tile_across: stride.width as i32 * pixel,
        group_inputs: group_inputs as i32,
        group_outputs: (conv.output_channels / conv.groups) as i32,
        tiles: tiles as i32,
    }
}

fn depthwise(
    conv: &Conv2d,
    input: TensorArgument,
    output: TensorArgument,
    site: &Site<'_>,
) -> Result<Step, ExecutorError> {
    let channels = conv.output_channels;
    let weights = present(&conv.weights, site.layer)?;
    let packed = pack(weights, channels, site.tiling.lanes, conv.reduction(), |tap| tap);
    let weights = site.weights(&packed)?;
    let biases = site.biases(values(&conv.bias, site.layer)?, channels, 1)?;
    let [low, high] = bounds(conv.activation);
    let width = (output.width as u32).div_ceil(ACROSS as u32) as i32;
    let tiles = TensorArgument { width, ..output };
    let (share, range) = site.spread(tiles);
    let arguments = [
        Argument::Memory(site.arena),
        Argument::Tensor(input),
        Argument::Memory(&weights),
        Argument::Memory(&biases),
        Argument::Memory(site.arena),
        Argument::Tensor(output),
        Argument::Tensor(tiles),
        Argument::Window(conv.window.into()),
        low,
        high,
        share,
    ];
    let command = site.command("depthwise", &arguments, range)?;
    Ok(Step { commands: vec![command], constants: vec![weights, biases] })
}

/// A matrix-vector product.
pub(super) fn fully_connected(
    dense: &FullyConnected,
    input: TensorArgument,
    output: TensorArgument,
    site: &Site<'_>,
) -> Result<Step, ExecutorError> {
    let (lanes, inputs) = (site.tiling.lanes, dense.input_features);
    let (pixels, channels) = (input.pixels(), input.channels as usize);
    // An image's values lie pixel by pixel here.
    let source = |input: usize| input % channels * pixels + input / channels;
    let weights = present(&dense.weights, site.layer)?;
    let blocks = dense.output_features.div_ceil(lanes);
    let packed = pack(weights, dense.output_features, lanes, inputs, source);
    let (packed, block_step, input_step) = if site.is_cpu() {
        (packed, inputs * lanes, lanes)
    } else {
        // Items that run side by side take neighbouring blocks.
        let mut side_by_side = Vec::with_capacity(packed.len());
        for input in 0..inputs {
            for block in 0..blocks {
                side_by_side
                    .extend_from_slice(&packed[(block * inputs + input) * lanes..][..lanes]);
            }
        }
        (side_by_side, lanes, blocks * lanes)
    };
    let weights = site.weights(&packed)?;
    let biases = site.biases(values(&dense.bias, site.layer)?, dense.output_features, 1)?;
    let [low, high] = bounds(dense.activation);
    let arguments = [
        Argument::Memory(site.arena),
        Argument::Tensor(input),
        Argument::Memory(&weights),
        Argument::Memory(&biases),
        Argument::Memory(site.arena),
        Argument::Tensor(output),
        Argument::Int(inputs as i32),
        Argument::Int(block_step as i32),
        Argument::Int(input_step as i32),
        low,
        high,
    ];
    let range = Range::new([blocks, 1, 1], [site.group(usize::MAX)[0], 1, 1]);
    let command = site.command("dense", &arguments, range)?;
    Ok(Step { commands: vec![command], constants: vec![weights, biases] })
}

/// Weights of outputs × terms as blocks of `lanes` outputs × terms × lanes, for every `group` of
/// outputs anew, with zeros beyond a group's last. `source` says where a term lies among an
/// output's weights.
fn pack(
    weights: &[f32],
    group: usize,
    lanes: usize,
    terms: usize,
    source: impl Fn(usize) -> usize,
) -> Vec<f32> {
    let groups = weights.len() / (group * terms);
    let mut packed = vec![0.0; groups * group.next_multiple_of(lanes) * terms];
    let blocks = weights.chunks_exact(group * terms).flat_map(|group| group.chunks(lanes * terms));
    for (block, packed) in blocks.zip(packed.chunks_exact_mut(lanes * terms)) {
        for (lane, output) in block.chunks_exact(terms).enumerate() {
            for (term, packed) in packed[lane..].iter_mut().step_by(lanes).enumerate() {
                *packed = output[source(term)];
            }
        }
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::pack;

    #[test]
    fn outputs_go_side_by_side_group_by_group() {
        // Two groups of three outputs of two terms, which change places.
        let weights: Vec<f32> = (1..=12).map(|value| value as f32).collect();
        let packed = pack(&weights, 3, 2, 2, |term| 1 - term);
        let expected = [
            [2.0, 4.0, 1.0, 3.0],
            [6.0, 0.0, 5.0, 0.0],
            [8.0, 10.0, 7.0, 9.0],
            [12.0, 0.0, 11.0, 0.0],
        ];
        assert_eq!(packed, expected.concat());
    }
}
