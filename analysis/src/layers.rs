//! The time, joules and DRAM bytes of each layer, and of each kind of layer.
//!
//! # Joules and bytes from slow sensors
//!
//! A layer takes milliseconds and a reading averages over two, or thirty-five, so that no reading
//! is of one layer. But a network runs many times, and each reading falls elsewhere in it. With
//! `x[k,l]` the part of what reading `k` looks at that layer `l` took ([`sight`]), and `P_i` idle
//! power,
//!
//! ```text
//! P[k] − P_i = Σ_l x[k,l] p[l] + error,      p ≥ 0
//! ```
//!
//! is solved for the power `p` of each layer by non-negative least squares over all readings of a
//! run, rail by rail; a layer's joules are `p[l]` times its own time. DRAM bytes come the same way
//! from the counter's differences, without lag. Only sums of products are kept, in up to 64 blocks
//! of time ([`sums`]); readings are read once.
//!
//! When a conversion ended no reading says, but for lying within a poll or a conversion before it. A
//! converter keeps its own time, though, and by some hundred readings of layers that draw unlike it shows
//! ([`clock`]): each reading then looks at a rectangle known to some microseconds.
//!
//! # What is not told apart
//!
//! Layers much shorter than a reading's window look alike to it. What readings leave open of them is taken
//! from all layers of the run: each draws as they do on average, and for the bytes that it moved, more or
//! less by as much as layers differ ([`prior`]).
//!
//! By readings alone, while a layer's power has a standard error above 5 % of it or of the run's mean power,
//! it is merged with the neighbour it looks most like, but for neighbours that differ from it by three
//! standard errors ([`merging`]); so is what looks most alike while the condition number (columns scaled to
//! length 1) exceeds 1000. Where only one group would be left, or the condition stays bad, nothing is given.
//! What layers of a group have together is measured; how they share it leans on the prior, their intervals
//! say by how much, and the group is named beside each of them.
//!
//! # Interval
//!
//! Half of it is `t · √V`, with Student's `t` for the number of blocks less one, and `V` the sum over rails
//! of
//!
//! | term | variance | from |
//! |---|---|---|
//! | blocks | of 200 fits to blocks drawn anew with replacement | noise, unknown lags, what follows from layers that differ from image to image; autocorrelation within a block |
//! | layers | in the same draws, of layers that differ from what is expected of them by as much as layers do | what readings do not tell apart |
//! | clock | in the same draws, of a clock off by its standard error | where all readings look |
//! | shared | `s² (Var(P_i) + quantisation)` | what all readings err by alike, over the layer's `s` seconds; as in the module `power` |
//! | edges | `Σ ((p[l] − p[neighbour]) · 50 µs)²` | spans are stamped to 50 µs, and power takes time to change |
//!
//! The sensor's gain is outside, as it is for images. Of 50 emulated runs of a hundred images at 454 Hz each
//! (`tests/calibration`), 93 to 100 % of intervals hold the truth; at 28 Hz, five hundred images, more.

mod clock;
mod columns;
mod course;
mod fit;
mod grid;
mod measured;
mod merging;
mod normal;
mod prior;
mod rows;
mod sight;
mod sums;
pub(crate) mod times;
pub(crate) mod watch;

pub(crate) use sight::Sight;

use wattline_trace::{FrequencyRecord, Name, Provenance};

use crate::Analysis;
use crate::recording::Recording;
use crate::refusal::Refusal;
pub(crate) use fit::Fit;

/// The layers of one run, and what readings say of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fitted {
    pub(crate) bundle: Name,
    /// The board in words; an emulated one says so.
    pub(crate) board: String,
    pub(crate) network: Name,
    pub(crate) component: Name,
    pub(crate) frequency: Option<FrequencyRecord>,
    pub(crate) provenance: Provenance,
    pub(crate) images: u64,
    /// Mean seconds of an image.
    pub(crate) image_seconds: f64,
    /// Seconds that 99 of 100 images took no longer than.
    pub(crate) slow_image_seconds: f64,
    pub(crate) layers: Vec<FittedLayer>,
    /// Joules of layers, or why they are not known.
    pub(crate) fit: Result<Fit, Refusal>,
}

/// One layer of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FittedLayer {
    pub(crate) name: Name,
    pub(crate) kind: String,
    /// Mean seconds for one image.
    pub(crate) seconds: f64,
}

/// Adds the rows of a bundle's layers, and of their kinds.
pub(crate) fn add_rows(recording: &Recording<'_>, analysis: &mut Analysis) {
    for times in &recording.layers.runs {
        rows::add(recording, times, analysis);
    }
}
