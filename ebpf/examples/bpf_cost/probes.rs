//! What a probe that is hit costs its program: two numbers and a name are carried.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use wattline_ebpf::{Arguments, EbpfError, MarkSettings, Marks, Moment, Place, Probe, Scope};

use crate::baseline::Baseline;
use crate::measured::{cpu_time, in_turn, quartiles, tell_ns};

const PROVIDER: &str = "wattline_cost";

/// Hits of a probe in one measurement.
const HITS: u64 = 100_000;

/// A probe as most programs have it: one byte, which has to be a breakpoint.
#[inline(never)]
fn plain(image: u64, layer: u64) {
    probe::probe!(wattline_cost, plain, image, layer, c"conv1/7x7_s2".as_ptr());
}

/// One that leaves room for a call, as those of wattline's own engine do.
#[inline(never)]
fn roomy(image: u64, layer: u64) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: nops, as many as keep what follows in one page.
    unsafe {
        std::arch::asm!(".p2align 6", options(nomem, nostack, preserves_flags));
    }
    probe::probe!(wattline_cost, roomy, image, layer, c"conv1/7x7_s2".as_ptr());
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a nop of five bytes.
    unsafe {
        std::arch::asm!(".byte 0x0f, 0x1f, 0x44, 0, 0", options(nomem, nostack, preserves_flags));
    }
}

fn marks(name: &str, settings: MarkSettings) -> Result<Marks, EbpfError> {
    let probe = Probe {
        binary: std::env::current_exe().expect("this program has a file"),
        place: Place::Usdt { provider: PROVIDER.into(), name: name.into(), moment: Moment::Begin },
        arguments: Arguments { ids: [Some(0), Some(1)], name: Some(2) },
        cookie: 0,
    };
    Marks::attach(&[probe], Scope::Process(std::process::id()), settings)
}

/// What a hit costs, beyond what calling the function does.
pub(crate) fn hits() -> Result<(), Box<dyn Error>> {
    println!("a hit of a USDT probe, in CPU time of the program that is hit:");
    for (what, name, call) in [
        ("a byte to break at", "plain", plain as fn(u64, u64)),
        ("room for a call (Linux 6.18, x86-64)", "roomy", roomy),
    ] {
        let hits = || {
            let start = cpu_time();
            (0..HITS).for_each(|image| call(image, 3));
            (cpu_time() - start).as_nanos() as f64 / HITS as f64
        };
        let [without, counts, ours] = in_turn(21, |treatment| -> Result<f64, Box<dyn Error>> {
            let (mut baseline, mut attached) = (None, None);
            match treatment {
                0 => {}
                1 => baseline = Some(Baseline::at_probe(PROVIDER, name)?),
                _ => attached = Some(marks(name, MarkSettings { buffer_bytes: 16 << 20 })?),
            }
            let ns = hits();
            drop((baseline, attached));
            Ok(ns)
        })?;
        let without = quartiles(without)[0];
        let beyond = |values: Vec<f64>| values.into_iter().map(|ns| ns - without).collect();
        tell_ns(&format!("{what}: a mark"), beyond(ours));
        tell_ns(&format!("{what}: only counted"), beyond(counts));
    }
    Ok(())
}

/// For ten seconds, from as many threads as it takes, drained every five milliseconds.
pub(crate) fn a_million_marks_a_second() -> Result<(), Box<dyn Error>> {
    for (what, name, call) in [
        ("a byte to break at", "plain", plain as fn(u64, u64)),
        ("room for a call", "roomy", roomy),
    ] {
        flood(what, marks(name, MarkSettings { buffer_bytes: 64 << 20 })?, call);
    }
    Ok(())
}

fn flood(what: &str, mut marks: Marks, call: fn(u64, u64)) {
    const PER_SECOND: u64 = 1_000_000;
    const SECONDS: u64 = 10;
    const THREADS: u64 = 2;
    let start = Instant::now();
    let send = move || {
        let due = |seconds: f64| (seconds * (PER_SECOND / THREADS) as f64) as u64;
        let mut sent = 0;
        while sent < PER_SECOND / THREADS * SECONDS {
            let now = due(start.elapsed().as_secs_f64()).min(PER_SECOND / THREADS * SECONDS);
            (sent..now).for_each(|image| call(image, 3));
            sent = sent.max(now);
        }
        start.elapsed()
    };
    let cpu_at_start = cpu_time();
    let threads: Vec<_> = (0..THREADS).map(|_| thread::spawn(send)).collect();
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
        "flood, {what}: {:.3} M marks/s for {seconds:.1} s from {THREADS} threads: {} sent, \
         {received} received, {} dropped; {cpu_seconds:.1} s of CPU time, sending and draining",
        (PER_SECOND * SECONDS) as f64 / seconds / 1e6,
        PER_SECOND * SECONDS,
        marks.dropped()
    );
}
