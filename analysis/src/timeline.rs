//! When the board worked and when it idled.
//!
//! Runs that overlap in time, preparations for them, and stray work, are merged into *blocks*; between
//! blocks lie *gaps*.
//! Power in a gap is idle power, save where the gap may hide work that never reached
//! `spans.csv`: next to a run that was cut off, and after the last run of a recording that broke
//! off. Such a gap is not trusted: it gives no idle reading and flanks no run.

use crate::spans::Spans;

/// A stretch of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Indices of the runs in it.
    pub(crate) runs: Vec<usize>,
    /// Whether its two ends are those of the work.
    whole: bool,
    /// Whether it holds layers that belong to no run.
    pub(crate) stray: bool,
}

/// An interval that an energy or a traffic count is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Whether the start lies in idle time, far enough from the block.
    pub(crate) flanked_before: bool,
    /// Whether the end does.
    pub(crate) flanked_after: bool,
}

/// Blocks and gaps of one recording.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    blocks: Vec<Block>,
    /// Whether work may follow the last block that no span tells of.
    tail_unknown: bool,
}

impl Timeline {
    pub(crate) fn new(spans: &Spans, tail_unknown: bool) -> Self {
        let runs = spans.runs.iter().enumerate().map(|(index, run)| Block {
            start: run.start,
            end: run.end,
            runs: vec![index],
            whole: run.whole,
            stray: false,
        });
        let stray = spans.stray.iter().map(|&(start, end)| Block {
            start,
            end,
            runs: vec![],
            whole: false,
            stray: true,
        });
        let preparations = spans.preparations.iter().map(|&(start, end)| Block {
            start,
            end,
            runs: vec![],
            whole: true,
            stray: false,
        });
        let mut pieces: Vec<Block> = runs.chain(preparations).chain(stray).collect();
        pieces.sort_by(|a, b| (a.start, a.end, &a.runs).cmp(&(b.start, b.end, &b.runs)));
        let mut blocks: Vec<Block> = Vec::new();
        for piece in pieces {
            match blocks.last_mut().filter(|block| piece.start < block.end) {
                Some(block) => block.merge(piece),
                None => blocks.push(piece),
            }
        }
        Timeline { blocks, tail_unknown }
    }

    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The gap before block `index` (after the last block, for `index` = number of blocks): its
    /// ends, if it is trusted. The first gap starts at 0 and the last ends at `u64::MAX`.
    pub(crate) fn gap(&self, index: usize) -> Option<(u64, u64)> {
        let before = index.checked_sub(1).and_then(|index| self.blocks.get(index));
        let after = self.blocks.get(index);
        let known = before.is_none_or(|block| block.whole)
            && after.is_none_or(|block| block.whole)
            && !(after.is_none() && self.tail_unknown);
        let from = before.map_or(0, |block| block.end);
        let to = after.map_or(u64::MAX, |block| block.start);
        known.then_some((from, to))
    }

    /// Block `index`, expanded on either side into idle time by `want`, bounded by half the gap;
    /// not expanded on a side where that bound lies below `need`.
    pub(crate) fn expanded(&self, index: usize, need: u64, want: u64) -> Stretch {
        let block = &self.blocks[index];
        let before = self.reach(index, need, want);
        let after = self.reach(index + 1, need, want);
        Stretch {
            from: block.start.saturating_sub(before.unwrap_or(0)),
            to: block.end.saturating_add(after.unwrap_or(0)),
            flanked_before: before.is_some(),
            flanked_after: after.is_some(),
        }
    }

    /// How far an interval may reach into a gap.
    fn reach(&self, gap: usize, need: u64, want: u64) -> Option<u64> {
        let (from, to) = self.gap(gap)?;
        let inner = gap > 0 && gap < self.blocks.len();
        let room = if inner { (to - from) / 2 } else { u64::MAX };
        (room >= need).then_some(room.min(want.max(need)))
    }

