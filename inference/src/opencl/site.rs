//! What a layer's commands are made with.

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::arguments::{Argument, Memory, ShareArgument, TensorArgument};
use super::device::{Device, DeviceKind};
use super::error::OpenClError;
use super::program::{Kernels, Tiling};
use super::queue::{Command, Queue, Range};
use crate::cost::ElementType;
use crate::executor::ExecutorError;

/// Values that a CPU's work item takes at least: what makes its dispatch worth it.
const ITEM_VALUES: usize = 4096;

/// Items for each of a CPU's cores, for the last to end at nearly the same time.
const ITEMS_PER_CORE: usize = 8;

/// Work items that a GPU groups: what Arm advises for Midgard and Bifrost (*Mali OpenCL developer
/// guide*), and two warps of NVIDIA's.
const GROUP: usize = 64;

/// One layer on one device: where its commands and constants come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) layer: &'a str,
    pub(super) device: &'a Device,
    pub(super) queue: &'a Queue,
    pub(super) kernels: &'a Kernels,
    pub(super) tiling: Tiling,
    pub(super) storage: ElementType,
    /// Where all tensors lie.
    pub(super) arena: &'a Memory,
    /// Where a layer may put what only its own commands read.
    pub(super) scratch: &'a Memory,
}

impl Site<'_> {
    pub(super) fn command(
        &self,
        kernel: &str,
        arguments: &[Argument<'_>],
        range: Range,
    ) -> Result<Command, ExecutorError> {
        Ok(Command::new(self.kernels, kernel, arguments, range, self.layer)?)
    }

    /// Whether work items are few and long, one after another on each core, or many and short.
    pub(super) fn is_cpu(&self) -> bool {
        self.device.kind == DeviceKind::Cpu
    }

    /// Spreads `output`'s pixels and channels over the device.
    pub(super) fn spread(&self, output: TensorArgument) -> (Argument<'static>, Range) {
        let (pixels, channels) = (output.pixels(), output.channels as usize);
        let (share, range) = if self.is_cpu() {
            let run = self.run_of(pixels, channels);
            let share = ShareArgument { pixels: run as i32, channels: channels as i32 };
            (share, Range::new([1, pixels.div_ceil(run), 1], [1; 3]))
        } else {
            let share = ShareArgument { pixels: 1, channels: self.tiling.lanes as i32 };
            let blocks = channels.div_ceil(self.tiling.lanes);
            (share, Range::new([blocks, pixels, 1], self.group(blocks)))
        };
        (Argument::Share(share), range)
    }

    /// How many of `count` things of `values` each a CPU's work item takes.
    pub(super) fn run_of(&self, count: usize, values: usize) -> usize {
        let items = self.device.compute_units * ITEMS_PER_CORE;
        count.div_ceil(items).max(ITEM_VALUES.div_ceil(values.max(1)))
    }

    /// A group of work items, of `across` in the first direction and then of the second.
    pub(super) fn group(&self, across: usize) -> [usize; 3] {
        if self.is_cpu() {
            return [1; 3];
        }
        let most = GROUP.min(self.device.max_work_group.max(1));
        let across = across.clamp(1, most).next_power_of_two().min(most);
        [across, (most / across).max(1), 1]
    }

    /// Weights as the device stores them.
    pub(super) fn weights(&self, values: &[f32]) -> Result<Memory, ExecutorError> {
        match self.storage {
            ElementType::F32 => Ok(self.queue.constants(values)?),
            ElementType::F16 => {
                let mut halves = vec![f16::ZERO; values.len()];
                halves.convert_from_f32_slice(values);
                if halves.iter().any(|value| !value.is_finite()) {
                    let layer = self.layer.to_owned();
                    return Err(ExecutorError::BeyondFp16 { what: "weights", layer });
                }
                Ok(self.queue.constants(&halves)?)
            }
        }
    }

    /// The biases of `groups` groups, FP32, each with zeros up to a whole number of vectors; zeros
    /// where there are none.
    pub(super) fn biases(
        &self,
        biases: Option<&[f32]>,
        channels: usize,
        groups: usize,
    ) -> Result<Memory, OpenClError> {
        let each = channels / groups;
        let padded = each.next_multiple_of(self.tiling.lanes);
        let mut values = vec![0.0_f32; groups * padded];
        for (group, values) in values.chunks_exact_mut(padded).enumerate() {
            if let Some(biases) = biases {
                values[..each].copy_from_slice(&biases[group * each..][..each]);
            }
        }
        self.queue.constants(&values)
    }
}
