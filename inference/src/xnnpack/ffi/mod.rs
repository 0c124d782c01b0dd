//! The part of `xnnpack.h` and `pthreadpool.h` that is called here, declared by hand.
//!
//! XNNPACK has no stable API. Each generation of it that is known here is one file:
//! `setup_at_once.rs` as Debian 12 has it, `reshape_and_setup.rs` as Debian 13 has it. `build/`
//! reads those declarations, compares them with the header that is installed, type by type, and
//! takes the file that fits; where none does, the executor is left out and says what differs.
//!
//! Sizes and strides are in elements.

#[cfg(xnnpack = "reshape_and_setup")]
mod reshape_and_setup;
#[cfg(xnnpack = "setup_at_once")]
mod setup_at_once;

use std::ffi::{c_int, c_void};

#[cfg(xnnpack = "reshape_and_setup")]
pub(super) use reshape_and_setup::*;
#[cfg(xnnpack = "setup_at_once")]
pub(super) use setup_at_once::*;

/// `XNN_EXTRA_BYTES`: XNNPACK may read, and never writes, this far beyond a buffer's end.
pub(super) const EXTRA_BYTES: usize = 16;

/// `struct xnn_operator`, seen only through pointers.
#[repr(C)]
#[derive(Debug)]
pub(super) struct XnnOperator {
    _opaque: [u8; 0],
}

/// `struct pthreadpool`, seen only through pointers.
#[repr(C)]
#[derive(Debug)]
pub(super) struct PThreadPool {
    _opaque: [u8; 0],
}

/// `pthreadpool_task_1d_tile_1d_t`: context, first item, number of items.
pub(super) type TileTask = extern "C" fn(*mut c_void, usize, usize);

unsafe extern "C" {
    pub(super) fn pthreadpool_create(threads: usize) -> *mut PThreadPool;
    pub(super) fn pthreadpool_destroy(pool: *mut PThreadPool);
    pub(super) fn pthreadpool_parallelize_1d_tile_1d(
        pool: *mut PThreadPool,
        function: TileTask,
        context: *mut c_void,
        range: usize,
        tile: usize,
        flags: u32,
    );
}

/// A call that the library did not answer with `xnn_status_success`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The function.
    pub(super) call: &'static str,
    /// `enum xnn_status`.
    status: c_int,
}

impl Refusal {
    /// What the status means.
    pub(super) fn status(self) -> String {
        match self.status {
            1 => "the library is not initialised".to_owned(),
            2 => "invalid parameter".to_owned(),
            3 => "invalid state".to_owned(),
            4 => "unsupported parameter".to_owned(),
            5 => "this CPU is not supported".to_owned(),
            6 => "out of memory".to_owned(),
            other => format!("status {other}"),
        }
    }
}

/// Declares functions of the library that answer with a status, and gives each as one of the same
/// name that answers with a [`Refusal`].
macro_rules! library {
    ($($name:ident($($parameter:ident: $type:ty),* $(,)?);)*) => {
        mod declared {
            #[allow(unused_imports, reason = "each list names some of the types")]
            use super::*;

            unsafe extern "C" {
                $(pub(super) fn $name($($parameter: $type),*) -> std::ffi::c_int;)*
            }
        }
        $(
            /// The library's function of this name.
            ///
            /// # Safety
            ///
            /// As `xnnpack.h` asks of its caller.
            #[allow(clippy::too_many_arguments, reason = "the library's own")]
            pub(in crate::xnnpack) unsafe fn $name($($parameter: $type),*) -> Result<(), crate::xnnpack::ffi::Refusal> {
                // SAFETY: the caller's.
                crate::xnnpack::ffi::answer(stringify!($name), unsafe { declared::$name($($parameter),*) })
            }
        )*
    };
}
use library;

fn answer(call: &'static str, status: c_int) -> Result<(), Refusal> {
    if status == 0 { Ok(()) } else { Err(Refusal { call, status }) }
}

library! {
    xnn_initialize(allocator: *const c_void);
    xnn_run_operator(operator: *mut XnnOperator, pool: *mut PThreadPool);
    xnn_delete_operator(operator: *mut XnnOperator);
}
