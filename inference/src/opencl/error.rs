//! Why OpenCL could not be used.

/// Why a network could not be run on an OpenCL device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenClError {
    /// The library that all of OpenCL is reached through cannot be loaded.
    #[error(
        "cannot load {library} ({reason}); on Debian: apt install ocl-icd-libopencl1, and the \
         device's driver (pocl-opencl-icd computes on the CPU)"
    )]
    NoLibrary {
        /// The file that was looked for, where the dynamic linker looks.
        library: String,
        /// What the dynamic linker said.
        reason: String,
    },
    /// The library is there and knows no device.
    #[error(
        "OpenCL is installed but has no device; install the device's driver \
         (on a Mali board the vendor's; pocl-opencl-icd on Debian computes on the CPU), \
         and see that /etc/OpenCL/vendors names it and that you may open its device file"
    )]
    NoDevice,
    /// No device is the one asked for.
    #[error("there is no OpenCL device {wish}; there are: {}", devices.join(", "))]
    UnknownDevice {
        /// What was asked for.
        wish: String,
        /// The devices there are.
        devices: Vec<String>,
    },
    /// The device cannot compute in FP16.
    #[error("{device} has no FP16 (cl_khr_fp16); run the network in FP32")]
    NoFp16 {
        /// The device.
        device: String,
    },
    /// The device's compiler refused a kernel.
    #[error(
        "{device} cannot build wattline's kernels ({status}); built with `{options}`, its compiler says:\n{log}"
    )]
    KernelBuild {
        /// The device, with its driver's version.
        device: String,
        /// The compiler's options.
        options: String,
        /// OpenCL's name of the error.
        status: String,
        /// The compiler's words.
        log: String,
    },
    /// A call failed.
    #[error("{call} failed{on}: {status}")]
    Call {
        /// The function.
        call: &'static str,
        /// What it was done for: ` on DEVICE`, ` for layer LAYER`, or nothing.
        on: String,
        /// OpenCL's name of the error.
        status: String,
    },
    /// More values than 32-bit offsets reach.
    #[error(
        "{what} takes more than the 2^31 values that the kernels' offsets reach; use a smaller network"
    )]
    TooLarge {
        /// What is too large.
        what: String,
    },
}

impl OpenClError {
    /// A call of OpenCL that failed, for `on` if that says something.
    pub(super) fn call(
        call: &'static str,
        on: &str,
    ) -> impl FnOnce(opencl3::error_codes::ClError) -> Self {
        let on = on.to_owned();
        move |status| Self::Call { call, on, status: status.to_string() }
    }
}
