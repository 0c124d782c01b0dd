//! Probes to attach, and the marks they leave.

use std::os::fd::BorrowedFd;
use std::path::PathBuf;

/// The longest name a mark carries, in bytes; longer ones are cut.
pub const NAME_BYTES: usize = 128;

/// Whether a mark begins or ends something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// Something begins.
    Begin,
    /// Something ends.
    End,
}

/// Where in a program marks come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A USDT probe. Its instructions, semaphore and arguments are found in the ELF notes of the
    /// program; a probe that was inlined at several sites is attached at each.
    Usdt {
        /// Such as `wattline`.
        provider: String,
        /// Such as `layer_begin`.
        name: String,
        /// What hitting it means.
        moment: Moment,
    },
    /// One instruction.
    Instruction {
        /// The offset into the file (not the virtual address).
        file_offset: u64,
        /// The offset of a counter into the file, which the kernel raises while attached.
        semaphore_offset: Option<u64>,
        /// What hitting it means.
        moment: Moment,
    },
    /// A function: a begin when it is called and an end when it returns.
    Function {
        /// The offset of its first instruction into the file (not the virtual address).
        file_offset: u64,
    },
}

/// Which arguments of a probe a mark carries, by position from 0. A USDT probe has those it was
/// built with, at most 12; a function, and an instruction taken for one's first, has the first
/// five (on 32-bit ARM four) integer arguments of the C calling convention. The end of a function carries what it
/// returned as the first id, and no name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Arguments to carry as numbers; 0 where none is named.
    pub ids: [Option<u8>; 2],
    /// An argument that points at a NUL-terminated string.
    pub name: Option<u8>,
}

/// A probe to attach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The program or library. A relative path is looked for like a command is.
    pub binary: PathBuf,
    /// Where in it.
    pub place: Place,
    /// What its marks carry.
    pub arguments: Arguments,
    /// Tells its marks from those of other probes.
    pub cookie: u64,
}

/// Whose hits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those of this process, all its threads, and none that it forks later.
    Process(u32),
    /// Those of every process that runs the program, now or later.
    EveryProcess,
}

/// How marks are collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkSettings {
    /// Room for marks that were not drained yet: a power of two of at least one page. A mark
    /// takes 56 bytes and its name, and with counters 8 bytes and 24 for each.
    pub buffer_bytes: u32,
}

impl Default for MarkSettings {
    /// 8 MiB: a tenth of a second at a million marks a second.
    fn default() -> Self {
        MarkSettings { buffer_bytes: 8 << 20 }
    }
}

/// What a probe saw. It lives in the buffer shared with the kernel, until the callback returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark<'a> {
    /// When.
    pub t_ns: u64,
    /// The process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// The CPU it ran on.
    pub cpu: u32,
    /// Which probe: [`Probe::cookie`].
    pub cookie: u64,
    /// What it means.
    pub moment: Moment,
    /// The arguments named by [`Arguments::ids`].
    pub ids: [u64; 2],
    /// The string that [`Arguments::name`] points at, without its NUL, cut to less than
    /// [`NAME_BYTES`]; `None` where none is named or it could not be read.
    pub name: Option<&'a [u8]>,
    /// What the counters of its CPU said, where marks were attached with some.
    pub counts: Option<Counts<'a>>,
}

/// The most events that are read at a mark.
pub const MOST_COUNTERS: usize = 6;

/// A perf event of one CPU that is read at the marks left there.
#[derive(Debug, Clone, Copy)]
pub struct MarkCounter<'a> {
    /// Which of the events it is, from 0; the same on every CPU.
    pub slot: usize,
    /// The CPU whose event it is.
    pub cpu: u32,
    /// The event, as `perf_event_open` gave it.
    pub event: BorrowedFd<'a>,
}

/// What the counters of a CPU said at a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts<'a>(pub(crate) &'a [u8]);

/// What one counter said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CounterReading {
    /// The count.
    pub count: u64,
    /// Time for which the event was enabled.
    pub enabled_ns: u64,
    /// Time for which it had a counter.
    pub running_ns: u64,
}

impl Counts<'_> {
    /// Bytes ahead of a mark that was left with so many counters: see `bpf/include/counters.h`.
    #[cfg(bpf_programs)]
    pub(crate) fn bytes(counters: usize) -> usize {
        if counters == 0 { 0 } else { LONG + counters * READING }
    }

    /// How often the thread had moved to another CPU by then.
    pub fn migrations(&self) -> u64 {
        self.long(self.0.len().wrapping_sub(LONG))
    }

    /// What the counter of this slot said; `None` where the CPU does not count it.
    pub fn get(&self, slot: usize) -> Option<CounterReading> {
        let at = self.0.len().checked_sub(LONG + (slot + 1) * READING)?;
        let reading = CounterReading {
            count: self.long(at),
            enabled_ns: self.long(at + LONG),
            running_ns: self.long(at + 2 * LONG),
        };
        (reading.enabled_ns > 0).then_some(reading)
    }

    fn long(&self, at: usize) -> u64 {
        let bytes = self.0.get(at..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    }
}

/// `__u64` and `struct bpf_perf_event_value`, in bytes.
const LONG: usize = 8;
const READING: usize = 3 * LONG;

/// How far marks were left at some instant, to ask later whether those are drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left(pub(crate) usize);
