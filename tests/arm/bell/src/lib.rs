//! The page through which a guest and the emulated board outside talk: plain words in the guest's
//! memory.

/// Words of the page, by their offsets.
pub mod word {
    /// Which component is at work: its place in the board's description and one; zero if none is.
    /// The guest writes it.
    pub const AT_WORK: usize = 0x0;
    /// Images that began since the guest started. The guest writes it.
    pub const IMAGES: usize = 0x4;
    /// The host asks what time it is by writing a number that was not there before.
    pub const CLOCK_ASKED: usize = 0x10;
    /// The guest answers by writing the same, after its `CLOCK_MONOTONIC` in nanoseconds.
    pub const CLOCK_ANSWERED: usize = 0x14;
    /// The clock's lower half.
    pub const CLOCK_LOW: usize = 0x18;
    /// The clock's upper half.
    pub const CLOCK_HIGH: usize = 0x1c;
}

/// CPUs of the guest's clusters, by their places in the board's description.
pub const CPUS: [[usize; 2]; 2] = [[2, 3], [0, 1]];

/// The page's physical address.
pub const PAGE: u64 = 0x5fff_0000;

/// Its size.
pub const PAGE_BYTES: usize = 0x1000;

/// Asked for this time, the guest stops answering.
pub const NO_MORE: u32 = u32::MAX;
