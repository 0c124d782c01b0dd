//! From readings to joules with an interval.
//!
//! # What a reading is
//! A reading `P_k` at `t_k` is the mean power over a conversion window `w` that ended at
//! `t_k − l_k`, where the lag `l_k` lies between 0 and one polling period `p`: the converter runs
//! free, and the agent sees a fresh conversion at its next poll.
//!
//! # Integral
//! Fresh readings tile time ([`tiles`]). While `t_k − t_{k−1} ≤ 1.5 w` the reading stands for the
//! whole stretch, `E_k = P_k (t_k − t_{k−1})`, which needs no knowledge of the converter's true
//! period (an INA's oscillator is only good to 10 %). Over a longer stretch it stands for its
//! window; the hole before that is interpolated linearly between its neighbours and counted as
//! uncovered.
//!
//! # Active energy of a run
//! Idle power `P_i` is the mean of readings that lie wholly in idle gaps ([`idle`]). Because power
//! next to a run is idle power too, `∫(P − P_i)` is taken over the run expanded by `2 w + p` into
//! the gaps on either side ([`crate::timeline`]): windows that straddle an edge of the run then
//! count whole, and the edge leaves no error. Where a gap has no room for `1.5 w + p` the tile at
//! that edge is split in proportion to time, at a price in the interval.
//!
//! # Interval
//! The half-width is `t · √V` with the variance `V` of [`variance`] and Student's `t` at 97.5 %
//! and the degrees of freedom of the idle readings behind the noise.

pub(crate) mod energy;
pub(crate) mod idle;
mod lag;
pub(crate) mod moments;
pub(crate) mod rail;
pub(crate) mod reader;
pub(crate) mod student;
mod tiles;
pub(crate) mod tolerance;
pub(crate) mod variance;
