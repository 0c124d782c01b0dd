//! The block of memory that a network's tensors lie in.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

use crate::executor::ExecutorError;
use crate::graph::Shape;
use crate::plan::{LINE, Placement, Plan};

/// A block of values, zero at first, aligned to cache lines.
///
/// XNNPACK's operators keep pointers into it, so it is reached through raw pointers only and does
/// not move.
#[derive(Debug)]
pub(super) struct Arena {
    start: NonNull<f32>,
    layout: Layout,
}

impl Arena {
    /// A block for what `plan` has placed.
    pub(super) fn new(plan: &Plan) -> Result<Self, ExecutorError> {
        let error = || ExecutorError::Library {
            layer: String::new(),
            call: "alloc",
            status: format!("no memory for {} values between layers", plan.len),
        };
        let bytes = plan.len.max(LINE).checked_mul(size_of::<f32>()).ok_or_else(error)?;
        let layout =
            Layout::from_size_align(bytes, LINE * size_of::<f32>()).map_err(|_| error())?;
        // SAFETY: the layout is at least a line long, so not of size zero.
        let start =
            NonNull::new(unsafe { alloc_zeroed(layout) }.cast::<f32>()).ok_or_else(error)?;
        Ok(Self { start, layout })
    }

    /// The tensor of `shape` at `placement`, which is of the plan that this arena was made for.
    pub(super) fn pixels(&self, placement: Placement, shape: Shape) -> Pixels {
        // SAFETY: the plan places every tensor inside the block.
        let start = unsafe { self.start.as_ptr().add(placement.offset) };
        Pixels { start, shape, stride: placement.stride }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and freed once. The operators that point here
        // neither read nor write when they are deleted.
        unsafe { dealloc(self.start.as_ptr().cast(), self.layout) }
    }
}

/// A tensor in an [`Arena`]: pixels, row by row, each with its channels side by side (NHWC).
#[derive(Debug, Clone, Copy)]
pub(super) struct Pixels {
    start: *mut f32,
    /// The tensor's shape.
    pub(super) shape: Shape,
    /// Values from one pixel to the next.
    pub(super) stride: usize,
}

// SAFETY: a pointer and numbers. What may be done through it, and when, is what `channels` and
// `channels_mut` ask of their callers.
unsafe impl Send for Pixels {}
// SAFETY: as above.
unsafe impl Sync for Pixels {}

impl Pixels {
    /// A tensor of `shape` at `start`, outside of any arena, without gaps between its pixels.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn of(start: *mut f32, shape: Shape) -> Self {
        Self { start, shape, stride: shape.channels }
    }

    /// Where the tensor starts.
    pub(super) fn as_ptr(self) -> *mut f32 {
        self.start
    }

    /// `channels` of the tensor's channels, from `first` on.
    pub(super) fn part(self, first: usize, channels: usize) -> Self {
        debug_assert!(first + channels <= self.shape.channels);
        // SAFETY: within the tensor's first pixel.
        let start = unsafe { self.start.add(first) };
        Self { start, shape: Shape { channels, ..self.shape }, ..self }
    }

    /// The channels of pixel `index`.
    ///
    /// # Safety
    ///
    /// The arena must be alive, `index` below the tensor's pixels, and nothing may write these
    /// channels while the slice is used.
    pub(super) unsafe fn channels<'a>(self, index: usize) -> &'a [f32] {
        debug_assert!(index < self.shape.pixels());
        // SAFETY: the plan gave room for every pixel; the caller answers for the rest.
        unsafe {
            std::slice::from_raw_parts(self.start.add(index * self.stride), self.shape.channels)
        }
    }

    /// The channels of pixel `index`, to write.
    ///
    /// # Safety
    ///
    /// As [`channels`](Self::channels), and nothing else may read them either.
    pub(super) unsafe fn channels_mut<'a>(self, index: usize) -> &'a mut [f32] {
        debug_assert!(index < self.shape.pixels());
        // SAFETY: the plan gave room for every pixel; the caller answers for the rest.
        unsafe {
            std::slice::from_raw_parts_mut(self.start.add(index * self.stride), self.shape.channels)
        }
    }

    /// The 8-bit steps of pixel `index`, a byte each, to read or write.
    ///
    /// # Safety
    ///
    /// As [`channels_mut`](Self::channels_mut), and the tensor must be one of steps.
    pub(super) unsafe fn steps_mut<'a>(self, index: usize) -> &'a mut [i8] {
        debug_assert!(index < self.shape.pixels());
        // SAFETY: the plan gave room for every pixel; the caller answers for the rest.
        unsafe {
            let start = self.start.cast::<i8>().add(index * self.stride);
            std::slice::from_raw_parts_mut(start, self.shape.channels)
        }
    }
}
