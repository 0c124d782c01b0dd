//! The devices of this machine, and which of them to use.

use std::fmt;
use std::sync::OnceLock;

use opencl3::device::{
    CL_DEVICE_TYPE_ACCELERATOR, CL_DEVICE_TYPE_ALL, CL_DEVICE_TYPE_CPU, CL_DEVICE_TYPE_GPU,
};
use opencl3::error_codes::ClError;
use opencl3::platform::get_platforms;

use super::error::OpenClError;
use super::library::require_library;

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeviceKind {
    /// A graphics processor.
    Gpu,
    /// Another accelerator.
    Accelerator,
    /// The CPU, for instance through PoCL.
    Cpu,
}

impl DeviceKind {
    /// The kind in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gpu => "GPU",
            Self::Accelerator => "accelerator",
            Self::Cpu => "CPU",
        }
    }
}

/// An OpenCL device of this machine.
#[derive(Debug, Clone)]
pub struct Device {
    /// The driver that offers it: `Portable Computing Language`, `ARM Platform`, …
    pub platform: String,
    /// The device's own name.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// The driver's version.
    pub driver_version: String,
    /// Whether it can store and compute FP16 (`cl_khr_fp16`).
    pub fp16: bool,
    /// Cores, in the device's own counting.
    pub compute_units: usize,
    /// How many FP32 values its vectors hold.
    pub vector_width: usize,
    /// The most work items that it groups.
    pub max_work_group: usize,
    /// Bytes of the cache in front of its memory, as far as it says.
    pub cache_bytes: u64,
    pub(super) handle: opencl3::device::Device,
}

/// Such as `PoCL (CPU): pthread-haswell`.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let platform = match self.platform.as_str() {
            "Portable Computing Language" => "PoCL",
            other => other,
        };
        write!(f, "{platform} ({}): {}", self.kind.as_str(), self.name)
    }
}

/// Which device to use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The first GPU, else the first other accelerator, else the first CPU.
    #[default]
    Best,
    /// The device at this position of [`devices`].
    Index(usize),
    /// The first device whose platform or name holds this text, in upper or lower case.
    Name(String),
}

/// The devices of this machine, platform by platform. The first call loads every driver, which
/// takes a tenth of a second with PoCL; later ones answer the same.
///
/// # Errors
///
/// [`OpenClError`] when there is no OpenCL or no device.
pub fn devices() -> Result<Vec<Device>, OpenClError> {
    // One thread at a time: PoCL 3.1 crashes when two are the first to ask.
    static DEVICES: OnceLock<Result<Vec<Device>, OpenClError>> = OnceLock::new();
    DEVICES.get_or_init(find).clone()
}

fn find() -> Result<Vec<Device>, OpenClError> {
    require_library()?;
    // A loader without drivers calls having no platform an error.
    let platforms = get_platforms().map_err(|_| OpenClError::NoDevice)?;
    let mut devices = Vec::new();
    for platform in &platforms {
        // A platform without devices calls that an error too.
        let handles = platform.get_devices(CL_DEVICE_TYPE_ALL).unwrap_or_default();
        let platform = platform.name().unwrap_or_default();
        for handle in handles {
            let handle = opencl3::device::Device::new(handle);
            let described = describe(handle, &platform)
                .map_err(OpenClError::call("clGetDeviceInfo", &format!(" on {platform}")))?;
            devices.extend(described);
        }
    }
    if devices.is_empty() { Err(OpenClError::NoDevice) } else { Ok(devices) }
}

/// What a device says of itself; none if it cannot be used.
fn describe(handle: opencl3::device::Device, platform: &str) -> Result<Option<Device>, ClError> {
    if !handle.available()? || !handle.compiler_available()? {
        return Ok(None);
    }
    let kinds = handle.dev_type()?;
    let kind = if kinds & CL_DEVICE_TYPE_GPU != 0 {
        DeviceKind::Gpu
    } else if kinds & CL_DEVICE_TYPE_ACCELERATOR != 0 {
        DeviceKind::Accelerator
    } else if kinds & CL_DEVICE_TYPE_CPU != 0 {
        DeviceKind::Cpu
    } else {
        return Ok(None);
    };
    Ok(Some(Device {
        platform: platform.trim().to_owned(),
        name: handle.name()?.trim().to_owned(),
        kind,
        driver_version: handle.driver_version()?.trim().to_owned(),
        fp16: handle.extensions()?.split_whitespace().any(|name| name == "cl_khr_fp16"),
        compute_units: handle.max_compute_units()? as usize,
        vector_width: handle.native_vector_width_float()? as usize,
        max_work_group: handle.max_work_group_size()?,
        cache_bytes: handle.global_mem_cache_size()?,
        handle,
    }))
}

/// The device that `choice` means.
///
/// # Errors
///
/// [`OpenClError`] when there is no such device, or none at all.
pub fn choose(choice: &DeviceChoice) -> Result<Device, OpenClError> {
    let mut devices = devices()?;
    let position = match choice {
        DeviceChoice::Best => {
            (0..devices.len()).min_by_key(|&position| (devices[position].kind, position))
        }
        DeviceChoice::Index(index) => Some(*index).filter(|&index| index < devices.len()),
        DeviceChoice::Name(text) => {
            let text = text.to_lowercase();
            devices.iter().position(|device| device.to_string().to_lowercase().contains(&text))
        }
    };
    match position {
        Some(position) => Ok(devices.swap_remove(position)),
        None => Err(OpenClError::UnknownDevice {
            wish: match choice {
                DeviceChoice::Best => "to be had".to_owned(),
                DeviceChoice::Index(index) => format!("number {index}"),
                DeviceChoice::Name(text) => format!("of the name {text:?}"),
            },
            devices: devices.iter().map(Device::to_string).collect(),
        }),
    }
}
