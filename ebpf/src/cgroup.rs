//! How the kernel numbers the cgroups of the version 2 hierarchy.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

/// A cgroup, as BPF helpers name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CgroupId {
    pub(crate) id: u64,
    /// How deep it lies; 0 is the root.
    pub(crate) level: u32,
}

/// A kernfs file handle: `struct file_handle` with the 8 bytes of a node's number.
#[repr(C)]
struct Handle {
    bytes: u32,
    kind: i32,
    node: [u8; 8],
}

/// The cgroup of a directory; `None` if it is none.
pub(crate) fn find(directory: &Path) -> Option<CgroupId> {
    let is_cgroup = |directory: &Path| {
        statfs(directory).is_ok_and(|found| found.filesystem_type() == CGROUP2_SUPER_MAGIC)
    };
    if !is_cgroup(directory) {
        return None;
    }
    let directory = directory.canonicalize().ok()?;
    let parents = directory.ancestors().skip(1);
    let level = parents.take_while(|parent| is_cgroup(parent)).count() as u32;
    Some(CgroupId { id: node(&directory)?, level })
}

/// The number that the kernel gives a directory of kernfs; `st_ino` has only half of it on
/// 32-bit machines.
fn node(directory: &Path) -> Option<u64> {
    let path = CString::new(directory.as_os_str().as_bytes()).ok()?;
    let mut handle = Handle { bytes: 8, kind: 0, node: [0; 8] };
    let mut mount = 0;
    // SAFETY: the path ends with NUL, and `handle` begins with the two members of struct
    // file_handle and has room for the bytes it says it has.
    let answer = unsafe {
        libc::name_to_handle_at(
            libc::AT_FDCWD,
            path.as_ptr(),
            (&raw mut handle).cast(),
            &raw mut mount,
            0,
        )
    };
    (answer == 0 && handle.bytes == 8).then(|| u64::from_ne_bytes(handle.node))
}
