//! What being recorded costs ONNX Runtime: `record_slowdown WATTLINE PYTHON [ROUNDS] [SECONDS]
//! [THREADS]`, as root, with a Python 3.11 for x86-64 that has `onnxruntime` 1.32.0 (`make
//! bench-record` makes one).
//!
//! One process computes ResNet-50 without end, on one thread and then on two (or on THREADS), and
//! says how long each image took. In each round, in random order, it is left alone, watched by
//! `wattline record --pid` with a mark at each image and each node, and disturbed by two loops under
//! SCHED_FIFO: one does nothing but wake 450 times a second, the other reads the same sensors each
//! time. Nobody who reads sensors as often can do without what they do. Medians of the rounds are
//! compared within a round. Where the engine has a thread on every CPU, each wake-up holds one of
//! them up and the others wait for it.
//!
//! The sensors are four INA231 as files, bound over `/sys/class` in a mount namespace of the
//! reader's own; a read is a system call on a file, as on a board, but waits for no bus.

mod engine;

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use engine::Engine;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};
use rand::seq::SliceRandom;

type Answer<T> = Result<T, Box<dyn Error>>;

/// Where the functions are that run a session, and one node of it, in the wheel 1.32.0.
const RUN: &str = "+0x84320";
const EXECUTE_KERNEL: &str = "+0xc32a60";

const RAILS: usize = 4;
/// The files of a rail that are read.
const READ: [&str; 2] = ["in1_input", "curr1_input"];
const RATE_HZ: u64 = 450;

/// Says that this very program is to be a loop.
const LOOP: &str = "--wake";

/// A way to treat the engine.
#[derive(Debug, Clone, Copy)]
enum Treatment {
    Alone,
    /// Woken beside it, to read the sensors or for nothing.
    Woken {
        reading: bool,
    },
    Recorded,
}

const TREATMENTS: [Treatment; 4] = [
    Treatment::Alone,
    Treatment::Woken { reading: false },
    Treatment::Woken { reading: true },
    Treatment::Recorded,
];

/// What is compared: a treatment with another, by their places in [`TREATMENTS`].
const PAIRS: [(&str, usize, usize); 4] =
    [("woken", 1, 0), ("sensors read", 2, 0), ("recorded", 3, 0), ("beyond the reading", 3, 2)];

fn main() -> Answer<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match &words[..] {
        [flag, seconds, files @ ..] if flag == LOOP => wake(seconds.parse()?, files),
        [wattline, python, rest @ ..] => {
            let number = |at: usize, otherwise| rest.get(at).map_or(Ok(otherwise), |it| it.parse());
            let (rounds, seconds) = (number(0, 15)?.max(1), number(1, 4)?.max(2));
            let threads = rest.get(2).map(|it| it.parse()).transpose()?;
            let bench = Bench::prepare(wattline, python, seconds)?;
            let all = threads.map_or(vec![1, 2], |it: usize| vec![it]);
            let measured = all.into_iter().try_for_each(|it| bench.compare(it, rounds));
            fs::remove_dir_all(&bench.place)?;
            measured
        }
        _ => Err("usage: record_slowdown WATTLINE PYTHON [ROUNDS] [SECONDS] [THREADS]".into()),
    }
}

#[derive(Debug)]
struct Bench {
    wattline: String,
    python: String,
    /// Symbol and library that offsets are counted from.
    symbol: String,
    place: PathBuf,
    seconds: u64,
}

/// How images went while the engine was treated in one way.
#[derive(Debug)]
struct Stretch {
    median_ms: f64,
    median_cpu_ms: f64,
}

/// What a recording says of itself.
#[derive(Debug)]
struct Recording {
    interval: (u64, u64),
    images: usize,
    layers: usize,
    readings_per_s: f64,
    agent_pct: f64,
}

