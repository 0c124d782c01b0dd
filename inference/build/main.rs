//! Finds XNNPACK and decides whether the `xnnpack` executor can be built against it.
//!
//! The library has no stable API and Debian ships no pkg-config file for it, so this looks for
//! the header where the C compiler would, and compares what it declares with what is declared here.
//! `WATTLINE_XNNPACK_DIR` names a prefix (with `include/` and `lib/`) to look in instead;
//! setting it to nothing builds without XNNPACK.

mod prototypes;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

const OVERRIDE: &str = "WATTLINE_XNNPACK_DIR";

/// The generations of the API that are known, each by a file of declarations in `src/xnnpack/ffi/`:
/// Debian 12's and Debian 13's.
const GENERATIONS: [&str; 2] = ["setup_at_once", "reshape_and_setup"];

fn main() {
    let values = GENERATIONS.map(|name| format!("\"{name}\"")).join(", ");
    println!("cargo::rustc-check-cfg=cfg(xnnpack, values(none(), {values}))");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-env-changed={OVERRIDE}");
    match find_library() {
        Ok((library, generation)) => {
            println!("cargo::rustc-cfg=xnnpack");
            println!("cargo::rustc-cfg=xnnpack=\"{generation}\"");
            if let Some(directory) = library.parent() {
                println!("cargo::rustc-link-search=native={}", directory.display());
            }
            println!("cargo::rustc-link-lib=dylib=XNNPACK");
            println!("cargo::rustc-link-lib=dylib=pthreadpool");
        }
        Err(Missing { why, warn }) => {
            if warn {
                println!("cargo::warning={why}; building without the xnnpack executor");
            }
            println!("cargo::rustc-env=WATTLINE_XNNPACK_MISSING={why}");
        }
    }
}

/// Why there is no XNNPACK to build against, and whether whoever builds expects one.
struct Missing {
    why: String,
    warn: bool,
}

/// The library, and the generation of its API.
fn find_library() -> Result<(PathBuf, &'static str), Missing> {
    let silent = |why: &str| Missing { why: why.to_owned(), warn: false };
    let loud = |why: String| Missing { why, warn: true };
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return Err(silent("XNNPACK is looked for on Linux alone"));
    }
    let (includes, libraries) = match env::var(OVERRIDE) {
        Ok(prefix) if prefix.is_empty() => {
            return Err(silent("WATTLINE_XNNPACK_DIR was set to nothing when it was built"));
        }
        Ok(prefix) => {
            let prefix = PathBuf::from(prefix);
            (vec![prefix.join("include")], vec![prefix.join("lib")])
        }
        Err(_) => (system_includes(), system_libraries()),
    };
    let Some(header) = find(&includes, "xnnpack.h") else {
        return Err(silent("no xnnpack.h was found when it was built"));
    };
    println!("cargo::rerun-if-changed={}", header.display());
    let at = header.display();
    let Some(library) = find(&libraries, "libXNNPACK.so") else {
        return Err(loud(format!("found {at} but no libXNNPACK.so")));
    };
    let text =
        fs::read_to_string(&header).map_err(|error| loud(format!("cannot read {at}: {error}")))?;
    let declarations = |file: &str| {
        let file = format!("src/xnnpack/ffi/{file}.rs");
        println!("cargo::rerun-if-changed={file}");
        fs::read_to_string(&file).map_err(|error| loud(format!("cannot read {file}: {error}")))
    };
    let mut differences = Vec::new();
    for generation in GENERATIONS {
        let all = declarations("mod")? + &declarations(generation)?;
        match prototypes::difference(&all, &text) {
            None => return Ok((library, generation)),
            Some(difference) => differences.push(difference),
        }
    }
    let [older, newer] = &differences[..] else { unreachable!("one for each generation") };
    Err(loud(format!(
        "{at} is of an API that is not supported: it is not Debian 12's ({older}), nor Debian 13's ({newer})"
    )))
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
