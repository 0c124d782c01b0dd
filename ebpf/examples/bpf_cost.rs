//! What the BPF programs cost: `cargo run --release -p wattline-ebpf --example bpf_cost`, as root.
//!
//! With and without are measured in turn in one run, in CPU time, so that a busy machine is busy
//! for both and what others use does not count.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use wattline_ebpf::{
    Arguments, EbpfError, MarkSettings, Marks, Moment, Place, Probe, Sched, Scope, SelfMeter,
    Target,
};

/// Round trips of one ping-pong.
const TRIPS: u32 = 10_000;

/// Times that each is measured with and without.
const ROUNDS: usize = 11;

/// Hits of a probe in one measurement.
const HITS: u64 = 100_000;

fn main() -> Result<(), EbpfError> {
    switches()?;
    slowdown()?;
    usdt()?;
    a_million_marks_a_second()
}

fn myself() -> Target {
    Target::Tree(std::process::id())
}

/// Two threads on one CPU wake each other through pipes: the most switches there can be.
fn switches() -> Result<(), EbpfError> {
    let sched = Sched::attach(myself())?;
    let mut meter = SelfMeter::start(sched.programs()?)?;
    ping_pong();
    for cost in meter.costs()?.iter().filter(|cost| cost.runs > 0) {
        let mean_ns = cost.run_ns as f64 / cost.runs as f64;
        println!("{:<10} {mean_ns:>8.0} ns a run, {} runs", cost.program, cost.runs);
    }
    Ok(())
}

/// The same, with and without.
fn slowdown() -> Result<(), EbpfError> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(ping_pong());
        let _sched = Sched::attach(myself())?;
        with.push(ping_pong());
    }
    let (with, without) = (median(with), median(without));
    println!(
        "ping-pong  {:>8.2} us a trip without, {:.2} us with: {:+.1} %",
        without.as_secs_f64() * 1e6 / f64::from(TRIPS),
        with.as_secs_f64() * 1e6 / f64::from(TRIPS),
        100.0 * (with.as_secs_f64() / without.as_secs_f64() - 1.0)
    );
    Ok(())
}

fn ping_pong() -> Duration {
    let (ping, pinged) = pipe().expect("a pipe");
    let (pong, ponged) = pipe().expect("a pipe");
    let other = thread::spawn(move || bounce(ping, ponged, false));
    let start = cpu_time();
    bounce(pong, pinged, true);
    other.join().expect("the other end ends");
    cpu_time() - start
}

fn bounce(mut from: PipeReader, mut to: PipeWriter, first: bool) {
    let mut cpus = CpuSet::new();
    cpus.set(0).and_then(|()| sched_setaffinity(Pid::from_raw(0), &cpus)).expect("CPU 0 is there");
    let mut byte = [0];
    for _ in 0..TRIPS {
        if first {
            to.write_all(&byte).expect("the other end reads");
        }
        from.read_exact(&mut byte).expect("the other end writes");
        if !first {
            to.write_all(&byte).expect("the other end reads");
        }
    }
}

#[inline(never)]
fn layer(image: u64, layer: u64) {
    probe::probe!(wattline_cost, layer, image, layer, c"conv1/7x7_s2".as_ptr());
}

fn marks(settings: MarkSettings) -> Result<Marks, EbpfError> {
    let probe = Probe {
        binary: std::env::current_exe().expect("this program has a file"),
        place: Place::Usdt {
            provider: "wattline_cost".into(),
            name: "layer".into(),
            moment: Moment::Begin,
        },
        arguments: Arguments { ids: [Some(0), Some(1)], name: Some(2) },
        cookie: 0,
    };
    Marks::attach(&[probe], Scope::Process(std::process::id()), settings)
}

/// What a probe that is hit costs its program: two numbers and a name are carried.
fn usdt() -> Result<(), EbpfError> {
    let hits = || {
        let start = cpu_time();
        (0..HITS).for_each(|image| layer(image, 3));
        cpu_time() - start
    };
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(hits());
        let _marks = marks(MarkSettings { buffer_bytes: 16 << 20 })?;
        with.push(hits());
    }
    let mean_ns = |times| median(times).as_nanos() as f64 / HITS as f64;
    let (with_ns, without_ns) = (mean_ns(with), mean_ns(without));
    println!("USDT mark  {:>8.0} ns a hit ({without_ns:.1} ns unattached)", with_ns - without_ns);
    Ok(())
}

/// For ten seconds, from as many threads as it takes, drained every five milliseconds.
fn a_million_marks_a_second() -> Result<(), EbpfError> {
    const PER_SECOND: u64 = 1_000_000;
    const SECONDS: u64 = 10;
    const THREADS: u64 = 2;
    let mut marks = marks(MarkSettings { buffer_bytes: 64 << 20 })?;
    let start = Instant::now();
    let flood = move || {
        let due = |seconds: f64| (seconds * (PER_SECOND / THREADS) as f64) as u64;
        let mut sent = 0;
        while sent < PER_SECOND / THREADS * SECONDS {
            let now = due(start.elapsed().as_secs_f64()).min(PER_SECOND / THREADS * SECONDS);
            (sent..now).for_each(|image| layer(image, 3));
            sent = sent.max(now);
        }
        start.elapsed()
    };
    let cpu_at_start = cpu_time();
    let threads: Vec<_> = (0..THREADS).map(|_| thread::spawn(flood)).collect();
    let mut received = 0;
    while threads.iter().any(|thread| !thread.is_finished()) {
        received += marks.drain(|_| ()) as u64;
        thread::sleep(Duration::from_millis(5));
    }
    let taken = threads.into_iter().map(|thread| thread.join().expect("it ends")).max();
    received += marks.drain(|_| ()) as u64;
    let cpu_seconds = (cpu_time() - cpu_at_start).as_secs_f64();
    let seconds = taken.map_or(0.0, |taken| taken.as_secs_f64());
    println!(
        "flood      {} marks sent in {seconds:.1} s ({cpu_seconds:.1} s of CPU time, sending and \
         draining), {received} received, {} dropped",
        PER_SECOND * SECONDS,
        marks.dropped()
    );
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// CPU time of this process.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("every process has that clock").into()
}
