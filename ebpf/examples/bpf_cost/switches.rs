//! What accounting costs at each switch of the scheduler.

use std::error::Error;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::thread;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use wattline_ebpf::{Sched, SelfMeter, Target};

use crate::baseline::Baseline;
use crate::measured::{cpu_time, in_turn, quartiles, tell_ns};

/// Round trips of one ping-pong.
const TRIPS: u32 = 10_000;

/// By the kernel's own statistics, which are kept meanwhile and are part of what they tell.
pub(crate) fn by_statistics() -> Result<(), Box<dyn Error>> {
    let [counts, looks, ours] = in_turn(21, |treatment| -> Result<f64, Box<dyn Error>> {
        if treatment < 2 {
            let _statistics = SelfMeter::start([])?;
            let baseline = Baseline::at_switches(treatment == 1)?;
            ping_pong();
            return baseline.mean_ns();
        }
        let sched = Sched::attach(Target::Tree(std::process::id()))?;
        let mut meter = SelfMeter::start(sched.programs()?)?;
        ping_pong();
        let on_switch = meter.costs()?.iter().find(|cost| cost.program == "on_switch");
        let cost = on_switch.ok_or("on_switch is metered")?;
        Ok(cost.run_ns as f64 / cost.runs as f64)
    })?;
    println!("a switch, by the kernel's statistics of a ping-pong through pipes on one CPU:");
    tell_ns("on_switch", ours);
    tell_ns("a program that only counts", counts);
    tell_ns("a program that only looks at the clock", looks);
    Ok(())
}

/// By what the ping-pong takes, with and without.
pub(crate) fn by_slowdown() -> Result<(), Box<dyn Error>> {
    let times = in_turn(61, |treatment| -> Result<f64, Box<dyn Error>> {
        let (mut sched, mut baseline) = (None, None);
        match treatment {
            0 => {}
            3 => sched = Some(Sched::attach(Target::Tree(std::process::id()))?),
            _ => baseline = Some(Baseline::at_switches(treatment == 2)?),
        }
        let us_a_trip = ping_pong();
        drop((sched, baseline));
        Ok(us_a_trip)
    })?;
    let [without, counts, looks, ours] = times;
    println!("that ping-pong, {:.2} us a trip without, is slower:", quartiles(without.clone())[0]);
    for (what, with) in [
        ("with on_switch", ours),
        ("with a program that only counts", counts),
        ("with a program that only looks at the clock", looks),
    ] {
        let slower = with.iter().zip(&without).map(|(with, without)| with / without - 1.0);
        let [median, low, high] = quartiles(slower.map(|it| 100.0 * it).collect());
        println!("  {what:<44} {median:>+6.1} %    (quartiles {low:+.1}, {high:+.1})");
    }
    Ok(())
}

/// Two threads on one CPU wake each other through pipes: the most switches there can be. Answers
/// the CPU time of a round trip, us.
fn ping_pong() -> f64 {
    let (ping, pinged) = pipe().expect("a pipe");
    let (pong, ponged) = pipe().expect("a pipe");
    let other = thread::spawn(move || bounce(ping, ponged, false));
    let start = cpu_time();
    bounce(pong, pinged, true);
    other.join().expect("the other end ends");
    (cpu_time() - start).as_secs_f64() * 1e6 / f64::from(TRIPS)
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
