//! Register maps of the counter blocks, and a window through which they are read and written.
//!
//! The same offsets serve the agent, which maps `/dev/mem` on a board, and the emulated board,
//! which plays the registers in a file.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use memmap2::{MmapOptions, MmapRaw};

/// ARM CCI-400 performance monitoring. [drivers/perf/arm-cci.c; ARM DDI 0470]
pub mod cci400 {
    /// Bytes from the block's base to the end of its last counter.
    pub const SIZE: usize = 0xe000;
    /// Secure access: bit 0 opens the other registers to the non-secure world.
    pub const SECURE_ACCESS: usize = 0x8;
    /// Peripheral id 2: bits 7:4 hold the revision.
    pub const PERIPHERAL_ID2: usize = 0xfe8;
    /// Performance monitor control, see [`super::pmcr`].
    pub const PMCR: usize = 0x100;
    /// Event counters (the cycle counter at 0x9000 is not among them).
    pub const COUNTERS: usize = 4;
    /// Slave interfaces, S0 to S4.
    pub const SLAVE_PORTS: u32 = 5;
    /// Offset of event counter `index`'s block.
    pub const fn counter(index: usize) -> usize {
        0xa000 + 0x1000 * index
    }
    /// The event code for a slave interface: source in bits 7:5, event in 4:0.
    pub const fn slave_event(port: u32, event: u32) -> u32 {
        (port << 5) | event
    }
    /// Read request handshakes, any: the same code in revisions r0 and r1, as is the write's. One
    /// request moves one cache line, which is an estimate.
    pub const READ_REQUEST: u32 = 0x00;
    /// Write request handshakes, any.
    pub const WRITE_REQUEST: u32 = 0x0c;
    /// Bytes a request stands for: a cache line.
    pub const BYTES_PER_REQUEST: u64 = 64;
}

/// ARM CCI-550 performance monitoring. Offsets are from the block's base; the counters, which the
/// kernel's device trees give as the PMU's own range, start 64 KiB into it.
/// [drivers/perf/arm-cci.c]
pub mod cci550 {
    /// Bytes from the block's base to the end of its last counter.
    pub const SIZE: usize = 0x90000;
    /// Performance monitor control, see [`super::pmcr`].
    pub const PMCR: usize = 0x100;
    /// Event counters; there is no cycle counter.
    pub const COUNTERS: usize = 8;
    /// Memory master ports the event encoding has room for, M0 to M6.
    pub const MASTER_PORTS: u32 = 7;
    /// Offset of event counter `index`'s block.
    pub const fn counter(index: usize) -> usize {
        0x10000 + 0x10000 * index
    }
    /// The event code for a memory master port: source in bits 8:5 (M ports from 8), event in 4:0.
    pub const fn master_event(port: u32, event: u32) -> u32 {
        ((8 + port) << 5) | event
    }
    /// Read data beats on a memory master port.
    pub const READ_BEAT: u32 = 0x0;
    /// Write data beats on a memory master port.
    pub const WRITE_BEAT: u32 = 0x1;
    /// Bytes a beat: a 128-bit bus. Not verified on hardware.
    pub const BYTES_PER_BEAT: u64 = 16;
}

/// What tells a CCI by its peripheral id: the part number in ids 0 and 1, ARM's code in 1 and 2.
/// [ARM DDI 0470, DDI 0494, DDI 0505: the identification registers]
pub mod cci_identity {
    /// Peripheral id 0: the part number's low byte.
    pub const PERIPHERAL_ID0: usize = 0xfe0;
    /// Peripheral id 1: ARM's code in bits 7:4, the part number's high bits in 3:0.
    pub const PERIPHERAL_ID1: usize = 0xfe4;
    /// Peripheral id 2: the revision in bits 7:4, ARM's code in 3:0.
    pub const PERIPHERAL_ID2: usize = 0xfe8;
    /// Peripheral ids 0 and 1 of a CCI-400.
    pub const CCI400: [u32; 2] = [0x20, 0xb4];
    /// Peripheral ids 0 and 1 of a CCI-550.
    pub const CCI550: [u32; 2] = [0x23, 0xb4];
    /// Peripheral id 2 without the revision.
    pub const ARM: u32 = 0xb;
}

