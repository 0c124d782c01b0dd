//! USDT probes around every image and every layer, for whoever wants to watch from outside.
//!
//! A probe is a `nop` and a note in the ELF file that says where it is and where its arguments
//! are; it costs nothing until a tracer attaches. On x86-64 a `nop` of five bytes follows: Linux
//! 6.18 makes a call of it, which costs the program less than a breakpoint does, for tracers that
//! know of the pair (libbpf 1.7); others break at the first. Those of provider `wattline`:
//!
//! | probe | arguments |
//! |---|---|
//! | `image_begin`, `image_end` | number of the image, counted through all executors of the process |
//! | `layer_begin`, `layer_end` | number of the image, index in `Graph::layers`, name (NUL-terminated) |
//!
//! `bpftrace -e 'usdt:./wattline:wattline:layer_begin { printf("%s\n", str(arg2)); }' -c …`
//! lists layers as they run; `wattline record` makes spans of them.

use std::ffi::{CStr, CString};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::monotonic_ns;
use crate::executor::LayerObserver;
use crate::graph::Graph;

static NEXT_IMAGE: AtomicU64 = AtomicU64::new(0);

/// The probes of one network's executor.
#[derive(Debug)]
pub(crate) struct Probes {
    /// Of each layer, as tracers read text.
    names: Vec<CString>,
}

/// An image that runs: begun when this is made, ended when it is dropped.
#[derive(Debug)]
pub(crate) struct RunningImage<'a> {
    number: u64,
    names: &'a [CString],
}

impl Probes {
    pub(crate) fn new(graph: &Graph) -> Self {
        // No reader of ONNX lets a NUL through; should one, the name ends there.
        let name = |name: &str| CString::new(name.split('\0').next().unwrap_or_default());
        let names = graph.layers().iter().map(|layer| name(&layer.name).unwrap_or_default());
        Probes { names: names.collect() }
    }

    /// Begins an image.
    pub(crate) fn image(&self) -> RunningImage<'_> {
        let number = NEXT_IMAGE.fetch_add(1, Ordering::Relaxed);
        image_begin(number);
        RunningImage { number, names: &self.names }
    }
}

impl RunningImage<'_> {
    /// Runs layer `index` by `work`, and tells `observer` when it ran. A layer that fails ends,
    /// and the observer does not hear of it.
    pub(crate) fn layer<E>(
        &self,
        index: usize,
        observer: &mut dyn LayerObserver,
        work: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let name = &self.names[index];
        let start_ns = monotonic_ns();
        layer_begin(self.number, index, name);
        let worked = work();
        layer_end(self.number, index, name);
        let end_ns = monotonic_ns();
        worked?;
        observer.layer(index, start_ns, end_ns);
        Ok(())
    }
}

impl Drop for RunningImage<'_> {
    fn drop(&mut self) {
        image_end(self.number);
    }
}

// Each probe stands in a function of its own, so that it is in the program once, however many
// executors there are.

#[inline(never)]
fn image_begin(image: u64) {
    keep_to_a_page();
    probe::probe!(wattline, image_begin, image);
    leave_room();
}

#[inline(never)]
fn image_end(image: u64) {
    keep_to_a_page();
    probe::probe!(wattline, image_end, image);
    leave_room();
}

#[inline(never)]
fn layer_begin(image: u64, index: usize, name: &CStr) {
    keep_to_a_page();
    probe::probe!(wattline, layer_begin, image, index, name.as_ptr());
    leave_room();
}

#[inline(never)]
fn layer_end(image: u64, index: usize, name: &CStr) {
    keep_to_a_page();
    probe::probe!(wattline, layer_end, image, index, name.as_ptr());
    leave_room();
}

/// Puts the probe that follows where it lies in one page: over the end of one the kernel writes no call.
#[inline(always)]
fn keep_to_a_page() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: nops, as many as align what follows.
    unsafe {
        std::arch::asm!(".p2align 6", options(nomem, nostack, preserves_flags));
    }
}

/// The second half of a probe: what the kernel can overwrite with a call.
#[inline(always)]
fn leave_room() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a nop.
    unsafe {
        std::arch::asm!(".byte 0x0f, 0x1f, 0x44, 0, 0", options(nomem, nostack, preserves_flags));
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn each_probe_has_room_right_behind_it_in_the_same_page() {
        const PROBE: [u8; 6] = [0x90, 0x0f, 0x1f, 0x44, 0, 0];
        const LINE: usize = 64;
        for (name, function) in [
            ("image_begin", image_begin as *const u8),
            ("image_end", image_end as *const u8),
            ("layer_begin", layer_begin as *const u8),
            ("layer_end", layer_end as *const u8),
        ] {
            // SAFETY: the first bytes of a function of this program, which is longer than that
            // with what follows it.
            let code = unsafe { std::slice::from_raw_parts(function, 96) };
            let at = code.windows(6).position(|bytes| bytes == PROBE);
            let first = function as usize + at.unwrap_or_else(|| panic!("{name}: {code:x?}"));
            assert_eq!(first / LINE, (first + 5) / LINE, "{name}: {code:x?}");
        }
    }
}
