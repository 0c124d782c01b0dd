//! What kernels are given, laid out as types.cl and convolution.cl declare it.

use opencl3::error_codes::ClError;
use opencl3::kernel::Kernel;
use opencl3::memory::{Buffer, ClMem};

use crate::graph::{Shape, Window};
use crate::plan::Placement;

/// A buffer on the device; what its values are, the kernels that it is given to know.
pub(super) type Memory = Buffer<u8>;

/// `Tensor` of types.cl.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct TensorArgument {
    pub(super) offset: i32,
    pub(super) stride: i32,
    pub(super) channels: i32,
    pub(super) height: i32,
    pub(super) width: i32,
}

impl TensorArgument {
    /// The tensor of `shape` at `placement`, in a buffer that was checked to have fewer values
    /// than 31 bits count.
    pub(super) fn new(shape: Shape, placement: Placement) -> Self {
        Self {
            offset: placement.offset as i32,
            stride: placement.stride as i32,
            channels: shape.channels as i32,
            height: shape.height as i32,
            width: shape.width as i32,
        }
    }

    /// A tensor without gaps at the start of a buffer.
    pub(super) fn alone(shape: Shape) -> Self {
        Self::new(shape, Placement { offset: 0, stride: shape.channels })
    }

    pub(super) fn pixels(&self) -> usize {
        (self.height * self.width) as usize
    }

    /// `channels` of its channels, from `first` on.
    pub(super) fn part(self, first: i32, channels: i32) -> Self {
        Self { offset: self.offset + first, channels, ..self }
    }
}

/// `Window` of types.cl.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct WindowArgument([i32; 10]);

impl From<Window> for WindowArgument {
    fn from(window: Window) -> Self {
        let Window { kernel, stride, dilation, padding } = window;
        let sides = [
            kernel.height,
            kernel.width,
            stride.height,
            stride.width,
            dilation.height,
            dilation.width,
            padding.top,
            padding.left,
            padding.bottom,
            padding.right,
        ];
        Self(sides.map(|side| side as i32))
    }
}

/// `Walk` of convolution.cl.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct WalkArgument {
    pub(super) steps_down: i32,
    pub(super) steps_across: i32,
    pub(super) down: i32,
    pub(super) across: i32,
    pub(super) run: i32,
    pub(super) tile_down: i32,
    pub(super) tile_across: i32,
    pub(super) group_inputs: i32,
    pub(super) group_outputs: i32,
    pub(super) tiles: i32,
}

/// `Share` of types.cl.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct ShareArgument {
    pub(super) pixels: i32,
    pub(super) channels: i32,
}

/// One argument of a kernel.
#[derive(Debug, Clone, Copy)]
pub(super) enum Argument<'a> {
    Memory(&'a Memory),
    Tensor(TensorArgument),
    Window(WindowArgument),
    Walk(WalkArgument),
    Share(ShareArgument),
    Int(i32),
    Float(f32),
}

impl Argument<'_> {
    /// Gives `kernel` this as its argument `index`.
    pub(super) fn set(&self, kernel: &Kernel, index: usize) -> Result<(), ClError> {
        let index = index as u32;
        // SAFETY: the library copies the value, whose size it checks against what the kernel
        // declares; structures are laid out as the kernels' are. A buffer stays with the executor
        // for as long as its kernels do.
        unsafe {
            match self {
                Self::Memory(memory) => kernel.set_arg(index, &memory.get()),
                Self::Tensor(tensor) => kernel.set_arg(index, tensor),
                Self::Window(window) => kernel.set_arg(index, window),
                Self::Walk(walk) => kernel.set_arg(index, walk),
                Self::Share(share) => kernel.set_arg(index, share),
                Self::Int(int) => kernel.set_arg(index, int),
                Self::Float(float) => kernel.set_arg(index, float),
            }
        }
    }
}
