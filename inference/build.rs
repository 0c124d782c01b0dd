//! Finds XNNPACK and decides whether the `xnnpack` executor can be built against it.
//!
//! The library has no stable API and Debian ships no pkg-config file for it, so this looks for
//! the header where the C compiler would, and tells the API's generation from what it declares.
//! `WATTLINE_XNNPACK_DIR` names a prefix (with `include/` and `lib/`) to look in instead;
//! setting it to nothing builds without XNNPACK.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

const OVERRIDE: &str = "WATTLINE_XNNPACK_DIR";

/// Declared by the supported generation (2021 to mid-2022, as in Debian 12), whose operators take
/// their shape and their buffers in one `setup` call.
const SUPPORTED_MARK: &str = "xnn_setup_convolution2d_nhwc_f32";

/// Declared since 2023, when `setup` was split in `reshape` and `setup`.
const RESHAPE_MARK: &str = "xnn_reshape_convolution2d_nhwc_f32";

/// Parameter types of the later 2022 generation, whose `create` functions take a cache.
const CACHE_MARKS: [&str; 2] = ["xnn_caches_t", "xnn_code_cache_t"];

fn main() {
    println!("cargo::rustc-check-cfg=cfg(xnnpack)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={OVERRIDE}");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    let (includes, libraries) = match env::var(OVERRIDE) {
        Ok(prefix) if prefix.is_empty() => return,
        Ok(prefix) => {
            let prefix = PathBuf::from(prefix);
            (vec![prefix.join("include")], vec![prefix.join("lib")])
        }
        Err(_) => (system_includes(), system_libraries()),
    };
    let Some(header) = find(&includes, "xnnpack.h") else { return };
    println!("cargo::rerun-if-changed={}", header.display());
    let Some(library) = find(&libraries, "libXNNPACK.so") else {
        println!(
            "cargo::warning=found {} but no libXNNPACK.so; building without the xnnpack executor",
            header.display()
        );
        return;
    };
    let text = fs::read_to_string(&header).unwrap_or_default();
    let supported = text.contains(SUPPORTED_MARK)
        && !text.contains(RESHAPE_MARK)
        && !CACHE_MARKS.iter().any(|mark| text.contains(mark));
    if !supported {
        println!(
            "cargo::warning={} is of an API that is not supported (that of Debian 12, libxnnpack-dev \
             0.0~git20220216, is: xnn_setup_* without xnn_reshape_*); building without the xnnpack executor",
            header.display()
        );
        return;
    }
    println!("cargo::rustc-cfg=xnnpack");
    if let Some(directory) = library.parent() {
        println!("cargo::rustc-link-search=native={}", directory.display());
    }
    println!("cargo::rustc-link-lib=dylib=XNNPACK");
    println!("cargo::rustc-link-lib=dylib=pthreadpool");
}

fn find(directories: &[PathBuf], file: &str) -> Option<PathBuf> {
    directories.iter().map(|directory| directory.join(file)).find(|path| path.is_file())
}

/// Where a C compiler for the target looks for headers: the paths that its users may set, then
/// the system's, which on Debian serve every architecture. A foreign target's own prefix comes
/// before the system's.
fn system_includes() -> Vec<PathBuf> {
    let mut paths = from_env(&["CPATH", "C_INCLUDE_PATH"]);
    paths.push(Path::new("/usr").join(multiarch()).join("include"));
    paths.extend(["/usr/local/include", "/usr/include"].map(PathBuf::from));
    paths
}

/// Where a linker for the target looks for libraries: Debian keeps one directory for each
/// architecture. The plain ones are the host's, so a foreign target must not find them.
fn system_libraries() -> Vec<PathBuf> {
    let multiarch = multiarch();
    let mut paths = from_env(&["LIBRARY_PATH"]);
    paths.push(Path::new("/usr/local/lib").join(&multiarch));
    paths.push(Path::new("/usr/lib").join(&multiarch));
    paths.push(Path::new("/usr").join(&multiarch).join("lib"));
    if env::var("HOST") == env::var("TARGET") {
        paths.extend(["/usr/local/lib", "/usr/lib64", "/usr/lib"].map(PathBuf::from));
    }
    paths
}

fn from_env(variables: &[&str]) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for variable in variables {
        println!("cargo::rerun-if-env-changed={variable}");
        paths.extend(env::var_os(variable).iter().flat_map(env::split_paths));
    }
    paths
}

/// Debian's name for the target, such as `aarch64-linux-gnu` or `arm-linux-gnueabihf`.
fn multiarch() -> String {
    let variable = |name| env::var(name).unwrap_or_default();
    let architecture = match variable("CARGO_CFG_TARGET_ARCH").as_str() {
        "x86" => "i386".to_owned(),
        other => other.to_owned(),
    };
    let abi = match variable("CARGO_CFG_TARGET_ENV").as_str() {
        "musl" => "musl",
        _ => "gnu",
    };
    let float = if architecture == "arm" { "eabihf" } else { "" };
    format!("{architecture}-linux-{abi}{float}")
}
