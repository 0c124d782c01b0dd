//! Sustained DRAM bandwidth of a cluster.

use super::team::seconds_per_pass;
use super::{Measured, Repeats};
use crate::affinity::AffinityError;
use crate::streams::{copy, lines, read, whole_lines, write};

/// What is done to memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// Every byte is read.
    Read,
    /// Every byte is written.
    Write,
    /// Half of the bytes are read and written to the other half; both count.
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
    /// Bytes that all cores together go through in a pass.
    pub array_bytes: u64,
}

impl Bandwidth {
    /// The kernel that moves most: the slanted part of the roof.
    pub fn best(&self) -> Option<(Kernel, Measured)> {
        self.bytes_per_s.iter().copied().max_by(|a, b| a.1.median.total_cmp(&b.1.median))
    }
}

/// Measures what `cpus` together move, each through its share of `array_bytes`: at least four times
/// the last-level cache, or that is what is measured. Each [`Kernel`] is repeated, and `step` hears of
/// each repeat.
///
/// # Errors
/// If a CPU is not online.
pub fn bandwidth(
    cpus: &[u32],
    array_bytes: u64,
    repeats: Repeats,
    step: &mut dyn FnMut(),
) -> Result<Bandwidth, AffinityError> {
    let each = array_bytes.div_ceil(cpus.len().max(1) as u64);
    let mut bytes_per_s = Vec::new();
    for kernel in Kernel::ALL {
        // Pages are touched first by the core that uses them.
        let prepare = || match kernel {
            Kernel::Copy => (lines(each / 2), lines(each / 2)),
            _ => (lines(each), Vec::new()),
        };
        let moved = match kernel {
            Kernel::Copy => 2 * whole_lines(each / 2),
            _ => whole_lines(each),
        } * cpus.len() as u64;
        let job = |(one, other): &mut (Vec<_>, Vec<_>), passes: u64| {
            for _ in 0..passes {
                match kernel {
                    Kernel::Read => read(one),
                    Kernel::Write => write(one),
                    Kernel::Copy => copy(one, other),
                }
            }
        };
        let seconds = seconds_per_pass(cpus, repeats, prepare, job, step)?;
        let rates = seconds.iter().map(|seconds| moved as f64 / seconds).collect();
        bytes_per_s.extend(Measured::of(rates).map(|measured| (kernel, measured)));
    }
    Ok(Bandwidth { bytes_per_s, array_bytes: each * cpus.len() as u64 })
}
