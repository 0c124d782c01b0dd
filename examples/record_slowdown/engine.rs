//! ONNX Runtime at work, image after image, in a process of its own.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// Prints of each image when it began and ended (`CLOCK_MONOTONIC`) and the CPU time it took, ns.
const PROGRAM: &str = "
import sys, time, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(sys.argv[2])
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=['CPUExecutionProvider'])
entry = session.get_inputs()[0]
image = numpy.random.default_rng(1).random(entry.shape, dtype=numpy.float32)
while True:
    start, cpu = time.monotonic_ns(), time.process_time_ns()
    session.run(None, {entry.name: image})
    end = time.monotonic_ns()
    print(start, end, time.process_time_ns() - cpu, flush=True)
";

/// One image, as the engine itself saw it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Image {
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    pub(crate) cpu_ns: u64,
}

/// The engine; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Engine {
    process: Child,
    images: Arc<Mutex<Vec<Image>>>,
}

impl Engine {
    /// Starts it on a model, with so many threads.
    pub(crate) fn start(
        python: &str,
        model: &Path,
        threads: usize,
    ) -> Result<Self, Box<dyn Error>> {
        let mut process = Command::new(python)
            .args(["-c", PROGRAM])
            .arg(model)
            .arg(threads.to_string())
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(process.stdout.take().ok_or("no stdout")?).lines();
        let images = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&images);
        std::thread::spawn(move || {
            let images = lines.map_while(Result::ok).filter_map(|line| image(&line));
            images.for_each(|image| push(&shared, image));
        });
        Ok(Engine { process, images })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The images that began and ended in an interval.
    pub(crate) fn images(&self, (start_ns, end_ns): (u64, u64)) -> Vec<Image> {
        let images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        let within = |it: &&Image| it.start_ns >= start_ns && it.end_ns <= end_ns;
        images.iter().filter(within).copied().collect()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn push(images: &Mutex<Vec<Image>>, image: Image) {
    images.lock().unwrap_or_else(PoisonError::into_inner).push(image);
}

fn image(line: &str) -> Option<Image> {
    let mut numbers = line.split(' ').map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some(Image { start_ns: next()?, end_ns: next()?, cpu_ns: next()? })
}
