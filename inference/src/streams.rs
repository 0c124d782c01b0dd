//! Reading, writing and copying memory as fast as a core can: what the roofline's bandwidth is
//! measured with, and what the NPU emulator moves its bytes with.
//!
//! Bytes are counted as a program sees them, as STREAM does (McCalpin, *Memory bandwidth and
//! machine balance*, 1995). Writes on x86-64 go past the caches, so that they move what they
//! count. Elsewhere a core that does not recognise the stream reads each line before it writes it,
//! and the memory then moves up to twice the bytes written.

use std::alloc::{Layout, handle_alloc_error};
use std::ffi::c_void;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
#[cfg(target_os = "linux")]
use nix::sys::mman::{MmapAdvise, madvise};

/// Bytes of a line, the unit of memory traffic.
pub(crate) const LINE_BYTES: usize = size_of::<Line>();

/// A cache line, of 64 bytes on every core of the boards that are built in, and on x86-64.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Line([u64; 8]);

/// `bytes`, rounded up to whole lines: at least one.
pub(crate) fn whole_lines(bytes: u64) -> u64 {
    bytes.max(1).next_multiple_of(LINE_BYTES as u64)
}

/// What one translation of an address covers where pages are huge: 2 MiB on x86-64, and on 64-bit ARM
/// with pages of 4 KiB.
const HUGE_PAGE_BYTES: usize = 2 * 1024 * 1024;

/// Memory to go through, in lines.
///
/// It lies on huge pages where the kernel has them to give (`madvise(MADV_HUGEPAGE)`): on small ones
/// how fast addresses are translated is measured too, and which pages of all there are these happen
/// to be.
#[derive(Debug)]
pub(crate) struct Lines {
    start: NonNull<Line>,
    len: usize,
    /// What was mapped: an address, and how many bytes, or none.
    mapping: (NonNull<c_void>, usize),
}

// SAFETY: memory of its own, reached as any slice.
unsafe impl Send for Lines {}
// SAFETY: as above.
unsafe impl Sync for Lines {}

impl Lines {
    /// None.
    pub(crate) fn none() -> Self {
        Lines { start: NonNull::dangling(), len: 0, mapping: (NonNull::dangling(), 0) }
    }

    /// `bytes` of zeros, rounded up to whole lines, no page of them touched: each will be near the
    /// core that touches it first.
    pub(crate) fn untouched(bytes: u64) -> Self {
        let bytes = whole_lines(bytes) as usize;
        let mapped = bytes.next_multiple_of(HUGE_PAGE_BYTES).saturating_add(HUGE_PAGE_BYTES);
        let layout = Layout::from_size_align(mapped, HUGE_PAGE_BYTES);
        let (Some(length), Ok(layout)) = (NonZeroUsize::new(mapped), layout) else {
            panic!("{bytes} bytes are more than there are addresses");
        };
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: new memory, wherever the kernel puts it.
        let mapping = unsafe { mmap_anonymous(None, length, access, MapFlags::MAP_PRIVATE) };
        let mapping = mapping.unwrap_or_else(|_| handle_alloc_error(layout));
        let offset = mapping.as_ptr().align_offset(HUGE_PAGE_BYTES);
        // SAFETY: less than a huge page further, and that much more than the lines was mapped.
        let start = unsafe { mapping.byte_add(offset) };
        // SAFETY: within the mapping; the advice changes no value. Without huge pages small ones do.
        #[cfg(target_os = "linux")]
        let _ = unsafe { madvise(start, mapped - offset, MmapAdvise::MADV_HUGEPAGE) };
        Lines { start: start.cast(), len: bytes / LINE_BYTES, mapping: (mapping, mapped) }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let (mapping, bytes) = self.mapping;
        if bytes > 0 {
            // SAFETY: mapped so, and nobody reaches it any more.
            let unmapped = unsafe { munmap(mapping, bytes) };
            debug_assert_eq!(unmapped, Ok(()));
        }
    }
}

impl Deref for Lines {
    type Target = [Line];

    fn deref(&self) -> &[Line] {
        // SAFETY: so many lines were mapped, as zeros at first, aligned to more than a line.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut [Line] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

/// `bytes` of memory, rounded up to whole lines, every page of them touched.
pub(crate) fn lines(bytes: u64) -> Lines {
    let mut lines = Lines::untouched(bytes);
    // A value other than zero: pages that are never written share one page of zeros.
    lines.fill(Line([1; 8]));
    lines
}

/// Reads every byte.
pub(crate) fn read(from: &[Line]) {
    let mut sums = [0u64; 8];
    for line in from {
        for (sum, value) in sums.iter_mut().zip(line.0) {
            *sum = sum.wrapping_add(value);
        }
    }
    black_box(sums);
}

/// Writes every byte.
#[cfg(target_arch = "x86_64")]
pub(crate) fn write(to: &mut [Line]) {
    use std::arch::x86_64::{__m128i, _mm_set1_epi64x, _mm_sfence, _mm_stream_si128};
    // SAFETY: SSE2 is part of x86-64. A line is 64 bytes, aligned to them: four aligned vectors.
    unsafe {
        let value = _mm_set1_epi64x(2);
        for line in to.iter_mut() {
            let at = std::ptr::from_mut(line).cast::<__m128i>();
            for quarter in 0..4 {
                _mm_stream_si128(at.add(quarter), value);
            }
        }
        _mm_sfence();
    }
    black_box(to);
}

/// Writes every byte.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn write(to: &mut [Line]) {
    let value = Line([black_box(2); 8]);
    to.fill(value);
    black_box(to);
}

/// Copies line by line, up to the shorter of the two.
#[cfg(target_arch = "x86_64")]
pub(crate) fn copy(from: &[Line], to: &mut [Line]) {
    use std::arch::x86_64::{__m128i, _mm_load_si128, _mm_sfence, _mm_stream_si128};
    // SAFETY: SSE2 is part of x86-64. Lines are 64 bytes, aligned to them: four aligned vectors.
    unsafe {
        for (from, to) in from.iter().zip(to.iter_mut()) {
            let from = std::ptr::from_ref(from).cast::<__m128i>();
            let to = std::ptr::from_mut(to).cast::<__m128i>();
            for quarter in 0..4 {
                _mm_stream_si128(to.add(quarter), _mm_load_si128(from.add(quarter)));
            }
        }
        _mm_sfence();
    }
    black_box(to);
}

/// Copies line by line, up to the shorter of the two.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn copy(from: &[Line], to: &mut [Line]) {
    let count = from.len().min(to.len());
    to[..count].copy_from_slice(&from[..count]);
    black_box(to);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_many_as_asked_for_and_all_were_written() {
        let least = LINE_BYTES as u64;
        for bytes in [0, 1, least, least + 1, 3 << 20] {
            assert!(Lines::untouched(bytes).iter().all(|line| line.0 == [0; 8]), "{bytes}");
            let mut lines = lines(bytes);
            assert_eq!((lines.len() * LINE_BYTES) as u64, whole_lines(bytes));
            assert!(lines.iter().all(|line| line.0 == [1; 8]), "{bytes}");
            write(&mut lines);
            assert!(lines.iter().all(|line| line.0 == [2; 8]), "{bytes}");
        }
        assert!(Lines::none().is_empty());
    }
}
