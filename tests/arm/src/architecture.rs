//! The two architectures, and where what a guest is made of lies.

use std::path::{Path, PathBuf};
use std::process::Command;

/// An architecture of guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// 64 bits, with Debian's own kernel.
    Arm64,
    /// 32 bits, with a kernel of ours.
    Armv7,
    /// 64 bits, with a kernel that checks locks and memory.
    Arm64Debug,
}

impl Architecture {
    /// Its kernel in the cache.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::Arm64 => "arm64",
            Architecture::Armv7 => "armv7",
            Architecture::Arm64Debug => "arm64-debug",
        }
    }

    /// Its programs in the cache.
    fn programs(self) -> &'static str {
        match self {
            Architecture::Arm64 | Architecture::Arm64Debug => "arm64",
            Architecture::Armv7 => "armv7",
        }
    }

    /// What Debian calls it.
    fn debian(self) -> &'static str {
        match self {
            Architecture::Arm64 | Architecture::Arm64Debug => "arm64",
            Architecture::Armv7 => "armhf",
        }
    }

    /// The prefix of its compilers and libraries.
    pub fn gnu(self) -> &'static str {
        match self {
            Architecture::Arm64 | Architecture::Arm64Debug => "aarch64-linux-gnu",
            Architecture::Armv7 => "arm-linux-gnueabihf",
        }
    }

    /// Rust's name for it.
    fn rust(self) -> &'static str {
        match self {
            Architecture::Arm64 | Architecture::Arm64Debug => "aarch64-unknown-linux-gnu",
            Architecture::Armv7 => "armv7-unknown-linux-gnueabihf",
        }
    }

    /// Who emulates it, and which processor; that of 32 bits without its counters, which no test asks
    /// for.
    pub fn emulator(self) -> (&'static str, &'static str) {
        match self {
            Architecture::Arm64 | Architecture::Arm64Debug => ("qemu-system-aarch64", "cortex-a72"),
            Architecture::Armv7 => ("qemu-system-arm", "cortex-a15,pmu=off"),
        }
    }

    /// The kernel's image.
    pub fn kernel(self) -> PathBuf {
        let image = match self {
            Architecture::Arm64 | Architecture::Arm64Debug => "Image",
            Architecture::Armv7 => "zImage",
        };
        cache().join(self.name()).join(image)
    }

    /// Modules that a guest loads first, in their order; none where all is built in.
    pub fn modules(self) -> Vec<PathBuf> {
        let folder = cache().join(self.name()).join("modules");
        let order = std::fs::read_to_string(folder.join("order")).unwrap_or_default();
        order.lines().map(|name| folder.join(name)).collect()
    }

    /// A program of the cache: busybox or perf, linked statically.
    pub fn tool(self, name: &str) -> PathBuf {
        cache().join("bin").join(self.programs()).join(name)
    }

    /// Debian's libraries for it, as a root file system has them.
    fn root(self) -> PathBuf {
        cache().join("sysroot").join(self.debian())
    }

    /// Where its libraries are.
    pub fn libraries(self) -> [PathBuf; 2] {
        let root = self.root();
        [root.join("lib").join(self.gnu()), root.join("usr/lib").join(self.gnu())]
    }

    /// A program of this workspace, built for it.
    pub fn built(self, target: &Path, program: &str) -> PathBuf {
        target.join(self.rust()).join("release").join(program)
    }

    /// The same, to be run here by QEMU's user emulation, as `tests/arm/cross` has it.
    pub fn run(self, target: &Path, program: &str) -> Command {
        let mut command = Command::new(match self {
            Architecture::Arm64 | Architecture::Arm64Debug => "qemu-aarch64-static",
            Architecture::Armv7 => "qemu-arm-static",
        });
        command.arg("-L").arg(self.root()).arg(self.built(target, program));
        command
    }

    /// wattline's kernel module, built for its kernel.
    pub fn module(self, target: &Path) -> PathBuf {
        target.join("arm-modules").join(self.name()).join("wattline_cci.ko")
    }
}

/// The cache, as `kernels/cache.sh` has it.
fn cache() -> PathBuf {
    let set = |variable| std::env::var_os(variable).filter(|it| !it.is_empty()).map(PathBuf::from);
    set("WATTLINE_CACHE")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("wattline")))
        .or_else(|| Some(set("HOME")?.join(".cache/wattline")))
        .unwrap_or_default()
        .join("arm")
}
