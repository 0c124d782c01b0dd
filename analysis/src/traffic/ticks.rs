//! Readings of all ports of a counter at once.

use wattline_trace::rows::TrafficRow;

/// Adds up the ports that are read at one instant.
#[derive(Debug)]
pub(super) struct Ticks {
    ports: usize,
    now: u64,
    seen: usize,
    bytes: u128,
    last: Option<(u64, u128)>,
}

/// What all ports counted between two readings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tick {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) bytes: f64,
}

impl Ticks {
    pub(super) fn new(ports: usize) -> Self {
        Ticks { ports, now: 0, seen: 0, bytes: 0, last: None }
    }

    /// Adds a port's reading; answers what was counted since the last instant at which all ports
    /// were read, if this one is complete. Counts are cumulative: an instant that lacks a port
    /// loses nothing.
    pub(super) fn add(&mut self, row: &TrafficRow) -> Option<Tick> {
        if row.t_ns != self.now {
            (self.now, self.seen, self.bytes) = (row.t_ns, 0, 0);
        }
        self.seen += 1;
        self.bytes += u128::from(row.total_bytes);
        if self.seen != self.ports {
            return None;
        }
        let (from, before) = self.last.replace((self.now, self.bytes))?;
        let bytes = self.bytes.checked_sub(before).filter(|_| from < self.now)?;
        Some(Tick { from, to: self.now, bytes: bytes as f64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_added_up_and_half_an_instant_is_passed_over() {
        let mut ticks = Ticks::new(2);
        let row = |t_ns, port: &str, total_bytes| TrafficRow {
            t_ns,
            source: "s".into(),
            port: port.into(),
            total_bytes,
            read_bytes: None,
            write_bytes: None,
            scaled: false,
        };
        let rows = [(10, "a", 0), (10, "b", 5), (20, "a", 10), (30, "a", 20), (30, "b", 25)];
        let found: Vec<_> = rows.iter().filter_map(|&(t, p, b)| ticks.add(&row(t, p, b))).collect();
        assert_eq!(found, [Tick { from: 10, to: 30, bytes: 40.0 }]);
    }
}
