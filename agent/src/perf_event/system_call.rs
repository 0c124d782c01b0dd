//! `perf_event_open(2)` as it is called here: counters of one CPU, for all that runs on it.
//!
//! The attribute is our own, for the well-kept bindings (perf-event-open-sys) have none for 32-bit
//! ARM. It is the first published size, `PERF_ATTR_SIZE_VER0`, which every kernel takes and which
//! holds all that counting needs. Fields have fixed widths and lie at their natural alignment, so
//! 32-bit ARM (EABI) and 64-bit machines have it alike. [include/uapi/linux/perf_event.h]

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd};

/// `struct perf_event_attr`, up to and with `config1`.
#[repr(C)]
#[derive(Debug, Default)]
struct Attribute {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_kind: u32,
    config1: u64,
}

const ATTRIBUTE_BYTES: usize = 64;
const _: () = assert!(size_of::<Attribute>() == ATTRIBUTE_BYTES);
const _: () = assert!(std::mem::offset_of!(Attribute, read_format) == 32);
const _: () = assert!(std::mem::offset_of!(Attribute, config1) == 56);

/// Bit 0 of the flags: the counter waits to be enabled. The bits count from the least significant
/// on little-endian machines, which all of wattline's are.
const DISABLED: u64 = 1;

/// `PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING | PERF_FORMAT_GROUP`.
const READ_FORMAT: u64 = 1 | 1 << 1 | 1 << 3;

/// `PERF_FLAG_FD_CLOEXEC`.
const CLOSE_ON_EXEC: libc::c_ulong = 1 << 3;

/// `PERF_EVENT_IOC_ENABLE`, `_IO('$', 0)` on ARM and x86.
const ENABLE: u32 = 0x2400;

/// `PERF_IOC_FLAG_GROUP`.
const WHOLE_GROUP: libc::c_ulong = 1;

/// The most events a group holds here.
pub(crate) const MOST_EVENTS: usize = 8;

/// What the kernel is asked to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code {
    /// `attr.type`: the PMU, or `PERF_TYPE_HARDWARE`.
    pub(crate) kind: u32,
    /// `attr.config`.
    pub(crate) config: u64,
    /// `attr.config1`.
    pub(crate) config1: u64,
}

/// A group as the kernel gives it: times, then a count for each event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct GroupReading {
    /// Time for which the group was enabled.
    pub(crate) enabled_ns: u64,
    /// Time for which it had the counters it needs.
    pub(crate) running_ns: u64,
    /// A count for each of its events, in the order in which they were opened.
    pub(crate) counts: [u64; MOST_EVENTS],
}

/// Opens a counter of one CPU for all processes, into the group of `leader`. It is the leader of
/// a new group without one, and counts nothing then until [`enable`].
pub(crate) fn open(code: Code, cpu: u32, leader: Option<&File>) -> io::Result<File> {
    let attribute = Attribute {
        kind: code.kind,
        size: ATTRIBUTE_BYTES as u32,
        config: code.config,
        config1: code.config1,
        read_format: READ_FORMAT,
        flags: if leader.is_none() { DISABLED } else { 0 },
        ..Attribute::default()
    };
    let every_process: libc::pid_t = -1;
    let group = leader.map_or(-1, File::as_raw_fd);
    // SAFETY: the attribute is as large as its `size` says and lives through the call, which
    // only reads it.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attribute,
            every_process,
            cpu as libc::c_int,
            group,
            CLOSE_ON_EXEC,
        )
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { File::from_raw_fd(answer as libc::c_int) })
}

/// Lets a group count.
pub(crate) fn enable(leader: &File) -> io::Result<()> {
    // SAFETY: the request takes a number and no pointer.
    let answer = unsafe { libc::ioctl(leader.as_raw_fd(), ENABLE as _, WHOLE_GROUP) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Reads a group of so many events, in one system call and without an allocation.
///
/// # Errors
/// The system's; `ENODEV` where less than the whole group answers, as after its CPU was switched
/// off: the kernel takes the group apart then. [kernel/events/core.c, perf_event_exit_cpu]
pub(crate) fn read(mut leader: &File, events: usize) -> io::Result<GroupReading> {
    const HEADER: usize = 3;
    let mut bytes = [0; 8 * (HEADER + MOST_EVENTS)];
    let length = leader.read(&mut bytes)?;
    let mut words = [0; HEADER + MOST_EVENTS];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
    }
    if length != 8 * (HEADER + events) || words[0] != events as u64 {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    let mut reading =
        GroupReading { enabled_ns: words[1], running_ns: words[2], ..GroupReading::default() };
    reading.counts.copy_from_slice(&words[HEADER..]);
    Ok(reading)
}
