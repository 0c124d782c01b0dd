//! Where a board's files are. An emulated board has the same files under another root, which is
//! the only difference an agent could see.

use std::path::{Path, PathBuf};

/// The roots under which a board's files are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// What is `/sys` on a board.
    pub sysfs: PathBuf,
    /// What is `/proc` on a board.
    pub procfs: PathBuf,
    /// Where physical registers are mapped from.
    pub registers: RegisterSource,
}

/// Where physical registers are mapped from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterSource {
    /// `/dev/mem`, at the block's physical address.
    DevMem,
    /// A directory with a file for each block, named after its physical address.
    Directory(PathBuf),
    /// A file that holds a virtual machine's memory: what the guest has at a physical address lies
    /// that far from `origin` in it.
    GuestMemory {
        /// The file.
        file: PathBuf,
        /// The physical address of its first byte.
        origin: u64,
    },
}

impl Roots {
    /// The machine we run on.
    pub fn machine() -> Self {
        Roots { sysfs: "/sys".into(), procfs: "/proc".into(), registers: RegisterSource::DevMem }
    }
}

impl RegisterSource {
    /// The file to map for the block at physical address `base`, and the offset in it.
    ///
    /// # Panics
    /// If a guest's memory begins above `base`.
    pub fn locate(&self, base: u64) -> (PathBuf, u64) {
        match self {
            RegisterSource::DevMem => (Path::new("/dev/mem").to_owned(), base),
            RegisterSource::Directory(directory) => (directory.join(format!("{base:08x}")), 0),
            RegisterSource::GuestMemory { file, origin } => {
                assert!(base >= *origin, "{base:#x} lies below the guest's memory");
                (file.clone(), base - origin)
            }
        }
    }
}
