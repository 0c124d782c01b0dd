//! What bounds a component: peak arithmetic and DRAM bandwidth.
//!
//! The roofline (Williams, Waterman and Patterson, CACM 52(4), 2009) of a component is
//! min(peak, operational intensity × bandwidth); the intensity at which the two meet is its ridge
//! point. Here both are measured on the CPUs of the machine at hand ([`bandwidth`](bandwidth()),
//! [`peak`](peak())), or taken from a board's description with the layers of a network placed under
//! them by the emulated board's model ([`Modelled`]).
//!
//! What is measured of CPUs is what all cores of a cluster do at once, each pinned, each on memory
//! of its own; of an OpenCL device, what [`crate::opencl::ceilings`] has it do. It is repeated, and
//! a [`Measured`] value is the best of the repeats and says how far short of it half of them fall.

mod arithmetic;
mod bandwidth;
mod measured;
mod modelled;
mod team;

pub use arithmetic::{Arithmetic, arithmetic, peak};
pub use bandwidth::{Bandwidth, Kernel, bandwidth};
pub use measured::{Measured, Repeats};
pub use modelled::{Bound, Cycles, Modelled, Point};
