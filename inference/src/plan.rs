//! Where each tensor lies in one block of memory that all layers share.
//!
//! Two decisions are made here, once per network. A tensor that is joined with others is written
//! by its layer straight into the joined tensor, as a run of channels within each pixel, where
//! layer and readers can work with such strides; the concatenation then has nothing to do. And
//! tensors that are never alive at the same time share memory.

use crate::graph::{Graph, Layer, Operator, TensorId};

/// Values in a cache line of 64 bytes, to which every buffer is aligned.
pub(crate) const LINE: usize = 16;

/// Where a tensor lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Placement {
    /// Values before it in the block.
    pub(crate) offset: usize,
    /// Values, or steps, from one pixel to the next; the tensor's channels lie at the start of each.
    pub(crate) stride: usize,
}

/// Where all tensors of a graph lie.
#[derive(Debug)]
pub(crate) struct Plan {
    /// One for each tensor.
    pub(crate) placements: Vec<Placement>,
    /// Values in the block.
    pub(crate) len: usize,
}

/// A buffer to be placed: a tensor, with those that are written into it.
#[derive(Debug, Clone, Copy)]
struct Buffer {
    tensor: usize,
    len: usize,
    /// The first and the last layer during which it must be left alone, inclusive.
    first: usize,
    last: usize,
    offset: usize,
}

impl Plan {
    /// A plan for `graph`, with room for reads of `beyond` values after each tensor.
    pub(crate) fn new(graph: &Graph, beyond: usize) -> Self {
        let homes = homes(graph);
        let mut buffers = buffers(graph, &homes);
        let len = place(&mut buffers, beyond);

        let mut placements = vec![Placement::default(); graph.tensors().len()];
        for buffer in &buffers {
            let stride = graph.tensors()[buffer.tensor].shape.channels;
            placements[buffer.tensor] = Placement { offset: buffer.offset, stride };
        }
        for (tensor, home) in homes.iter().enumerate() {
            if let Some(home) = home {
                let Placement { offset, stride } = placements[home.joined.index()];
                placements[tensor] = Placement { offset: offset + home.channel, stride };
            }
        }
        Self { placements, len }
    }

    pub(crate) fn placement(&self, tensor: TensorId) -> Placement {
        self.placements[tensor.index()]
    }
}

/// The joined tensor that a tensor is part of, and the channel that it starts at.
#[derive(Debug, Clone, Copy)]
struct Home {
    joined: TensorId,
    channel: usize,
}

/// For each tensor, whether it can be written straight into a joined one.
fn homes(graph: &Graph) -> Vec<Option<Home>> {
    let mut strided = vec![false; graph.tensors().len()];
    for layer in graph.layers() {
        strided[layer.output.index()] = writes_strided(layer) && layer.output != graph.output();
    }
    for layer in graph.layers() {
        for input in &layer.inputs {
            strided[input.index()] &= reads_strided(graph, layer);
        }
    }
    let mut homes: Vec<Option<Home>> = vec![None; graph.tensors().len()];
    for layer in graph.layers().iter().filter(|layer| layer.operator == Operator::Concat) {
        let mut channel = 0;
        for &input in &layer.inputs {
            // A tensor joined twice lives in one place and is copied to the other.
            if strided[input.index()] && homes[input.index()].is_none() {
                homes[input.index()] = Some(Home { joined: layer.output, channel });
            }
            channel += graph.shape(input).channels;
        }
    }
    homes
}

/// Whether a layer can leave gaps between the pixels that it writes. A concatenation could, but
/// what is written into it could not then be told from where it lies.
fn writes_strided(layer: &Layer) -> bool {
    !matches!(layer.operator, Operator::Add(_) | Operator::Concat)
}

/// Whether a layer can skip gaps between the pixels that it reads.
fn reads_strided(graph: &Graph, layer: &Layer) -> bool {
    match layer.operator {
        // One dimension of all values.
        Operator::Add(_) => false,
        // One row of all values, unless there is a single pixel.
        Operator::FullyConnected(_) => graph.shape(layer.inputs[0]).pixels() == 1,
        _ => true,
    }
}