/// Bits of the CCI's PMCR. [drivers/perf/arm-cci.c]
pub mod pmcr {
    /// Counters count.
    pub const ENABLE: u32 = 1 << 0;
    /// Number of counters, bits 15:11.
    pub const COUNTERS_SHIFT: u32 = 11;
}

/// A CCI counter's own registers, from the counter's block on.
pub mod cci_counter {
    /// Which event is counted.
    pub const EVENT_SELECT: usize = 0x0;
    /// The count, 32 bits.
    pub const COUNT: usize = 0x4;
    /// Bit 0 enables the counter.
    pub const CONTROL: usize = 0x8;
    /// Bit 0 says that it wrapped; write 1 to clear.
    pub const OVERFLOW: usize = 0xc;
}

/// Exynos PPMU v1, one block of four. [drivers/devfreq/event/exynos-ppmu.c; Hardkernel
/// drivers/devfreq/exynos_ppmu.h]
pub mod ppmu {
    /// Bytes from the block's base to the end of its last register.
    pub const SIZE: usize = 0x2000;
    /// Control: bit 0 enables the block, bit 1 resets the event counters.
    pub const PMNC: usize = 0x0;
    /// Counter enable set: a bit a counter.
    pub const COUNTER_ENABLE: usize = 0x10;
    /// Counter enable clear.
    pub const COUNTER_DISABLE: usize = 0x20;
    /// Overflow flags.
    pub const FLAG: usize = 0x50;
    /// Counters 0 to 2, 32 bits each. (The fourth, of 40 bits at 0x140 and 0x150, is not used.)
    pub const fn count(index: usize) -> usize {
        0x110 + 0x10 * index
    }
    /// Which event counter `index` counts.
    pub const fn event_select(index: usize) -> usize {
        0x1000 + 0x100 * index
    }
    /// Data beats read.
    pub const READ_DATA: u32 = 0x5;
    /// Data beats written.
    pub const WRITE_DATA: u32 = 0x6;
    /// Bytes a count.
    pub const BYTES_PER_COUNT: u64 = 16;
}

/// A mapped range of 32-bit registers.
#[derive(Debug)]
pub struct RegisterWindow {
    map: MmapRaw,
}

impl RegisterWindow {
    /// Maps `length` bytes of `path` from `offset` on, for reading and writing.
    ///
    /// On a board `path` is `/dev/mem` and `offset` the block's physical address; on an emulated
    /// board it is a file of its own. `offset` must be a multiple of the page size.
    ///
    /// # Errors
    /// Whatever the system answers; a file that is too short for the block.
    pub fn open(path: &Path, offset: u64, length: usize) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_file() && metadata.len() < offset + length as u64 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{} bytes, expected at least {}", metadata.len(), offset + length as u64),
            ));
        }
        let map = MmapOptions::new().offset(offset).len(length).map_raw(&file)?;
        Ok(RegisterWindow { map })
    }

    /// Reads a register.
    ///
    /// # Panics
    /// If `offset` is not that of a register within the window: offsets are constants.
    pub fn read(&self, offset: usize) -> u32 {
        let register = self.register(offset);
        // SAFETY: `register` checked that the four bytes lie in the live mapping and are
        // aligned. Registers change under us, hence volatile.
        unsafe { register.read_volatile() }
    }

    /// Writes a register.
    ///
    /// # Panics
    /// As [`RegisterWindow::read`].
    pub fn write(&self, offset: usize, value: u32) {
        let register = self.register(offset);
        // SAFETY: as in `read`; the window was mapped for writing.
        unsafe { register.write_volatile(value) }
    }

    /// Adds to a register that somebody else may write meanwhile, in one step: of a write by another
    /// and this, neither is lost. Answers whether the register wrapped.
    ///
    /// # Panics
    /// As [`RegisterWindow::read`].
    pub fn add(&self, offset: usize, count: u32) -> bool {
        // SAFETY: as in `read`; whoever writes it meanwhile is another process or machine, with
        // aligned stores.
        let register = unsafe { AtomicU32::from_ptr(self.register(offset)) };
        register.fetch_add(count, Ordering::Relaxed).checked_add(count).is_none()
    }

    fn register(&self, offset: usize) -> *mut u32 {
        assert!(
            offset.is_multiple_of(4) && offset + 4 <= self.map.len(),
            "register offset {offset:#x}"
        );
        self.map.as_mut_ptr().wrapping_add(offset).cast()
    }
}
