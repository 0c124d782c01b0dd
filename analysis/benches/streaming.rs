//! How fast a long recording is read, in how much memory, and beside data-frame libraries.
//!
//! `make bench-analysis`, or `cargo bench -p wattline-analysis --bench streaming -- [KEY=VALUE]…`
//! with `rows=100000000`, `spans=100000`, `others=pandas,polars,duckdb`, `others_rows=10000000`,
//! `rounds=3`, `python=PYTHON`.
//!
//! A recording of four rails is made, with the given number of readings and of image spans. Then
//! [`analyze`] reads it, in a process of its own whose most resident memory is looked at; the rate
//! counts readings alone, though spans are read too. Beside the others both read a shorter
//! recording, in turn, on one core: the others read the same two files into their own tables and
//! give each rail's joules in each image (`streaming.py`), which is less than an analysis is.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use wattline_analysis::{Options, analyze};
use wattline_trace::rows::{PowerRow, SpanKind, SpanRow};
use wattline_trace::{
    BoardRecord, BundleWriter, ClockKind, ClockRecord, ComponentRecord, Manifest, Name, Outcome,
    Provenance, RailRecord, SCHEMA_VERSION,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const RAILS: [&str; 4] = ["VDD_ARM", "VDD_MEM", "VDD_G3D", "VDD_KFC"];

/// An INA231 as the Odroid XU3 has it set: 2.2 ms a conversion.
const WINDOW_NS: u64 = 2_200_000;

/// The first reading, and the time without work around the images.
const IDLE_NS: u64 = 2_000_000_000;

fn main() -> Result<()> {
    let words: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let option = |key: &str, default: &str| {
        let mut values = words.iter().filter_map(|word| word.split_once('='));
        values.find(|(name, _)| *name == key).map_or(default, |(_, value)| value).to_owned()
    };
    if let Some(directory) = words.first().and_then(|word| word.strip_prefix("analyze=")) {
        return analyze_and_tell(Path::new(directory));
    }
    let (rows, spans): (u64, u64) =
        (option("rows", "100000000").parse()?, option("spans", "100000").parse()?);
    if let Some(directory) = words.first().and_then(|word| word.strip_prefix("make=")) {
        write_bundle(Path::new(directory), rows, spans)?;
        return Ok(());
    }
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;

    let long = place.path().join("long");
    let bytes = write_bundle(&long, rows, spans)?;
    println!("{rows} readings of {} rails, {spans} images, {:.2} GB", RAILS.len(), bytes * 1e-9);
    let told = ours(&long)?;
    println!(
        "wattline analyze  {:8.2} s  {:6.2} M rows/s  {:4.0} MB/s  {:4.0} MB resident at most",
        told.seconds,
        rows as f64 / told.seconds * 1e-6,
        bytes / told.seconds * 1e-6,
        told.peak_megabytes
    );
    std::fs::remove_dir_all(&long)?;

    let others = option("others", "");
    if others.is_empty() {
        return Ok(());
    }
    let (rows, rounds): (u64, usize) =
        (option("others_rows", "10000000").parse()?, option("rounds", "3").parse()?);
    let short = place.path().join("short");
    write_bundle(&short, rows, spans.min(rows / 100))?;
    let python = option("python", "python3");
    println!("\n{rows} readings on one core: M rows/s, and how many times as fast wattline is");
    for other in others.split(',') {
        let mut ratios = Vec::new();
        let mut rate = 0.0;
        for _ in 0..rounds {
            let theirs = theirs(&python, other, &short)?;
            let ours = ours(&short)?;
            rate = rows as f64 / theirs.seconds * 1e-6;
            ratios.push(theirs.seconds / ours.seconds);
            let off = theirs.joules / ours.joules - 1.0;
            if off.abs() > 1e-3 {
                return Err(
                    format!("{other} gives {} J, not {} J", theirs.joules, ours.joules).into()
                );
            }
        }
        ratios.sort_by(f64::total_cmp);
        println!("{other:<10} {rate:8.2} {:8.2} (median of {rounds})", ratios[rounds / 2]);
    }
    Ok(())
}

/// What an analysis took and came to.
struct Told {
    seconds: f64,
    peak_megabytes: f64,
    /// Of all rails, idle power included, while images ran.
    joules: f64,
}

/// `SECONDS PEAK_MEGABYTES JOULES`, as a program prints them, bound to one core.
fn told(command: &mut Command) -> Result<Told> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> =
        text.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?;
    let [seconds, peak_megabytes, joules] = numbers[..] else {
        return Err(format!("expected three numbers: {text}").into());
    };
    Ok(Told { seconds, peak_megabytes, joules })
}

fn on_one_core(program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "0", program]);
    command
}

