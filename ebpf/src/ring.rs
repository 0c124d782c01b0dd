//! The reading end of a ring buffer: records are lent to a callback where they lie, so that
//! nothing is allocated or copied.
//!
//! The layout is that of kernel/bpf/ringbuf.c, which is stable: a page with the consumer's
//! position, a page with the producer's, and the data, mapped twice in a row so that a record
//! that wraps around is in one piece.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::slice;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use memmap2::{MmapOptions, MmapRaw};

/// In a record's header: still being written.
const BUSY: u32 = 1 << 31;

/// In a record's header: given up by its producer.
const DISCARDED: u32 = 1 << 30;

/// A record's header: its length and flags, and where in the buffer it is.
const HEADER_BYTES: usize = 8;

/// The reading end of a ring buffer. There must be one alone.
#[derive(Debug)]
pub(crate) struct Ring {
    consumer: MmapRaw,
    producer: MmapRaw,
    page_bytes: usize,
    buffer_bytes: usize,
}

impl Ring {
    /// Maps a ring buffer of `buffer_bytes`.
    pub(crate) fn map(map: impl AsFd, buffer_bytes: usize) -> io::Result<Self> {
        // SAFETY: sysconf takes a number and answers one.
        let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let fd = map.as_fd().as_raw_fd();
        let consumer = MmapOptions::new().len(page_bytes).map_raw(fd)?;
        let producer = MmapOptions::new()
            .offset(page_bytes as u64)
            .len(page_bytes + 2 * buffer_bytes)
            .map_raw_read_only(fd)?;
        Ok(Ring { consumer, producer, page_bytes, buffer_bytes })
    }

    /// Lends every record that was complete when this was called, oldest first; answers how many.
    pub(crate) fn drain(&mut self, mut record: impl FnMut(&[u8])) -> usize {
        let mut count = 0;
        let mut position = self.consumed().load(Ordering::Relaxed);
        let end = self.produced().load(Ordering::Acquire);
        while position != end {
            let at = position & (self.buffer_bytes - 1);
            // SAFETY: within the data, since the buffer's length is a power of two; records begin
            // at multiples of 8.
            let start = unsafe { self.producer.as_ptr().add(self.page_bytes + at) };
            // SAFETY: a header begins there, since all before it was read.
            let header = unsafe { &*start.cast::<AtomicU32>() }.load(Ordering::Acquire);
            if header & BUSY != 0 {
                break;
            }
            let bytes = (header & !DISCARDED) as usize;
            if header & DISCARDED == 0 {
                // SAFETY: the record is complete and the kernel does not touch it until the
                // consumer's position passes it; one that wraps goes on in the second mapping.
                record(unsafe { slice::from_raw_parts(start.add(HEADER_BYTES), bytes) });
                count += 1;
            }
            position = position.wrapping_add((HEADER_BYTES + bytes).next_multiple_of(8));
            self.consumed().store(position, Ordering::Release);
        }
        count
    }

    /// How far records were written by now, or begun; it wraps around.
    pub(crate) fn written(&self) -> usize {
        self.produced().load(Ordering::Acquire)
    }

    /// Whether what was written up to `position` has been drained.
    pub(crate) fn has_drained(&self, position: usize) -> bool {
        let ahead = position.wrapping_sub(self.consumed().load(Ordering::Relaxed));
        ahead == 0 || ahead > self.buffer_bytes
    }

    fn consumed(&self) -> &AtomicUsize {
        // SAFETY: the first word of the first page, which the kernel accesses as a whole.
        unsafe { &*self.consumer.as_ptr().cast() }
    }

    fn produced(&self) -> &AtomicUsize {
        // SAFETY: the first word of the second page, which the kernel accesses as a whole; loads
        // of one word need no write access.
        unsafe { &*self.producer.as_ptr().cast() }
    }
}
