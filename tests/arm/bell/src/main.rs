//! Runs in an ARM guest and tells the emulated board outside what the guest does, so that the
//! board's power and traffic follow it.
//!
//! * `bell clock` answers what time it is here, until told that it is enough.
//! * `bell work COMPONENT IMAGES SECONDS` is a program with images that others mark: it rings for
//!   each, and keeps a CPU of that cluster busy.
//! * `bell follow COMPONENT PROGRAM ARGUMENT…` runs a program with wattline's own marks, and rings for
//!   each of its images.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use wattline_arm_bell::{CPUS, NO_MORE, PAGE, PAGE_BYTES, word};
use wattline_board::registers::RegisterWindow;
use wattline_ebpf::{Arguments, Mark, MarkSettings, Marks, Moment, Place, Probe, Scope};

fn main() -> Result<ExitCode> {
    let page = RegisterWindow::open(Path::new("/dev/mem"), PAGE, PAGE_BYTES)
        .with_context(|| format!("cannot map the page at {PAGE:#x}"))?;
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let text: Vec<&str> = arguments.iter().filter_map(|it| it.to_str()).collect();
    match text[..] {
        ["clock"] => tell_time(&page),
        ["work", component, images, seconds] => {
            let component = component.parse()?;
            keep_to(component).context("cannot keep to the cluster")?;
            work(&page, component, images.parse()?, seconds.parse()?);
            Ok(ExitCode::SUCCESS)
        }
        ["follow", component, ..] if arguments.len() > 2 => {
            follow(&page, component.parse()?, &arguments[2..])
        }
        _ => {
            bail!("usage: bell clock | work COMPONENT IMAGES SECONDS | follow COMPONENT PROGRAM …")
        }
    }
}

fn tell_time(page: &RegisterWindow) -> Result<ExitCode> {
    let mut answered = page.read(word::CLOCK_ASKED);
    page.write(word::CLOCK_ANSWERED, answered);
    loop {
        let asked = page.read(word::CLOCK_ASKED);
        if asked == NO_MORE {
            return Ok(ExitCode::SUCCESS);
        }
        if asked != answered {
            let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
            let now_ns = Duration::from(now).as_nanos() as u64;
            page.write(word::CLOCK_LOW, now_ns as u32);
            page.write(word::CLOCK_HIGH, (now_ns >> 32) as u32);
            fence(Ordering::SeqCst);
            page.write(word::CLOCK_ANSWERED, asked);
            answered = asked;
        }
        std::hint::spin_loop();
    }
}

fn begin(page: &RegisterWindow, component: u32) {
    page.write(word::AT_WORK, component + 1);
    // Nobody else writes it.
    page.write(word::IMAGES, page.read(word::IMAGES).wrapping_add(1));
}

fn end(page: &RegisterWindow) {
    page.write(word::AT_WORK, 0);
}

/// From now on this runs on the component's CPUs alone: what it draws is looked for on their rail.
fn keep_to(component: u32) -> Result<()> {
    let cpus = CPUS.get(component as usize).context("no cluster")?;
    let mut set = CpuSet::new();
    cpus.iter().try_for_each(|&cpu| set.set(cpu))?;
    sched_setaffinity(Pid::from_raw(0), &set)?;
    Ok(())
}

fn work(page: &RegisterWindow, component: u32, images: u64, seconds: f64) {
    for image in 0..images {
        work_on_image(page, component, image, seconds);
    }
    // What whoever accounts CPU time is held against.
    if let Ok(spent) = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID) {
        println!("bell: CPU time, ns: {}", Duration::from(spent).as_nanos());
    }
}

/// One image. A function that stays one, for whoever marks images by it.
#[inline(never)]
fn work_on_image(page: &RegisterWindow, component: u32, image: u64, seconds: f64) {
    image_begin(image);
    begin(page, component);
    let began = Instant::now();
    while began.elapsed().as_secs_f64() < seconds {
        std::hint::spin_loop();
    }
    end(page);
    image_end(image);
}

#[inline(never)]
fn image_begin(image: u64) {
    probe::probe!(bell, image_begin, image);
}

#[inline(never)]
fn image_end(image: u64) {
    probe::probe!(bell, image_end, image);
}

fn follow(page: &RegisterWindow, component: u32, command: &[OsString]) -> Result<ExitCode> {
    /// How often marks are looked at.
    const TURN: Duration = Duration::from_millis(1);
    let [program, arguments @ ..] = command else { bail!("no program to follow") };
    let probes = [("image_begin", Moment::Begin), ("image_end", Moment::End)];
    let probes = probes.map(|(name, moment)| Probe {
        binary: program.into(),
        place: Place::Usdt { provider: "wattline".into(), name: name.into(), moment },
        arguments: Arguments::default(),
        cookie: 0,
    });
    let settings = MarkSettings { buffer_bytes: 1 << 16 };
    let mut marks =
        Marks::attach(&probes, Scope::EveryProcess, settings).context("cannot watch for images")?;
    let mut ring = |mark: &Mark<'_>| match mark.moment {
        Moment::Begin => begin(page, component),
        Moment::End => end(page),
    };
    let mut child = Command::new(program).args(arguments).spawn().context("cannot start it")?;
    let status = loop {
        marks.drain(&mut ring);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(TURN);
    };
    marks.drain(&mut ring);
    end(page);
    Ok(ExitCode::from(status.code().map_or(1, |code| code as u8)))
}
