//! Hardware counters over spans: from the PMU's files to what lies between two marks, with the
//! kernel's software events in the place of hardware's.

use std::hint::black_box;
use std::sync::Arc;

use wattline_agent::watch::{CountsAtMark, Level, Mark, Marking, Nesting};
use wattline_agent::{Inventory, MarkCounters, Recorder, Settings};
use wattline_board::clock::{Clock, WallClock, attend};
use wattline_ebpf::{
    Arguments, MarkSettings, Marks, Moment, Place, Probe, Scope, Support, SupportRoots,
};
use wattline_trace::Name;

use crate::fake::{FakeBoard, exynos5422};

/// Works for some milliseconds.
#[inline(never)]
extern "C" fn image(rounds: u64) -> u64 {
    (0..black_box(rounds)).fold(1, |sum: u64, round| black_box(sum.wrapping_mul(31) ^ round))
}

/// The offset of a function of this program into its file.
fn file_offset(function: usize) -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let number = |text| u64::from_str_radix(text, 16).unwrap();
    let place = maps.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let offset = number(fields.nth(1)?);
        let within = (number(start)..number(end)).contains(&(function as u64));
        within.then(|| function as u64 - number(start) + offset)
    });
    place.unwrap()
}

#[test]
fn images_are_counted_between_their_marks() {
    let support = Support::detect(&SupportRoots::default());
    if !support.works() {
        assert!(std::env::var_os("CI").is_none(), "{support:?}");
        eprintln!("SKIPPED images_are_counted_between_their_marks: it needs BPF");
        return;
    }
    let board = FakeBoard::bare();
    // Events of CPU 0 alone, where this thread is kept.
    board.add_software_pmu();
    let inventory = Inventory::discover(&exynos5422(), &board.roots);
    let probe = Probe {
        binary: std::env::current_exe().unwrap(),
        place: Place::Function { file_offset: file_offset(image as *const () as usize) },
        arguments: Arguments::default(),
        cookie: 0,
    };
    let MarkCounters { counters, events } = inventory.mark_counters();
    let names: Vec<&str> = events.names().iter().map(Name::as_str).collect();
    assert_eq!(names, ["l2d_cache_refill", "l2d_cache_wb", "cycles", "instructions", "bus_access"]);
    let scope = Scope::Process(std::process::id());
    let settings = MarkSettings::default();
    let marks = Marks::attach_with_counters(&[probe], scope, None, settings, &counters);
    let mut marks = marks.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let settings = Settings { priority: None, lock_memory: false, ..Settings::default() };
    let bundle = board.bundle();
    let recorder = Recorder::start(inventory, &clock, &bundle, &settings).unwrap();
    let worker = std::thread::spawn(|| {
        let mut only = nix::sched::CpuSet::new();
        only.set(0).unwrap();
        nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &only).unwrap();
        (0..5).map(|_| image(2_000_000)).sum::<u64>()
    });
    worker.join().unwrap();
    recorder.stop(attend(&clock));
    let mut nesting = Nesting::new(Marking::Function, Marking::Probes);
    let mut images = Vec::new();
    marks.drain(|mark| {
        images.extend(nesting.mark(Mark {
            t_ns: mark.t_ns,
            pid: mark.pid,
            tid: mark.tid,
            cpu: mark.cpu,
            level: Level::Image,
            begins: mark.moment == Moment::Begin,
            name: None,
            counts: mark.counts.map(|counts| CountsAtMark::new(mark.cpu, &counts, events.len())),
        }));
    });
    assert_eq!(images.len(), 5);
    for image in images {
        let rows = events.of_span(&image.counted);
        let named: Vec<&str> = rows.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(named[..5], names[..]);
        assert_eq!(named[5..], ["bytes_estimated"]);
        let value = |event: &str| rows.iter().find(|(name, ..)| *name == *event).unwrap().1;
        // `cycles` is cpu-clock here: nanoseconds.
        let (counted, took) = (value("cycles"), image.end_ns - image.start_ns);
        assert!(counted.abs_diff(took) < took / 4 + 200_000, "{counted} of {took} ns");
        let lines = value("l2d_cache_refill") + value("l2d_cache_wb");
        assert_eq!(value("bytes_estimated"), 64 * lines);
        assert!(rows.iter().all(|(.., scaled)| !scaled));
    }
}
