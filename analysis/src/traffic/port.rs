//! The cumulative count of one port, kept only at the instants that matter.

use std::collections::HashMap;
use std::path::Path;

use wattline_trace::Name;
use wattline_trace::rows::TrafficRow;

use crate::error::AnalysisError;

/// A cumulative count at an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Probe {
    /// The instant.
    pub(crate) at: u64,
    /// Bytes read and written up to then, since the port's first reading.
    pub(crate) bytes: f64,
    /// The readings it lies between.
    pub(crate) before: u64,
    pub(crate) after: u64,
}

/// One port's series.
#[derive(Debug)]
pub(crate) struct Port {
    /// Instants to probe, ascending; those before `next` are done.
    instants: Vec<u64>,
    next: usize,
    probes: HashMap<u64, Probe>,
    first_bytes: u64,
    first: Probe,
    last: Probe,
}

impl Port {
    pub(crate) fn new(row: &TrafficRow, instants: &[u64]) -> Self {
        let t = row.t_ns;
        let start = Probe { at: t, bytes: 0.0, before: t, after: t };
        Port {
            instants: instants.to_vec(),
            next: instants.partition_point(|&instant| instant < t),
            probes: HashMap::new(),
            first_bytes: row.total_bytes,
            first: start,
            last: start,
        }
    }

    /// Adds a reading, which is later than the one before or else the first.
    pub(crate) fn add(&mut self, row: &TrafficRow) {
        let bytes = row.total_bytes.saturating_sub(self.first_bytes) as f64;
        let before = self.last;
        while let Some(&at) = self.instants.get(self.next).filter(|&&at| at <= row.t_ns) {
            let span = (row.t_ns - before.at).max(1) as f64;
            let share = (at - before.at) as f64 / span;
            let between = before.bytes + (bytes - before.bytes) * share;
            let probe = Probe { at, bytes: between, before: before.at, after: row.t_ns };
            self.probes.insert(at, probe);
            self.next += 1;
        }
        self.last = Probe { at: row.t_ns, bytes, before: before.at, after: row.t_ns };
        if self.first.at == self.first.after && self.last.at > self.first.at {
            self.first.after = self.last.at;
        }
    }

    /// The count at one of the instants; none if the series does not reach it.
    pub(crate) fn probe(&self, at: u64) -> Option<Probe> {
        self.probes.get(&at).copied()
    }

    pub(crate) fn first(&self) -> Probe {
        self.first
    }

    pub(crate) fn last(&self) -> Probe {
        self.last
    }
}

/// Checks that each port of each source moves forwards.
#[derive(Debug, Default)]
pub(crate) struct Monotonic(HashMap<Name, HashMap<Name, [u64; 2]>>);

impl Monotonic {
    pub(crate) fn check(
        &mut self,
        number: u64,
        row: &TrafficRow,
        path: &Path,
    ) -> Result<(), AnalysisError> {
        let now = [row.t_ns, row.total_bytes];
        let ports = self.0.entry(row.source.clone()).or_default();
        let Some(before) = ports.insert(row.port.clone(), now) else { return Ok(()) };
        let (path, name) = (path.to_owned(), format!("{} port {}", row.source, row.port));
        if now[0] <= before[0] {
            let (before, now) = (before[0], now[0]);
            return Err(AnalysisError::Time { path, row: number, series: name, before, now });
        }
        if now[1] < before[1] {
            let (before, now) = (before[1], now[1]);
            let series = format!("{name} total_bytes");
            return Err(AnalysisError::Count { path, row: number, series, before, now });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(t_ns: u64, total_bytes: u64) -> TrafficRow {
        TrafficRow {
            t_ns,
            source: "s".into(),
            port: "p".into(),
            total_bytes,
            read_bytes: None,
            write_bytes: None,
            scaled: false,
        }
    }

    #[test]
    fn counts_are_interpolated_at_the_instants_and_nowhere_else() {
        let mut port = Port::new(&row(10, 100), &[5, 10, 15, 30, 99]);
        for row in [row(10, 100), row(20, 200), row(30, 200)] {
            port.add(&row);
        }
        assert_eq!(port.probe(5), None);
        assert_eq!(port.probe(10).unwrap().bytes, 0.0);
        let middle = port.probe(15).unwrap();
        assert_eq!((middle.bytes, middle.before, middle.after), (50.0, 10, 20));
        assert_eq!(port.probe(30).unwrap().bytes, 100.0);
        assert_eq!(port.probe(99), None);
    }

    #[test]
    fn counts_and_times_that_go_back_are_named() {
        let mut monotonic = Monotonic::default();
        let path = Path::new("traffic.csv");
        monotonic.check(1, &row(10, 100), path).unwrap();
        let error = monotonic.check(2, &row(20, 99), path).unwrap_err().to_string();
        assert!(
            error.contains("data row 2: s port p total_bytes goes from 100 back to 99"),
            "{error}"
        );
        let error = monotonic.check(3, &row(20, 99), path).unwrap_err().to_string();
        assert!(error.contains("from 20 to 20"), "{error}");
    }
}