impl Bench {
    fn prepare(wattline: &str, python: &str, seconds: u64) -> Answer<Self> {
        let place = std::env::temp_dir().join(format!("record-slowdown-{}", std::process::id()));
        for rail in 0..RAILS {
            let chip = place.join(format!("class/hwmon/hwmon{rail}"));
            fs::create_dir_all(&chip)?;
            for (file, content) in [
                ("name", "ina231"),
                ("in1_input", "1012"),
                ("curr1_input", "1234"),
                ("power1_input", "1250000"),
                ("update_interval", "2"),
                ("shunt_resistor", "10000"),
            ] {
                fs::write(chip.join(file), format!("{content}\n"))?;
            }
        }
        let model = place.join("resnet50.onnx");
        said(Command::new(wattline).args(["network", "export", "resnet50", "--out"]).arg(model))?;
        let ask = "import onnxruntime.capi.onnxruntime_pybind11_state as it; print(it.__file__)";
        let module = said(Command::new(python).args(["-c", ask]))?;
        let symbol = format!("uprobe:PyInit_onnxruntime_pybind11_state@{}", module.trim());
        let (wattline, python) = (wattline.to_owned(), python.to_owned());
        Ok(Bench { wattline, python, symbol, place, seconds })
    }

    fn compare(&self, threads: usize, rounds: u64) -> Answer<()> {
        let engine = Engine::start(&self.python, &self.place.join("resnet50.onnx"), threads)?;
        sleep(Duration::from_secs(4));
        let mut slower = PAIRS.map(|_| (Vec::new(), Vec::new()));
        let mut last = None;
        for _ in 0..rounds {
            let mut order: Vec<usize> = (0..TREATMENTS.len()).collect();
            order.shuffle(&mut rand::rng());
            let mut stretches = TREATMENTS.map(|_| None);
            for treatment in order {
                let interval = match TREATMENTS[treatment] {
                    Treatment::Alone => during(|| {
                        sleep(Duration::from_secs(self.seconds));
                        Ok(())
                    })?,
                    Treatment::Woken { reading } => during(|| self.disturb(reading))?,
                    Treatment::Recorded => {
                        let recording = self.record(&engine)?;
                        let interval = recording.interval;
                        last = Some(recording);
                        interval
                    }
                };
                stretches[treatment] = Some(stretch(&engine, interval)?);
            }
            for (slower, (_, with, without)) in slower.iter_mut().zip(PAIRS) {
                let (Some(with), Some(without)) = (&stretches[with], &stretches[without]) else {
                    continue;
                };
                slower.0.push(100.0 * (with.median_ms / without.median_ms - 1.0));
                slower.1.push(100.0 * (with.median_cpu_ms / without.median_cpu_ms - 1.0));
            }
        }
        let it = last.ok_or("nothing was recorded")?;
        println!(
            "{threads} thread(s), {rounds} rounds: {} layers in {} images of the last recording, \
             {:.0} readings/s of {RAILS} rails, agent {:.2} % of a core",
            it.layers, it.images, it.readings_per_s, it.agent_pct
        );
        for ((what, ..), (wall, cpu)) in PAIRS.iter().zip(slower) {
            println!("  {what:<18} slower by {}", spread(wall));
            println!("  {:<18} its own CPU time {}", "", spread(cpu));
        }
        Ok(())
    }

    /// Wakes, reads the sensors or does not, and does nothing else.
    fn disturb(&self, reading: bool) -> Answer<()> {
        let mut command = Command::new("chrt");
        command.args(["--fifo", "50"]).arg(std::env::current_exe()?).arg(LOOP);
        command.arg(self.seconds.to_string());
        for rail in (0..RAILS).filter(|_| reading) {
            let chip = self.place.join(format!("class/hwmon/hwmon{rail}"));
            command.args(READ.map(|file| chip.join(file)));
        }
        said(&mut command).map(drop)
    }

