//! Other inference engines, as Python wheels in an environment of our own, to compare with.
//!
//! Shared by the numerics test and the benchmark.

mod environment;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use wattline_inference::Tensor;

pub(crate) use environment::{Result, scratch};

/// Where these files are.
fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("engines")
}

/// A Python environment with what `requirements` (a file beside this one) pins.
///
/// # Errors
///
/// As [`environment::made_of`].
pub(crate) fn environment(requirements: &str) -> Result<PathBuf> {
    environment::made_of(&here().join(requirements))
}

/// An engine with a network loaded, in a process of its own.
#[derive(Debug)]
pub(crate) struct Engine {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    files: PathBuf,
}

impl Engine {
    /// `name` (see `serve.py`) with the network in the file `model`, on `threads` threads.
    ///
    /// # Errors
    ///
    /// When the engine or its converter refuses the network.
    pub(crate) fn open(python: &Path, name: &str, model: &Path, threads: usize) -> Result<Self> {
        let files = model.with_extension(format!("{name}-{threads}"));
        fs::create_dir_all(&files)?;
        // A file, as a pipe that nobody reads would fill.
        let log = files.join("log");
        let mut process = Command::new(python)
            .arg(here().join("serve.py"))
            .args([name.as_ref(), model.as_os_str(), threads.to_string().as_ref()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(fs::File::create(&log)?))
            .spawn()?;
        let (to, from) = (process.stdin.take(), process.stdout.take());
        let (to, from) = (to.ok_or("no stdin")?, BufReader::new(from.ok_or("no stdout")?));
        let mut engine = Self { process, to, from, files };
        engine.answer()?;
        Ok(engine)
    }

    /// The result of one image, in channel, row, column order.
    ///
    /// # Errors
    ///
    /// When the engine fails.
    pub(crate) fn run(&mut self, image: &Tensor) -> Result<Vec<f32>> {
        let (input, output) = (self.files.join("image"), self.files.join("result"));
        let bytes: Vec<_> = image.values().iter().flat_map(|value| value.to_le_bytes()).collect();
        fs::write(&input, bytes)?;
        self.ask(&format!("run {} {}", input.display(), output.display()))?;
        let bytes = fs::read(&output)?;
        let number = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        Ok(bytes.chunks_exact(4).map(number).collect())
    }

    /// Seconds for `images` runs of the last image.
    ///
    /// # Errors
    ///
    /// When the engine fails.
    #[allow(dead_code, reason = "the numerics test does not time")]
    pub(crate) fn seconds(&mut self, images: usize) -> Result<f64> {
        Ok(self.ask(&format!("time {images}"))?.parse()?)
    }

    fn ask(&mut self, command: &str) -> Result<String> {
        writeln!(self.to, "{command}")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.from.read_line(&mut line)? > 0 {
            return Ok(line.trim().to_owned());
        }
        let said = fs::read_to_string(self.files.join("log"))?;
        Err(format!("the engine ended: {said}").into())
    }
}

/// Ends the engine's process.
impl Drop for Engine {
    fn drop(&mut self) {
        // It may have ended by itself; either way it must not stay behind.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
