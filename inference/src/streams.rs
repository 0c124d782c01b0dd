//! Reading, writing and copying memory as fast as a core can: what the roofline's bandwidth is
//! measured with, and what the NPU emulator moves its bytes with.
//!
//! Bytes are counted as a program sees them, as STREAM does (McCalpin, *Memory bandwidth and
//! machine balance*, 1995). Writes on x86-64 go past the caches, so that they move what they
//! count. Elsewhere a core that does not recognise the stream reads each line before it writes it,
//! and the memory then moves up to twice the bytes written.

use std::hint::black_box;

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

/// `bytes` of memory, rounded up to whole lines, every page of them touched.
pub(crate) fn lines(bytes: u64) -> Vec<Line> {
    let count = whole_lines(bytes) as usize / LINE_BYTES;
    // A value other than zero: pages that are never written share one page of zeros.
    vec![Line([1; 8]); count]
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
