//! Sustained DRAM bandwidth of a cluster.

use std::ops::Range;

use super::team::seconds_per_pass;
use super::{Measured, Repeats};
use crate::affinity::AffinityError;
use crate::streams::{LINE_BYTES, Lines, copy, lines, read, whole_lines, write};

/// What is done to memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// Every byte is read.
    Read,
    /// Every byte is written.
    Write,
    /// Every byte is read, and written to another array; both count.
    Copy,
}

impl Kernel {
    /// All of them.
    pub const ALL: [Kernel; 3] = [Kernel::Read, Kernel::Write, Kernel::Copy];

    /// The word that stands in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Kernel::Read => "read",
            Kernel::Write => "write",
            Kernel::Copy => "copy",
        }
    }
}

/// Bytes a second of a cluster, with each kernel.
#[derive(Debug, Clone, PartialEq)]
pub struct Bandwidth {
    /// Of each kernel.
    pub bytes_per_s: Vec<(Kernel, Measured)>,
    /// Bytes of an array, of all cores together.
    pub array_bytes: u64,
}

impl Bandwidth {
    /// The kernel that moves most: the slanted part of the roof.
    pub fn best(&self) -> Option<(Kernel, Measured)> {
        self.bytes_per_s.iter().copied().max_by(|a, b| a.1.best.total_cmp(&b.1.best))
    }
}

/// Measures what `cpus` together move, each through its share of arrays of `array_bytes`: each array
/// at least four times all last-level caches, as STREAM asks, or those are what is measured. A copy's
/// writes go past the caches where they can, and would leave all of them to an array of half the size.
/// Each [`Kernel`] is repeated, and `step` hears of each repeat.
///
/// # Errors
/// If a CPU is not online.
pub fn bandwidth(
    cpus: &[u32],
    array_bytes: u64,
    repeats: Repeats,
    step: &mut dyn FnMut(),
) -> Result<Bandwidth, AffinityError> {
    let least = (STRETCHES * LINE_BYTES) as u64;
    let each = array_bytes.div_ceil(cpus.len().max(1) as u64).max(least);
    let mut rates = Kernel::ALL.map(|kernel| (kernel, Vec::new()));
    for sweep in 0..Repeats::SWEEPS as u64 {
        // What the sweep before gave back is what a new array would be given: this one takes it.
        let _taken = lines(sweep * 2 * array_bytes);
        for (kernel, rates) in &mut rates {
            // Pages are touched first by the core that uses them.
            let prepare = || match kernel {
                Kernel::Copy => Stretches::of(lines(each), lines(each)),
                _ => Stretches::of(lines(each), Lines::none()),
            };
            let arrays = if *kernel == Kernel::Copy { 2 } else { 1 };
            let moved = arrays * stretch_bytes(each) * cpus.len() as u64;
            let job = |memory: &mut Stretches, passes: u64| {
                for _ in 0..passes {
                    let stretch = memory.next();
                    match kernel {
                        Kernel::Read => read(&memory.one[stretch]),
                        Kernel::Write => write(&mut memory.one[stretch]),
                        Kernel::Copy => {
                            copy(&memory.one[stretch.clone()], &mut memory.other[stretch])
                        }
                    }
                }
            };
            let seconds = seconds_per_pass(cpus, repeats.of_a_sweep(), prepare, job, step)?;
            rates.extend(seconds.iter().map(|seconds| moved as f64 / seconds));
        }
    }
    let measured = |(kernel, rates)| Some((kernel, Measured::of(rates)?));
    let bytes_per_s = rates.into_iter().filter_map(measured).collect();
    Ok(Bandwidth { bytes_per_s, array_bytes: each * cpus.len() as u64 })
}

/// Parts of an array that are gone through one after another and then anew. All of it lies between
/// two visits to one, so none is found in a cache; and a repeat can be shorter than the array.
const STRETCHES: usize = 16;

/// Bytes of a stretch of an array of `bytes`.
fn stretch_bytes(bytes: u64) -> u64 {
    whole_lines(bytes) / LINE_BYTES as u64 / STRETCHES as u64 * LINE_BYTES as u64
}

/// A core's memory, in stretches.
struct Stretches {
    one: Lines,
    other: Lines,
    at: usize,
}

impl Stretches {
    fn of(one: Lines, other: Lines) -> Self {
        Self { one, other, at: 0 }
    }

    /// The lines of the stretch whose turn it is.
    fn next(&mut self) -> Range<usize> {
        let len = self.one.len() / STRETCHES;
        let start = self.at % STRETCHES * len;
        self.at += 1;
        start..start + len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turn by turn the whole array but for an odd rest, as many bytes each time as are counted.
    #[test]
    fn stretches_make_up_the_array() {
        for bytes in [64, 1024, 4096, 1_000_000] {
            let mut memory = Stretches::of(lines(bytes), Lines::none());
            for turn in 0..3 * STRETCHES {
                let stretch = memory.next();
                assert_eq!((stretch.len() * LINE_BYTES) as u64, stretch_bytes(bytes));
                assert_eq!(stretch.start, turn % STRETCHES * stretch.len());
                assert!(stretch.end <= memory.one.len());
            }
        }
    }
}
