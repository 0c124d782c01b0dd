//! What being recorded costs ONNX Runtime: `record_slowdown WATTLINE PYTHON [PAIRS] [IMAGES]`, as
//! root, with a Python that has `onnxruntime` 1.32.0 (`make bench-record` makes one).
//!
//! ResNet-50 runs alone and under `wattline record` in turn, sampled 450 times a second with a mark
//! at each image; the medians of pairs are compared. What sensors there are is sampled: on a
//! machine without any the sampler reads what counters there are, and wattline says so.

use std::error::Error;
use std::path::Path;
use std::process::Command;

/// Prints the median milliseconds of an image.
const PROGRAM: &str = "
import statistics, sys, time
import numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])
entry = session.get_inputs()[0]
image = numpy.random.default_rng(1).random(entry.shape, dtype=numpy.float32)
times = []
for _ in range(int(sys.argv[2]) + 2):
    start = time.perf_counter()
    session.run(None, {entry.name: image})
    times.append(1e3 * (time.perf_counter() - start))
print(statistics.median(times[2:]))
";

/// Where the function behind `InferenceSession.run` is, in the wheel 1.32.0 for x86-64.
const RUN: &str = "+0x84320";

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [wattline, python, rest @ ..] = &words[..] else {
        return Err("usage: record_slowdown WATTLINE PYTHON [PAIRS] [IMAGES]".into());
    };
    let number = |index: usize, otherwise| rest.get(index).map_or(Ok(otherwise), |it| it.parse());
    let (pairs, images) = (number(0, 7_usize)?.max(1), number(1, 50_usize)?.max(1));
    let place = std::env::temp_dir().join(format!("record-slowdown-{}", std::process::id()));
    std::fs::create_dir_all(&place)?;
    let model = place.join("resnet50.onnx");
    let mut export = Command::new(wattline);
    said(export.args(["network", "export", "resnet50", "--out"]).arg(&model))?;
    let ask = "import onnxruntime.capi.onnxruntime_pybind11_state as it; print(it.__file__)";
    let module = said(Command::new(python).args(["-c", ask]))?;
    let mark = format!("uprobe:PyInit_onnxruntime_pybind11_state@{}{RUN}", module.trim());

    let alone = || milliseconds(&mut program(Command::new(python), &model, images));
    let recorded = || {
        let mut record = Command::new(wattline);
        record.args(["record", "--board", "host", "--rate", "450", "--idle", "0.1", "--overwrite"]);
        record.arg("--out").arg(place.join("trace")).args(["--image-mark", &mark, "--", python]);
        milliseconds(&mut program(record, &model, images))
    };
    let mut slower = Vec::new();
    for pair in 0..pairs {
        // Whoever goes first finds another machine than who follows: they take turns.
        let (without, with) = if pair % 2 == 0 {
            let without = alone()?;
            (without, recorded()?)
        } else {
            let with = recorded()?;
            (alone()?, with)
        };
        let slower_pct = 100.0 * (with / without - 1.0);
        println!("pair {pair}: {without:8.3} ms alone, {with:8.3} ms recorded, {slower_pct:+.2} %");
        slower.push(slower_pct);
    }
    slower.sort_by(f64::total_cmp);
    println!("slower by {:+.2} % at the median of {pairs} pairs", slower[slower.len() / 2]);
    std::fs::remove_dir_all(&place)?;
    Ok(())
}

fn program(mut command: Command, model: &Path, images: usize) -> Command {
    command.args(["-c", PROGRAM]).arg(model).arg(images.to_string());
    command
}

fn milliseconds(command: &mut Command) -> Result<f64, Box<dyn Error>> {
    Ok(said(command)?.trim().parse()?)
}

/// What a command prints, if it succeeds.
fn said(command: &mut Command) -> Result<String, Box<dyn Error>> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}
