//! Attaches a program to one instruction or return, with a cookie.
//!
//! `libbpf-rs` does that too, but with options as a 64-bit machine lays them out, and with whatever
//! lay behind the last of them: on 32-bit machines libbpf then refuses "non-zero extra bytes", now and
//! then. Here they lie as in C.

use std::ffi::{CString, c_char, c_uint};
use std::io;
use std::mem::offset_of;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{NonNull, null};

use libbpf_rs::libbpf_sys::{self, bpf_uprobe_opts};
use libbpf_rs::{AsRawLibbpf, Link, ProgramMut};

/// `struct bpf_uprobe_opts`. [libbpf.h]
#[repr(C)]
struct Options {
    sz: usize,
    ref_ctr_offset: usize,
    bpf_cookie: u64,
    retprobe: bool,
    func_name: *const c_char,
    attach_mode: c_uint,
}

/// How much of it there is to read: up to the end of the last field.
const OPTIONS_BYTES: usize = offset_of!(Options, attach_mode) + size_of::<c_uint>();

/// Where a program is attached in a binary.
pub(crate) struct Site {
    pub(crate) file_offset: usize,
    /// Of the counter that tells the binary that somebody listens; zero if there is none.
    pub(crate) semaphore_offset: usize,
    pub(crate) cookie: u64,
    /// Where the function that begins there returns, and not where it begins.
    pub(crate) at_return: bool,
}

/// Attaches it in one process, or with −1 in all.
pub(crate) fn attach(
    program: &ProgramMut<'_>,
    pid: i32,
    binary: &Path,
    site: &Site,
) -> libbpf_rs::Result<Link> {
    let binary = CString::new(binary.as_os_str().as_bytes()).map_err(io::Error::from)?;
    let options = Options {
        sz: OPTIONS_BYTES,
        ref_ctr_offset: site.semaphore_offset,
        bpf_cookie: site.cookie,
        retprobe: site.at_return,
        func_name: null(),
        attach_mode: 0,
    };
    let options = (&raw const options).cast::<bpf_uprobe_opts>();
    // SAFETY: the program is loaded, the path ends with a zero, and of the options libbpf reads the
    // bytes that they say they have, laid out as its header has them; it keeps none of the pointers.
    let link = unsafe {
        libbpf_sys::bpf_program__attach_uprobe_opts(
            program.as_libbpf_object().as_ptr(),
            pid,
            binary.as_ptr(),
            site.file_offset as libbpf_sys::size_t,
            options,
        )
    };
    let link = NonNull::new(link).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: libbpf answered with a link, which is nobody else's.
    Ok(unsafe { Link::from_ptr(link) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the bindings declare holds there.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn options_lie_as_the_bindings_have_them_on_64_bits() {
        assert_eq!(offset_of!(Options, bpf_cookie), offset_of!(bpf_uprobe_opts, bpf_cookie));
        assert_eq!(offset_of!(Options, retprobe), offset_of!(bpf_uprobe_opts, retprobe));
        assert_eq!(offset_of!(Options, func_name), offset_of!(bpf_uprobe_opts, func_name));
        assert_eq!(offset_of!(Options, attach_mode), offset_of!(bpf_uprobe_opts, attach_mode));
    }
}