fn ours(bundle: &Path) -> Result<Told> {
    let own = std::env::current_exe()?;
    let own = own.to_str().ok_or("this program's path is not UTF-8")?;
    told(on_one_core(own).arg(format!("analyze={}", bundle.display())))
}

fn theirs(python: &str, library: &str, bundle: &Path) -> Result<Told> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/streaming.py");
    told(on_one_core(python).arg(script).arg(library).arg(bundle))
}

fn analyze_and_tell(bundle: &Path) -> Result<()> {
    let start = Instant::now();
    let analysis = analyze(&[bundle.to_owned()], &Options::default())?;
    let seconds = start.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let peak_kilobytes: f64 = peak.trim().trim_end_matches(" kB").parse()?;
    let joules: Option<f64> = analysis.energy.iter().map(|row| row.integral_joules).sum();
    let joules = joules.ok_or("an energy is missing")?;
    println!("{seconds} {} {joules}", peak_kilobytes / 1024.0);
    Ok(())
}

/// Writes a recording, and answers the bytes of its readings.
fn write_bundle(directory: &Path, rows: u64, images: u64) -> Result<f64> {
    let manifest = manifest();
    let bundle = BundleWriter::create(directory, &manifest, false)?;
    let (power, spans) = (bundle.table::<PowerRow>()?, bundle.table::<SpanRow>()?);
    let ticks = rows / RAILS.len() as u64;
    let work = (IDLE_NS, (ticks * WINDOW_NS).saturating_sub(IDLE_NS));
    let rails = RAILS.map(Name::from);
    for tick in 1..=ticks {
        let t_ns = tick * WINDOW_NS;
        let busy = work.0 < t_ns && t_ns <= work.1;
        for (place, rail) in rails.iter().enumerate() {
            // Readings in the chip's steps, that vary like noise, and are alike in every run.
            let noise = (tick.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 59) + place as u64;
            let amps = 0.001 * (noise + if busy { 1200 } else { 150 }) as f64;
            let volts = 0.00125 * (800 + noise % 4) as f64;
            // As the agent writes it: many are of 17 digits.
            let watts = volts * amps;
            let t_ns = t_ns + 30_000 * place as u64;
            let rail = rail.clone();
            power.write(&PowerRow { t_ns, rail, volts, amps, watts, window_ns: WINDOW_NS })?;
        }
    }
    let each = (work.1 - work.0) / images;
    let row = |id, parent, kind, image, start_ns, end_ns, of_images| SpanRow {
        id,
        parent,
        kind,
        name: "squeezenet".into(),
        component: "board".into(),
        image,
        start_ns,
        end_ns,
        flops: Some(of_images * 1_700_000_000),
        bytes_theoretical: Some(of_images * 20_000_000),
    };
    for image in 0..images {
        let start = work.0 + image * each;
        spans.write(&row(
            image + 2,
            Some(1),
            SpanKind::Image,
            Some(image),
            start,
            start + each,
            1,
        ))?;
    }
    spans.write(&row(1, None, SpanKind::Run, None, work.0, work.0 + images * each, images))?;
    bundle.finish(manifest, Outcome::Completed)?;
    Ok(std::fs::metadata(directory.join("power.csv"))?.len() as f64)
}

fn manifest() -> Manifest {
    let rail = |name: &&str| RailRecord {
        name: (*name).to_owned(),
        sensor: "ina231".to_owned(),
        path: PathBuf::from("/sys/class/hwmon/hwmon0").display().to_string(),
        window_ns: WINDOW_NS,
        volts_step: 0.00125,
        amps_step: 0.001,
        inside: None,
        tolerance: None,
        provenance: Provenance::Measured,
    };
    Manifest {
        schema: SCHEMA_VERSION,
        wattline: env!("CARGO_PKG_VERSION").to_owned(),
        board: BoardRecord {
            name: "long".to_owned(),
            model: "none".to_owned(),
            emulated: true,
            unit: None,
        },
        kernel: "none".to_owned(),
        command: Vec::new(),
        clock: ClockRecord { kind: ClockKind::Virtual, utc_offset_ns: 0 },
        seed: 0,
        rails: RAILS.iter().map(rail).collect(),
        counters: Vec::new(),
        hardware_counters: Vec::new(),
        dram_source: None,
        components: vec![ComponentRecord {
            name: "board".to_owned(),
            kind: "cpu".to_owned(),
            executor: "none".to_owned(),
            rails: RAILS.map(str::to_owned).to_vec(),
            threads: None,
            cpus: vec![],
            peak_flops_per_s: None,
            bandwidth_bytes_per_s: None,
            provenance: Provenance::Measured,
            frequency: None,
            stand_in: None,
        }],
        models: Vec::new(),
        coexecution: None,
        inputs: None,
        complete: true,
        interrupted: false,
        failure: None,
        dither: None,
    }
}
