//! Commands: kernels bound to their arguments once and run many times, in order.

use std::ptr;

use opencl3::command_queue::{CL_QUEUE_PROFILING_ENABLE, CommandQueue};
use opencl3::context::Context;
use opencl3::event::Event;
use opencl3::kernel::Kernel;
use opencl3::memory::{
    CL_MEM_COPY_HOST_PTR, CL_MEM_READ_ONLY, CL_MEM_READ_WRITE, CL_MEM_USE_HOST_PTR,
};
use opencl3::types::{CL_FALSE, CL_TRUE};

use super::arguments::{Argument, Memory};
use super::device::Device;
use super::error::OpenClError;
use super::program::Kernels;
use crate::streams::Lines;

/// How many work items there are in each direction, and how many of them form a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    items: [usize; 3],
    group: [usize; 3],
}

impl Range {
    /// At least `items`, in whole groups of `group`: kernels do nothing in those beyond.
    pub(super) fn new(items: [usize; 3], group: [usize; 3]) -> Self {
        let mut whole = [1; 3];
        for direction in 0..3 {
            whole[direction] = items[direction].max(1).next_multiple_of(group[direction]);
        }
        Self { items: whole, group }
    }
}

/// A kernel with its arguments, which point into buffers that the executor keeps.
#[derive(Debug)]
pub(super) struct Command {
    kernel: Kernel,
    range: Range,
}

impl Command {
    /// Binds the kernel `name` to `arguments`: all that it takes, in its order.
    pub(super) fn new(
        kernels: &Kernels,
        name: &str,
        arguments: &[Argument<'_>],
        range: Range,
        layer: &str,
    ) -> Result<Self, OpenClError> {
        let kernel = kernels.kernel(name, layer)?;
        for (index, argument) in arguments.iter().enumerate() {
            let on = format!(" for argument {index} of `{name}` in layer `{layer}`");
            argument.set(&kernel, index).map_err(OpenClError::call("clSetKernelArg", &on))?;
        }
        Ok(Self { kernel, range })
    }
}

/// A device's queue of commands, which run one after another and are timed.
#[derive(Debug)]
pub(super) struct Queue {
    queue: CommandQueue,
    context: Context,
}

impl Queue {
    pub(super) fn new(device: &Device) -> Result<Self, OpenClError> {
        let on = format!(" on {device}");
        let context = Context::from_device(&device.handle)
            .map_err(OpenClError::call("clCreateContext", &on))?;
        let queue = CommandQueue::create_default(&context, CL_QUEUE_PROFILING_ENABLE)
            .map_err(OpenClError::call("clCreateCommandQueue", &on))?;
        Ok(Self { queue, context })
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// A buffer of `bytes`, not yet written.
    pub(super) fn memory(&self, bytes: usize) -> Result<Memory, OpenClError> {
        // SAFETY: no host memory is lent.
        unsafe { Memory::create(&self.context, CL_MEM_READ_WRITE, bytes, ptr::null_mut()) }
            .map_err(OpenClError::call("clCreateBuffer", &format!(" for {bytes} bytes")))
    }

    /// A buffer that holds a copy of `values`, which kernels only read.
    pub(super) fn constants<T: Copy>(&self, values: &[T]) -> Result<Memory, OpenClError> {
        let bytes = size_of_val(values);
        let source = values.as_ptr().cast_mut().cast();
        // SAFETY: `bytes` of plain values are read from `source` before the call returns.
        unsafe {
            let flags = CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR;
            Memory::create(&self.context, flags, bytes, source)
        }
        .map_err(OpenClError::call("clCreateBuffer", &format!(" for {bytes} bytes")))
    }

    /// A buffer over `lines`, which a device that is a CPU uses where they are.
    ///
    /// # Safety
    ///
    /// `lines` must outlive the buffer, and be left alone meanwhile.
    pub(super) unsafe fn over(&self, lines: &mut Lines) -> Result<Memory, OpenClError> {
        let bytes = size_of_val::<[_]>(lines);
        // SAFETY: so many bytes are there; the caller answers for how long.
        unsafe {
            let flags = CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR;
            Memory::create(&self.context, flags, bytes, lines.as_mut_ptr().cast())
        }
        .map_err(OpenClError::call("clCreateBuffer", &format!(" over {bytes} bytes")))
    }

    /// Queues `command`, to run when all before it have ended.
    pub(super) fn submit(&self, command: &Command) -> Result<Event, OpenClError> {
        let Command { kernel, range } = command;
        // SAFETY: all arguments were bound, to buffers that the executor keeps; kernels stay
        // within the tensors that they are given. Offsets may be absent, and the sizes are of
        // three directions.
        unsafe {
            self.queue.enqueue_nd_range_kernel(
                kernel.get(),
                3,
                ptr::null(),
                range.items.as_ptr(),
                range.group.as_ptr(),
                &[],
            )
        }
        .map_err(|status| {
            let on = kernel.function_name().map(|name| format!(" for kernel `{name}`"));
            OpenClError::call("clEnqueueNDRangeKernel", &on.unwrap_or_default())(status)
        })
    }

    /// Has the device start on what is queued.
    pub(super) fn flush(&self) -> Result<(), OpenClError> {
        self.queue.flush().map_err(OpenClError::call("clFlush", ""))
    }

    /// Waits until all that is queued has run.
    pub(super) fn finish(&self) -> Result<(), OpenClError> {
        self.queue.finish().map_err(OpenClError::call("clFinish", ""))
    }

    /// Queues a copy of `values` to the start of `memory`: the device reads them while the host
    /// queues more.
    ///
    /// # Safety
    ///
    /// `values` must live and stay as they are until the queue has run, whatever fails meanwhile.
    pub(super) unsafe fn write(
        &self,
        values: &[f32],
        memory: &mut Memory,
    ) -> Result<(), OpenClError> {
        // SAFETY: plain values seen as bytes.
        let bytes =
            unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) };
        // SAFETY: the caller answers for how long the values live.
        unsafe { self.queue.enqueue_write_buffer::<u8>(memory, CL_FALSE, 0, bytes, &[]) }
            .map(drop)
            .map_err(OpenClError::call("clEnqueueWriteBuffer", ""))
    }

    /// Copies the start of `memory` to `values`, after what is queued.
    pub(super) fn read(&self, memory: &Memory, values: &mut [f32]) -> Result<(), OpenClError> {
        let len = size_of_val(values);
        // SAFETY: values that any bytes make, seen as bytes.
        let bytes = unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), len) };
        // SAFETY: the call blocks until the values have been written.
        unsafe { self.queue.enqueue_read_buffer::<u8>(memory, CL_TRUE, 0, bytes, &[]) }
            .map(drop)
            .map_err(OpenClError::call("clEnqueueReadBuffer", ""))
    }
}
