//! A map's memory, shared with the kernel.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};

/// The numbers of an array map, read without a system call.
#[derive(Debug)]
pub(crate) struct Numbers {
    memory: MmapRaw,
    length: usize,
}

impl Numbers {
    /// Maps an array map (`BPF_F_MMAPABLE`) that holds `length` numbers of 64 bits.
    pub(crate) fn map(map: impl AsFd, length: usize) -> io::Result<Self> {
        let bytes = length * size_of::<u64>();
        let memory = MmapOptions::new().len(bytes).map_raw(map.as_fd().as_raw_fd())?;
        Ok(Numbers { memory, length })
    }

    /// The number at an index, as the kernel wrote it last. 32-bit kernels write it in halves.
    pub(crate) fn get(&self, index: usize) -> u64 {
        self.number(index).load(Ordering::Relaxed)
    }

    /// Where the number at an index is.
    pub(crate) fn number(&self, index: usize) -> &AtomicU64 {
        assert!(index < self.length, "number {index} of {}", self.length);
        // SAFETY: in bounds by the assertion, aligned as the mapping is by pages, and shared
        // memory that is only ever accessed as whole words.
        unsafe { &*self.memory.as_ptr().cast::<AtomicU64>().add(index) }
    }

    /// One byte of them, by its place; `None` beyond the last.
    pub(crate) fn byte(&self, place: usize) -> Option<&AtomicU8> {
        let is_in = place < self.length * size_of::<u64>();
        // SAFETY: in bounds as just seen, and memory that the kernel accesses as bytes where we
        // do.
        is_in.then(|| unsafe { &*self.memory.as_ptr().cast::<AtomicU8>().add(place) })
    }

    /// Each in turn.
    pub(crate) fn all(&self) -> impl Iterator<Item = u64> {
        (0..self.length).map(|index| self.get(index))
    }

    /// All of them together.
    pub(crate) fn sum(&self) -> u64 {
        self.all().fold(0, u64::wrapping_add)
    }
}
