//! Images and layers of a program that is watched from outside: from marks to spans.
//!
//! * [`Mark`]s come from probes: something began or ended on a thread.
//! * [`Nesting`] pairs them, thread by thread, and puts layers into their images. What has no
//!   partner is counted ([`Unmatched`]) and never made into a span.
//! * [`CountsAtMark`] become what the CPU's counters counted over a span ([`SpanCount`]).
//! * [`Attribution`] says on which component an image ran: where the program's threads spent most
//!   of their time meanwhile.

mod attribution;
mod counts;
mod nesting;
mod pairing;

use wattline_trace::Name;

pub use attribution::Attribution;
pub use counts::{CountsAtMark, SpanCount};
pub use nesting::{ImageSpan, LayerSpan, Nesting};
pub use pairing::Unmatched;

/// What begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// One image.
    Image,
    /// One layer of an image.
    Layer,
}

/// How a level is marked, which decides what a begin inside another means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marking {
    /// A function's entry and return: a begin inside another is recursion.
    Function,
    /// Two probes: a begin after another may also mean that the first never ended, as where an
    /// error returns early.
    Probes,
}

/// Something began or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub t_ns: u64,
    /// The process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// The CPU it ran on.
    pub cpu: u32,
    /// What.
    pub level: Level,
    /// Whether it begins; else it ends.
    pub begins: bool,
    /// What the program calls it.
    pub name: Option<Name>,
    /// What the CPU's counters said, where they are read at marks.
    pub counts: Option<CountsAtMark>,
}