    fn record(&self, engine: &Engine) -> Answer<Recording> {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", "mount --bind \"$0\" /sys/class && exec \"$@\""]);
        command.arg(self.place.join("class")).arg(&self.wattline);
        command.args(["record", "--board", "host", "--idle", "0", "--overwrite"]);
        command.args(["--duration", &self.seconds.to_string(), "--pid", &engine.pid().to_string()]);
        command.args(["--rate", &RATE_HZ.to_string()]);
        command.args(["--image-mark", &format!("{}{RUN}", self.symbol)]);
        command.args(["--layer-mark", &format!("{}{EXECUTE_KERNEL}", self.symbol)]);
        let trace = self.place.join("trace");
        said(command.arg("--out").arg(&trace))?;
        let spans = rows(&trace.join("spans.csv"))?;
        let of_kind = |kind: &str| spans.iter().filter(|row| row["kind"] == kind).count();
        let images = spans.iter().filter(|row| row["kind"] == "image");
        let (mut first, mut last) = (u64::MAX, 0);
        for image in images {
            first = first.min(image["start_ns"].parse()?);
            last = last.max(image["end_ns"].parse()?);
        }
        let agent = rows(&trace.join("agent.csv"))?;
        let [from, .., to] = &agent[..] else { return Err("too short a recording".into()) };
        let grown = |column: &str| -> Answer<f64> {
            Ok(to[column].parse::<f64>()? - from[column].parse::<f64>()?)
        };
        // The engine looks at the clock a little earlier and later than the probes are hit.
        const SLACK_NS: u64 = 1_000_000;
        Ok(Recording {
            interval: (first.saturating_sub(SLACK_NS), last + SLACK_NS),
            images: of_kind("image"),
            layers: of_kind("layer"),
            readings_per_s: 1e9 * rows(&trace.join("power.csv"))?.len() as f64 / grown("t_ns")?,
            agent_pct: 100.0 * grown("cpu_ns")? / grown("t_ns")?,
        })
    }
}

/// The loop: what anybody does who reads these files as often.
fn wake(seconds: u64, files: &[String]) -> Answer<()> {
    use std::os::unix::fs::FileExt;
    let files: Vec<fs::File> = files.iter().map(fs::File::open).collect::<Result<_, _>>()?;
    let start = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?);
    let mut text = [0; 64];
    for period in 1..=seconds * RATE_HZ {
        let deadline = start + Duration::from_nanos(period * 1_000_000_000 / RATE_HZ);
        let absolute = ClockNanosleepFlags::TIMER_ABSTIME;
        clock_nanosleep(ClockId::CLOCK_MONOTONIC, absolute, &deadline.into())?;
        for file in &files {
            file.read_at(&mut text, 0)?;
        }
    }
    Ok(())
}

/// The interval that something took.
fn during(action: impl FnOnce() -> Answer<()>) -> Answer<(u64, u64)> {
    let now_ns = || -> Answer<u64> {
        Ok(Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?).as_nanos() as u64)
    };
    let start_ns = now_ns()?;
    action()?;
    Ok((start_ns, now_ns()?))
}

fn stretch(engine: &Engine, interval: (u64, u64)) -> Answer<Stretch> {
    let images = engine.images(interval);
    if images.is_empty() {
        return Err("no image was computed: give it more SECONDS".into());
    }
    let wall = images.iter().map(|it| (it.end_ns - it.start_ns) as f64 / 1e6).collect();
    let cpu = images.iter().map(|it| it.cpu_ns as f64 / 1e6).collect();
    Ok(Stretch { median_ms: quantile(wall, 0.5), median_cpu_ms: quantile(cpu, 0.5) })
}

/// The median, the 95 % interval of it by ranks (binomial, in its normal approximation), and the
/// quartiles.
fn spread(values: Vec<f64>) -> String {
    let at = |share: f64| quantile(values.clone(), share.clamp(0.0, 1.0));
    let reach = 0.98 / (values.len() as f64).sqrt();
    format!(
        "{:+.2} % (95 % interval {:+.2} to {:+.2}; quartiles {:+.2}, {:+.2})",
        at(0.5),
        at(0.5 - reach),
        at(0.5 + reach),
        at(0.25),
        at(0.75)
    )
}

fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}

/// A table, each row by its columns' names.
fn rows(path: &Path) -> Answer<Vec<HashMap<String, String>>> {
    let mut table = csv::Reader::from_path(path)?;
    Ok(table.deserialize().collect::<Result<_, _>>()?)
}

/// What a command prints, if it succeeds.
fn said(command: &mut Command) -> Answer<String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}
