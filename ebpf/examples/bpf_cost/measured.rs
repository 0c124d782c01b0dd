//! What each of the programs costs.

use std::error::Error;
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

use crate::baseline::Baseline;

type Answer = Result<(), Box<dyn Error>>;

/// Round trips of one ping-pong.
const TRIPS: u32 = 10_000;

/// Times that each is measured with and without.
const ROUNDS: usize = 11;

/// Hits of a probe in one measurement.
const HITS: u64 = 100_000;

pub(crate) fn everything() -> Answer {
    switches()?;
    slowdown()?;
    usdt()?;
    a_million_marks_a_second()
}

fn myself() -> Target {
    Target::Tree(std::process::id())
}

/// Two threads on one CPU wake each other through pipes: the most switches there can be.
fn switches() -> Answer {
    let (mut ours_ns, mut least_ns, mut clock_ns) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (reads_clock, means_ns) in [(false, &mut least_ns), (true, &mut clock_ns)] {
            let _statistics = SelfMeter::start([])?;
            let baseline = Baseline::at_switches(reads_clock)?;
            ping_pong();
            means_ns.push(baseline.mean_ns()?);
        }
        let sched = Sched::attach(myself())?;
        let mut meter = SelfMeter::start(sched.programs()?)?;
        ping_pong();
        let on_switch = meter.costs()?.iter().find(|cost| cost.program == "on_switch");
        let cost = on_switch.ok_or("on_switch is metered")?;
        ours_ns.push(cost.run_ns as f64 / cost.runs as f64);
    }
    beside("on_switch", ours_ns, least_ns);
    println!("           {:>6.0} ns, one that only looks at the clock", median(clock_ns));
    Ok(())
}

/// The same, with and without.
fn slowdown() -> Answer {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(ping_pong());
        let _sched = Sched::attach(myself())?;
        with.push(ping_pong());
    }
    let us_a_trip = |times: Vec<Duration>| {
        let trips = times.into_iter().map(|time| time.as_secs_f64() * 1e6 / f64::from(TRIPS));
        median(trips.collect())
    };
    let (with, without) = (us_a_trip(with), us_a_trip(without));
    let slower_pct = 100.0 * (with / without - 1.0);
    println!("ping-pong  {without:>6.2} us a trip without, {with:.2} us with: {slower_pct:+.1} %");
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
fn usdt() -> Answer {
    let hits = || {
        let start = cpu_time();
        (0..HITS).for_each(|image| layer(image, 3));
        (cpu_time() - start).as_nanos() as f64 / HITS as f64
    };
    let (mut ours_ns, mut least_ns) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let without_ns = hits();
        {
            let _baseline = Baseline::at_probe("wattline_cost", "layer")?;
            least_ns.push(hits() - without_ns);
        }
        let _marks = marks(MarkSettings { buffer_bytes: 16 << 20 })?;
        ours_ns.push(hits() - without_ns);
    }
    beside("USDT mark", ours_ns, least_ns);
    Ok(())
}

/// For ten seconds, from as many threads as it takes, drained every five milliseconds.
fn a_million_marks_a_second() -> Answer {
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
        "flood      {:.3} M marks/s for {seconds:.1} s from {THREADS} threads: {} sent, {received} \
         received, {} dropped; {cpu_seconds:.1} s of CPU time, sending and draining",
        (PER_SECOND * SECONDS) as f64 / seconds / 1e6,
        PER_SECOND * SECONDS,
        marks.dropped()
    );
    Ok(())
}

/// Prints two costs of one thing: their medians over the rounds, and the median of their ratios.
fn beside(name: &str, ours_ns: Vec<f64>, least_ns: Vec<f64>) {
    let ratio = median(ours_ns.iter().zip(&least_ns).map(|(ours, least)| ours / least).collect());
    let (ours_ns, least_ns) = (median(ours_ns), median(least_ns));
    println!(
        "{name:<10} {ours_ns:>6.0} ns, one that only counts {least_ns:.0} ns: {ratio:.2} times"
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// CPU time of this process.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("every process has that clock").into()
}
