//! Counters read at marks: the kernel's software events, which every machine has.

use std::ffi::c_int;
use std::fs::File;
use std::hint::black_box;
use std::io::Error;
use std::os::fd::{AsFd, FromRawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use wattline_ebpf::{
    Arguments, CounterReading, EbpfError, MOST_COUNTERS, MarkCounter, MarkSettings, Marks, Moment,
    Place, Probe, Scope,
};

use crate::marks::{file_offset, here, myself};

/// Codes of software events. [include/uapi/linux/perf_event.h, `enum perf_sw_ids`]
const CPU_CLOCK: u64 = 0;
const PAGE_FAULTS: u64 = 2;

/// A software event of a CPU, for all that runs on it, counting already.
fn software_event(cpu: u32, code: u64) -> File {
    const SOFTWARE: u32 = 1;
    const BYTES: u32 = 64;
    let mut attribute = [0u64; BYTES as usize / 8];
    attribute[0] = u64::from_ne_bytes(
        [SOFTWARE, BYTES].map(u32::to_ne_bytes).concat()[..].try_into().unwrap(),
    );
    attribute[1] = code;
    // SAFETY: the attribute is as large as its `size` says, and only read.
    let event = unsafe {
        let every_process: libc::pid_t = -1;
        let (cpu, group): (c_int, c_int) = (cpu as c_int, -1);
        let attribute = attribute.as_ptr();
        libc::syscall(libc::SYS_perf_event_open, attribute, every_process, cpu, group, 8u64)
    };
    assert!(event >= 0, "{}", Error::last_os_error());
    // SAFETY: the descriptor is new and nobody else's.
    unsafe { File::from_raw_fd(event as c_int) }
}

/// Touches so many pages for the first time.
#[inline(never)]
extern "C" fn touch(pages: u64) -> u64 {
    const PAGE: usize = 4096;
    let length = pages.max(1) as usize * PAGE;
    // SAFETY: an anonymous mapping of its own, unmapped below, and written within its length.
    unsafe {
        let (access, kind) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let memory = libc::mmap(std::ptr::null_mut(), length, access, kind, -1, 0);
        assert_ne!(memory, libc::MAP_FAILED);
        libc::madvise(memory, length, libc::MADV_NOHUGEPAGE);
        for page in 0..pages as usize {
            memory.cast::<u8>().add(page * PAGE).write_volatile(1);
        }
        libc::munmap(memory, length);
    }
    black_box(pages)
}

/// Marks are of the whole process: only one test at a time may make some.
fn alone() -> MutexGuard<'static, ()> {
    static TOUCHING: Mutex<()> = Mutex::new(());
    TOUCHING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn touching() -> Probe {
    Probe {
        binary: myself(),
        place: Place::Function { file_offset: file_offset(touch as *const () as usize) },
        arguments: Arguments { ids: [Some(0), None], name: None },
        cookie: 3,
    }
}

/// Keeps this thread on the CPU it is on now.
fn stay() -> u32 {
    let cpu = nix::sched::sched_getcpu().unwrap();
    let mut only = CpuSet::new();
    only.set(cpu).unwrap();
    sched_setaffinity(Pid::from_raw(0), &only).unwrap();
    cpu as u32
}

/// Of a mark: its time, CPU, moves so far, and what slots 0 and 1 say.
type Seen = (u64, u32, Moment, u64, [Option<CounterReading>; 2]);

fn drained(marks: &mut Marks) -> Vec<Seen> {
    let mut seen = Vec::new();
    marks.drain(|mark| {
        let counts = mark.counts.unwrap();
        let readings = [counts.get(0), counts.get(1)];
        seen.push((mark.t_ns, mark.cpu, mark.moment, counts.migrations(), readings));
    });
    seen
}

pub(crate) fn what_a_call_did_lies_between_its_marks() {
    let _alone = alone();
    let thread = std::thread::spawn(|| {
        let cpu = stay();
        let events = [CPU_CLOCK, PAGE_FAULTS].map(|code| software_event(cpu, code));
        let counter = |slot: usize| MarkCounter { slot, cpu, event: events[slot].as_fd() };
        let counters = [counter(0), counter(1)];
        let settings = MarkSettings::default();
        let probes = [touching()];
        let marks = Marks::attach_with_counters(&probes, here(), None, settings, &counters);
        let mut marks = marks.unwrap();
        const CALLS: [u64; 4] = [0, 100, 1, 1000];
        let touched: u64 = CALLS.iter().map(|&pages| touch(pages)).sum();
        assert_eq!(touched, 1101);
        let seen = drained(&mut marks);
        assert_eq!(seen.len(), 2 * CALLS.len());
        for (pages, pair) in CALLS.into_iter().zip(seen.chunks(2)) {
            let [begin, end] = pair else { panic!("{pair:?}") };
            assert_eq!((begin.1, begin.2, end.2), (cpu, Moment::Begin, Moment::End));
            assert_eq!((begin.1, begin.3), (end.1, end.3), "it stayed where it was");
            let readings = |slot: usize| (begin.4[slot].unwrap(), end.4[slot].unwrap());
            let (before, after) = readings(0);
            let (clock, wall) = (after.count - before.count, end.0 - begin.0);
            // Counters are read a little after the mark's own look at the clock.
            assert!(clock.abs_diff(wall) < wall / 4 + 200_000, "{clock} of {wall} ns");
            assert_eq!(after.enabled_ns - before.enabled_ns, after.running_ns - before.running_ns);
            let (before, after) = readings(1);
            let faults = after.count - before.count;
            assert!(faults >= pages, "{faults} for {pages} pages");
            // Others' pages fault on this CPU, too, if the thread is put aside meanwhile.
            assert!(faults <= pages + 5_000, "{faults} for {pages} pages");
        }
    });
    thread.join().unwrap();
}

pub(crate) fn a_cpu_without_the_event_says_nothing_and_a_move_shows() {
    let _alone = alone();
    let cpus: Vec<u32> = (0..nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_ONLN)
        .unwrap()
        .unwrap() as u32)
        .collect();
    let [first, second, ..] = cpus[..] else {
        eprintln!("NOT TESTED: there is one CPU, and nowhere to move to");
        return;
    };
    let event = software_event(first, CPU_CLOCK);
    let other = software_event(second, PAGE_FAULTS);
    let counters = [
        MarkCounter { slot: 0, cpu: first, event: event.as_fd() },
        MarkCounter { slot: 1, cpu: second, event: other.as_fd() },
    ];
    let probes = [touching()];
    let settings = MarkSettings::default();
    let marks = Marks::attach_with_counters(&probes, here(), None, settings, &counters);
    let mut marks = marks.unwrap();
    let thread = std::thread::spawn(move || {
        for cpu in [first, second] {
            let mut only = CpuSet::new();
            only.set(cpu as usize).unwrap();
            sched_setaffinity(Pid::from_raw(0), &only).unwrap();
            touch(1);
        }
    });
    thread.join().unwrap();
    let seen = drained(&mut marks);
    let cpus: Vec<u32> = seen.iter().map(|it| it.1).collect();
    assert_eq!(cpus, [first, first, second, second]);
    for (_, cpu, _, _, [clock, faults]) in &seen {
        assert_eq!((clock.is_some(), faults.is_some()), (*cpu == first, *cpu == second));
    }
    assert!(seen[2].3 > seen[1].3, "it moved: {seen:?}");
    assert_eq!((seen[0].3, seen[2].3), (seen[1].3, seen[3].3));
}

pub(crate) fn without_counters_a_mark_has_none() {
    let _alone = alone();
    let mut marks = Marks::attach(&[touching()], here(), MarkSettings::default()).unwrap();
    touch(1);
    let mut seen = 0;
    marks.drain(|mark| {
        assert_eq!(mark.counts, None);
        seen += 1;
    });
    assert_eq!(seen, 2);
}

pub(crate) fn counters_that_cannot_be_are_refused() {
    let refuse = |counter: MarkCounter<'_>| {
        let settings = MarkSettings::default();
        let scope = Scope::EveryProcess;
        Marks::attach_with_counters(&[touching()], scope, None, settings, &[counter]).unwrap_err()
    };
    let event = software_event(0, CPU_CLOCK);
    let many = refuse(MarkCounter { slot: MOST_COUNTERS, cpu: 0, event: event.as_fd() });
    assert!(matches!(&many, EbpfError::Invalid(text) if text.contains("7 counters")), "{many}");
    let file = File::open("/dev/null").unwrap();
    let no_event = refuse(MarkCounter { slot: 0, cpu: 0, event: file.as_fd() }).to_string();
    assert!(no_event.contains("counter 0 of CPU 0"), "{no_event}");
}