    /// The middle of each trusted gap, away from work by `margin` or, in a gap between two blocks
    /// too short for that and a reading that reaches back by `reach`, by a quarter of what is left.
    pub(crate) fn idle(&self, margin: u64, reach: u64) -> Vec<(u64, u64)> {
        let gaps = (0..=self.blocks.len()).filter_map(|index| {
            let (from, to) = self.gap(index)?;
            let (first, last) = (index == 0, index == self.blocks.len());
            let margin = match (first, last) {
                (false, false) => margin.min((to - from).checked_sub(reach)? / 4),
                _ => margin,
            };
            let from = if first { from } else { from.saturating_add(margin) };
            let to = if last { to } else { to.saturating_sub(margin) };
            (from < to).then_some((from, to))
        });
        gaps.collect()
    }
}

impl Block {
    fn merge(&mut self, other: Block) {
        self.end = self.end.max(other.end);
        self.runs.extend(other.runs);
        self.whole &= other.whole;
        self.stray |= other.stray;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::held::Held;
    use crate::spans::{Part, Run};

    fn run(start: u64, end: u64, whole: bool) -> Run {
        let (network, component) = ("n".into(), "c".into());
        Run {
            id: None,
            network,
            component,
            start,
            end,
            whole,
            part: Part::Solo,
            images: Held::default(),
        }
    }

    fn timeline(runs: &[(u64, u64, bool)], stray: &[(u64, u64)], tail_unknown: bool) -> Timeline {
        let runs = runs.iter().map(|&(start, end, whole)| run(start, end, whole)).collect();
        let spans = Spans { runs, stray: stray.to_vec(), ..Spans::default() };
        Timeline::new(&spans, tail_unknown)
    }

    #[test]
    fn overlapping_runs_share_a_block_and_touching_ones_do_not() {
        let line =
            timeline(&[(10, 20, true), (15, 30, true), (30, 40, true), (50, 60, true)], &[], false);
        let runs: Vec<_> = line.blocks().iter().map(|block| block.runs.clone()).collect();
        assert_eq!(runs, [vec![0, 1], vec![2], vec![3]]);
        assert_eq!(line.gap(1), Some((30, 30)));
        assert_eq!(line.gap(3), Some((60, u64::MAX)));
    }

    #[test]
    fn gaps_that_may_hide_work_are_not_trusted() {
        let line = timeline(&[(10, 20, true), (30, 40, false), (50, 60, true)], &[(80, 90)], true);
        let gaps: Vec<_> = (0..=4).map(|index| line.gap(index).is_some()).collect();
        assert_eq!(gaps, [true, false, false, false, false]);
    }

    /// What happens in a preparation is neither idle nor a run's; the time around it is idle.
    #[test]
    fn a_preparation_is_no_idle_time() {
        let spans = Spans {
            runs: vec![run(300, 400, true)],
            preparations: vec![(100, 200)],
            ..Spans::default()
        };
        let line = Timeline::new(&spans, false);
        assert_eq!(line.idle(10, 20), [(0, 90), (210, 290), (410, u64::MAX)]);
        assert!(line.blocks()[0].runs.is_empty());
    }

    #[test]
    fn expansion_stops_at_half_the_gap_and_where_there_is_no_room() {
        let line = timeline(&[(100, 200, true), (220, 300, true), (301, 400, true)], &[], false);
        let first = line.expanded(0, 5, 15);
        assert_eq!((first.from, first.to), (85, 210));
        let second = line.expanded(1, 5, 15);
        assert_eq!((second.from, second.to), (210, 300));
        assert!(second.flanked_before && !second.flanked_after);
    }

    #[test]
    fn idle_margins_shrink_with_the_gap() {
        let line = timeline(&[(1000, 2000, true), (2100, 3000, true)], &[], false);
        assert_eq!(line.idle(10, 20), [(0, 990), (2010, 2090), (3010, u64::MAX)]);
        assert_eq!(line.idle(40, 20), [(0, 960), (2020, 2080), (3040, u64::MAX)]);
        assert_eq!(line.idle(40, 200).len(), 2, "a reading does not fit into the short gap");
    }
}