fn buffers(graph: &Graph, homes: &[Option<Home>]) -> Vec<Buffer> {
    let mut buffers: Vec<_> = graph
        .tensors()
        .iter()
        .enumerate()
        .map(|(tensor, info)| Buffer {
            tensor,
            // 8-bit steps lie four to a value.
            len: match info.steps {
                Some(_) => info.shape.elements().div_ceil(size_of::<f32>()),
                None => info.shape.elements(),
            },
            first: usize::MAX,
            last: 0,
            offset: 0,
        })
        .collect();
    let holder =
        |tensor: TensorId| homes[tensor.index()].map_or(tensor, |home| home.joined).index();
    // The image is there before the first layer, and the result stays after the last.
    buffers[graph.input().index()].first = 0;
    for (index, layer) in graph.layers().iter().enumerate() {
        for &tensor in layer.inputs.iter().chain([&layer.output]) {
            let buffer = &mut buffers[holder(tensor)];
            buffer.first = buffer.first.min(index);
            buffer.last = buffer.last.max(index);
        }
    }
    buffers[holder(graph.output())].last = usize::MAX;
    buffers.retain(|buffer| homes[buffer.tensor].is_none());
    buffers
}

/// Gives each buffer an offset, the largest first, at the lowest place where nothing alive at the
/// same time lies; the length of the whole.
fn place(buffers: &mut [Buffer], beyond: usize) -> usize {
    buffers.sort_by_key(|buffer| (std::cmp::Reverse(buffer.len), buffer.tensor));
    let room = |buffer: &Buffer| (buffer.len + beyond).next_multiple_of(LINE);
    let mut len = 0;
    for index in 0..buffers.len() {
        let (placed, rest) = buffers.split_at_mut(index);
        let buffer = &mut rest[0];
        let mut neighbours: Vec<_> = placed
            .iter()
            .filter(|other| other.first <= buffer.last && buffer.first <= other.last)
            .collect();
        neighbours.sort_by_key(|other| other.offset);
        for other in neighbours {
            if buffer.offset + room(buffer) <= other.offset {
                break;
            }
            buffer.offset = buffer.offset.max(other.offset + room(other));
        }
        len = len.max(buffer.offset + room(buffer));
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo;

    #[test]
    fn memory_is_shared_by_tensors_that_do_not_meet() {
        for name in zoo::names() {
            let graph = zoo::graph_structure(name).unwrap();
            let plan = Plan::new(&graph, 4);
            let all: usize = graph.tensors().iter().map(|tensor| tensor.shape.elements()).sum();
            assert!(plan.len * 2 < all, "{name}: {} of {all} values", plan.len);
        }
    }

    #[test]
    fn buffers_alive_together_do_not_overlap() {
        for name in zoo::names() {
            let graph = zoo::graph_structure(name).unwrap();
            let mut buffers = buffers(&graph, &homes(&graph));
            let len = place(&mut buffers, 4);
            for (index, one) in buffers.iter().enumerate() {
                assert!(one.offset % LINE == 0 && one.offset + one.len + 4 <= len);
                for other in &buffers[..index] {
                    let together = one.first <= other.last && other.first <= one.last;
                    let apart = one.offset + one.len <= other.offset
                        || other.offset + other.len <= one.offset;
                    assert!(apart || !together, "{name}: {one:?} and {other:?}");
                }
            }
        }
    }

    #[test]
    fn the_parts_of_a_joined_tensor_lie_side_by_side() {
        let graph = zoo::graph_structure("squeezenet").unwrap();
        let plan = Plan::new(&graph, 4);
        let concat =
            graph.layers().iter().find(|layer| layer.operator == Operator::Concat).unwrap();
        let joined = plan.placement(concat.output);
        let [first, second] = [0, 1].map(|index| plan.placement(concat.inputs[index]));
        assert_eq!(first, joined);
        assert_eq!(second, Placement { offset: joined.offset + 64, ..joined });
    }
}
