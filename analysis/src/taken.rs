//! Are there as many rows as the agent took readings?
//!
//! `agent.csv` counts them, each of which is a row of `power.csv` or `traffic.csv`. A row that was lost,
//! that took another's bytes or that stands twice shows in the count, even where nobody knows the tables'
//! checksums. Where the agent dropped readings, or hardware counters were sampled too, counts say nothing.

use wattline_trace::rows::{AgentRow, PowerRow, TrafficRow};
use wattline_trace::{Manifest, Row};

/// Readings by the agent's account, and by the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// When the agent counted last, and how many it had taken.
    account: Option<(u64, u64)>,
    rows: u64,
}

impl Taken {
    pub(crate) fn new(last: &AgentRow, manifest: &Manifest) -> Self {
        let says = last.drops == 0 && manifest.hardware_counters.is_empty();
        Taken { account: says.then_some((last.t_ns, last.samples)), rows: 0 }
    }

    /// Counts a row of an instant.
    pub(crate) fn row(&mut self, t_ns: u64) {
        self.rows += u64::from(self.account.is_some_and(|(until, _)| t_ns <= until));
    }

    /// What is wrong, if anything.
    pub(crate) fn warning(self) -> Option<String> {
        let (until, said) = self.account.filter(|&(_, said)| said != self.rows)?;
        Some(format!(
            "{} counts {said} readings until {until} ns, {} and {} hold {}: rows were lost, added or \
             damaged, and numbers that rest on them may be wrong; restore the files, or record again",
            AgentRow::FILE,
            PowerRow::FILE,
            TrafficRow::FILE,
            self.rows
        ))
    }
}
