//! Whose joules are whose, while several components work at once.
//!
//! The active energy `E` of a rail over a co-execution is measured as that of any run. A rail that
//! one of its components alone lists is that component's. On a rail that several list, each
//! component `c` is expected to draw between `lo` and `hi` joules, and gets
//!
//! ```text
//! x[c] = lo[c] + t (hi[c] − lo[c]),   t in [0, 1] such that Σ x = E
//! x[c] = lo[c] · E / Σ lo             if E lies below Σ lo
//! x[c] = hi[c] · E / Σ hi             if E lies above Σ hi
//! ```
//!
//! so that shares add up to what was measured whatever was expected ([`split`]).
//!
//! # What is expected
//!
//! From the component's run alone, of the same network in the same recording, come its active
//! joules per image `e` and its active watts while busy `p`, both on this rail. In the
//! co-execution it did the work of `n` images and was busy for `b` seconds. Contention makes an
//! image take longer, `b ≥ n e / p`, and takes nothing from its work, so that its joules lie
//! between `n e` (stalled time is free) and `p b` (stalled time costs as much as work). Which of
//! the two it is depends on what the rail feeds, and that on who names it as their own, first in
//! their list ([`expectation`]):
//!
//! | rail is the own one of | a component on it | `lo` | `hi` |
//! |---|---|---|---|
//! | nobody (memory) | any: bytes per image stay | `n e` | `n e` |
//! | one of them (a cluster) | the owner: it is busy all the same | `p b` | `p b` |
//! | | another, which the cluster drives | `p` × the time when the owner rests | `p b` |
//! | several (a supply) | any | `n e`, less what driving it may have cost alone | `p b` |
//!
//! A cluster that computes itself has little more to draw for driving: what driving it costs is
//! what `E` leaves over the owner's joules.
//!
//! Where a component was not seen alone, its watts are taken from how the rail's readings follow
//! who is busy ([`regression`]); components that are busy at the same times share what they drew
//! together by busy time, and where all are, that is all of `E`.
//!
//! # Interval
//!
//! A share has the interval of the measured `E`, scaled, and on top of it (added, not in squares,
//! for it is a bound and no chance) how far it may lie off by the split: each component is held to
//! draw no less than `least` and no more than `most`, which are `min(n e, p b)` and `max(n e, p b)`
//! widened by the solo run's own interval. The least of an accelerator is lower still, by what
//! driving it may have cost while alone and costs nothing now: all of it on the rail of a cluster
//! that is busy; on a supply, which does not show it, what the most frugal cluster draws. Then
//!
//! ```text
//! max(least[c], E − Σ most[others])  ≤  x[c]  ≤  min(most[c], E − Σ least[others])
//! ```
//!
//! The bounds assume that clock frequencies were those of the solo runs.
//!
//! DRAM bytes do not change with contention: those of the co-execution are split by the solo runs'
//! bytes per image, times `n`.

pub(crate) mod busy;
mod expectation;
pub(crate) mod frames;
pub(crate) mod regression;
pub(crate) mod split;
mod steps;
pub(crate) mod work;

pub(crate) use expectation::{check, share_out, solo_run};
