//! The library that OpenCL is reached through, loaded when it is first asked for.
//!
//! wattline links to no OpenCL: a machine without it runs everything else.

use std::ffi::{CStr, CString};
use std::path::Path;
use std::sync::OnceLock;

use nix::libc;
use opencl3::platform::get_platforms;

use super::device::devices;
use super::error::OpenClError;

/// The loader's name on Linux. `OPENCL_DYLIB_PATH` may name another file, as with every program
/// that stands on the crate `opencl3`.
const LIBRARY: &str = "libOpenCL.so.1";

/// Where drivers say that they are there, for the loader to find (cl_khr_icd).
const VENDORS: &str = "/etc/OpenCL/vendors";

/// What PoCL looks for in the environment: whether thread `n` of its CPU device keeps to CPU `n`.
const POCL_AFFINITY: &str = "POCL_AFFINITY";

/// Has PoCL keep each of its threads to a CPU of its own, unless the user said otherwise or this process
/// may not use all CPUs: left to the scheduler, two of them may share one for seconds, and MobileNet took
/// half as long again. For before OpenCL is first used; child processes inherit it.
///
/// # Safety
///
/// No other thread may run yet: it might read the environment.
pub unsafe fn keep_pocl_threads_apart() {
    // SAFETY: reads a number.
    let online = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    let may_use = std::thread::available_parallelism().map_or(0, |count| count.get());
    if usize::try_from(online) == Ok(may_use) && std::env::var_os(POCL_AFFINITY).is_none() {
        // SAFETY: the caller vouches for it.
        unsafe { std::env::set_var(POCL_AFFINITY, "1") };
    }
}

/// Why there is no OpenCL here; `None` when there is. Found out once, and quickly: a driver that
/// is installed is not loaded for it, since that can take a tenth of a second.
pub(crate) fn missing() -> Option<&'static str> {
    static MISSING: OnceLock<Option<String>> = OnceLock::new();
    let find = || match require(LIBRARY) {
        Err(error) => Some(error.to_string()),
        Ok(()) if drivers_are_registered(Path::new(VENDORS)) => None,
        // A loader without drivers answers at once, and a driver that is its own loader must be
        // asked.
        Ok(()) => devices().err().map(|error| error.to_string()),
    };
    MISSING.get_or_init(find).as_deref()
}

/// Checks that the library can be loaded.
pub(super) fn require_library() -> Result<(), OpenClError> {
    match std::env::var_os("OPENCL_DYLIB_PATH") {
        // The crate tries these files first, and says itself what it has found.
        Some(_) if get_platforms().is_ok() => Ok(()),
        _ => require(LIBRARY),
    }
}

/// Checks that `library` can be loaded, and leaves it loaded.
fn require(library: &str) -> Result<(), OpenClError> {
    let no_library = |reason| OpenClError::NoLibrary { library: library.to_owned(), reason };
    let name = CString::new(library).map_err(|error| no_library(error.to_string()))?;
    // SAFETY: a NUL-terminated name. The library's initialisers run, as they do for every program
    // that uses OpenCL.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if !handle.is_null() {
        return Ok(());
    }
    // SAFETY: takes nothing, and gives null or a text that stays until this thread's next call.
    let reason = unsafe { libc::dlerror() };
    match reason.is_null() {
        true => Err(no_library("no reason given".to_owned())),
        // SAFETY: not null, NUL-terminated, and copied at once.
        false => Err(no_library(unsafe { CStr::from_ptr(reason) }.to_string_lossy().into_owned())),
    }
}

/// Whether a driver has left its file in `vendors`, or the environment names another place.
fn drivers_are_registered(vendors: &Path) -> bool {
    let places = ["OCL_ICD_VENDORS", "OCL_ICD_FILENAMES", "OPENCL_VENDOR_PATH"];
    let named = places.iter().any(|place| std::env::var_os(place).is_some_and(|it| !it.is_empty()));
    let listed = || {
        let files = std::fs::read_dir(vendors).into_iter().flatten().flatten();
        files.into_iter().any(|file| file.path().extension().is_some_and(|it| it == "icd"))
    };
    !named && listed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_named_with_what_to_install() {
        let error = require("libOpenCL-that-is-not-there.so.1").unwrap_err().to_string();
        for part in ["libOpenCL-that-is-not-there.so.1", "No such file", "ocl-icd-libopencl1"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(require("a\0b").unwrap_err().to_string().contains("nul byte"));
    }

    #[test]
    fn drivers_are_known_by_their_files() {
        let vendors = tempfile::tempdir().unwrap();
        assert!(!drivers_are_registered(&vendors.path().join("absent")));
        std::fs::write(vendors.path().join("readme.txt"), "").unwrap();
        assert!(!drivers_are_registered(vendors.path()));
        std::fs::write(vendors.path().join("mali.icd"), "libmali.so\n").unwrap();
        assert!(drivers_are_registered(vendors.path()));
    }
}
