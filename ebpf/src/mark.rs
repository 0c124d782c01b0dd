//! Probes to attach, and the marks they leave.

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
    /// takes 56 bytes and its name.
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
}

/// How far marks were left at some instant, to ask later whether those are drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left(pub(crate) usize);
